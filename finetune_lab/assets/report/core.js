// What all parts of the page share: the data, elements made of text alone, forms of numbers, colours of arms.
"use strict";

const REPORT = JSON.parse(document.getElementById("report-data").textContent);
const UNKNOWN = "not known";

/** An element with attributes and children; strings become text, never markup. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// controls, and marks that turn the direction of what follows, are written out
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/g;
const PAIRS = /[\ud800-\udbff][\udc00-\udfff]/g;
function visible(text) {
  const kept = [];
  const plain = String(text).replace(PAIRS, (pair) => (kept.push(pair), "\ue000"));
  const safe = plain.replace(UNSAFE, (mark) => {
    const code = mark.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return kept.length ? safe.replace(/\ue000/g, () => kept.shift() ?? "\ue000") : safe;
}

/** The rows of an answer as objects; every one knows its place. */
const known = new Map();
function rowsOf(query) {
  if (!known.has(query)) {
    const { columns, rows } = REPORT.queries[query];
    known.set(query, rows.map((row, place) => Object.fromEntries([["place", place], ...columns.map((name, i) => [name, row[i]])])));
  }
  return known.get(query);
}

function significant(value) {
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  if (size < -3 || size > 6) return value.toExponential(2).replace(/-/g, "−").replace("e+", "e");
  const digits = Math.max(0, 3 - size);
  const text = value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (text.includes(".") ? text.replace(/\.?0+$/, "") : text).replace("-", "−");
}

const FORMS = {
  number: significant,
  signed: (value) => (value > 0 ? "+" : "") + significant(value),
  count: (value) => (Number.isInteger(value) ? value.toLocaleString("en-US") : significant(value)),
  p: (value) => (value < 5e-5 ? "under 0.0001" : String(Number(value.toFixed(4)))),
  seconds(value) {
    for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]])
      if (value >= 2 * length) return `${(value / length).toFixed(1)} ${unit}`;
    return `${significant(value >= 1 ? Number(value.toFixed(1)) : value)} s`;
  },
  bytes(value) {
    for (const unit of ["B", "kB", "MB", "GB"]) {
      if (value < 999.5) return `${unit !== "B" && value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
      value /= 1000;
    }
    return `${value.toFixed(1)} TB`;
  },
};

function formed(value, form) {
  if (value === null || value === undefined) return UNKNOWN;
  if (form === "flag") return value ? "yes" : "no";
  if (form === "time") return visible(value).slice(0, 16).replace("T", " ");
  if (typeof value === "string" || !FORMS[form]) return visible(value);
  return FORMS[form](value);
}

// Arms keep one look in all charts: colour, dash and mark together, so that none of them is needed alone.
const COLOURS = ["--c0", "--c1", "--c2", "--c3", "--c4", "--c5", "--c6"];
const DASHES = ["none", "7 3", "2 3", "9 3 2 3"];
const MARKS = ["circle", "square", "triangle", "diamond", "star", "cross", "wye"];
const look = new Map();
function lookOf(arm) {
  if (!look.has(arm)) {
    const place = REPORT.arms.indexOf(arm) - REPORT.bases.length;
    const base = REPORT.bases.includes(arm);
    const index = ((place % 28) + 28) % 28;
    look.set(arm, base
      ? { colour: "var(--base)", dash: "4 4", mark: "square" }
      : { colour: `var(${COLOURS[index % 7]})`, dash: DASHES[index % 4], mark: MARKS[(index + Math.floor(Math.max(place, 0) / 28)) % 7] });
  }
  return look.get(arm);
}

const SVG = "http://www.w3.org/2000/svg";
function drawnMark(symbol, colour, filled = true, dash = null) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", dash ? 26 : 12);
  svg.setAttribute("height", 12);
  svg.setAttribute("aria-hidden", "true");
  if (dash) {
    const line = document.createElementNS(SVG, "line");
    for (const [name, value] of Object.entries({ x1: 0, x2: 26, y1: 6, y2: 6, stroke: colour, "stroke-width": 2, "stroke-dasharray": dash })) line.setAttribute(name, value);
    svg.append(line);
  }
  const path = document.createElementNS(SVG, "path");
  const turned = symbol === "down";
  path.setAttribute("d", d3.symbol(d3[`symbol${turned ? "Triangle" : symbol[0].toUpperCase() + symbol.slice(1)}`], 44)());
  path.setAttribute("transform", `translate(${dash ? 13 : 6},6)${turned ? " rotate(180)" : ""}`);
  path.setAttribute("fill", filled ? colour : "var(--card)");
  path.setAttribute("stroke", colour);
  path.setAttribute("stroke-width", 1.4);
  svg.append(path);
  return svg;
}

/** Which arms the curves show; charts listen for changes. */
const chosen = new Set(REPORT.arms.length <= 9 ? REPORT.arms : [...REPORT.bases, ...REPORT.first]);
const listeners = [];
function tellAll() {
  for (const listener of listeners) listener();
}

function armPicker(place) {
  if (REPORT.arms.length < 2) return;
  const chips = element("div", { class: "chips" });
  const told = element("span", { "aria-live": "polite" });
  const say = () => { told.textContent = `Arms in the curves: ${chosen.size} of ${REPORT.arms.length}`; };
  for (const arm of REPORT.arms) {
    const { colour, dash, mark } = lookOf(arm);
    const chip = element("button", { type: "button", class: "chip", "aria-pressed": chosen.has(arm), title: visible(arm), onclick() {
      if (!chosen.delete(arm)) chosen.add(arm);
      chip.setAttribute("aria-pressed", chosen.has(arm));
      say();
      tellAll();
    } }, drawnMark(mark, colour, true, dash), visible(arm));
    chip.dataset.arm = arm.toLowerCase();
    chips.append(chip);
  }
  const find = REPORT.arms.length > 12 ? element("input", { type: "search", placeholder: "Find an arm", "aria-label": "Find an arm", oninput() {
    for (const chip of chips.children) chip.hidden = !chip.dataset.arm.includes(find.value.toLowerCase());
  } }) : null;
  say();
  place.append(element("details", { open: REPORT.arms.length <= 9 && innerWidth > 960 }, element("summary", {}, told), ...(find ? [find] : []), chips));
  place.hidden = false;
}

function themeSwitch() {
  const buttons = document.querySelectorAll("[data-theme-choice]");
  const remembered = () => { try { return localStorage.getItem("report-theme"); } catch { return null; } };
  const choose = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.themeChoice === theme);
  };
  for (const button of buttons) button.addEventListener("click", () => {
    choose(button.dataset.themeChoice);
    try { localStorage.setItem("report-theme", button.dataset.themeChoice); } catch { /* a file from disk may keep nothing */ }
  });
  const theme = remembered();
  choose(["light", "dark"].includes(theme) ? theme : "auto");
}
