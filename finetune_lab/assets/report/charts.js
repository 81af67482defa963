// Charts of answers. Each is drawn when it comes near the window, again when its width or the chosen arms change.

const VERDICTS = {
  better: { symbol: "triangle", colour: "var(--good)", filled: true },
  worse: { symbol: "down", colour: "var(--bad)", filled: true },
  same: { symbol: "circle", colour: "var(--soft)", filled: false },
  unclear: { symbol: "diamond", colour: "var(--soft)", filled: false },
};
const MOST_ROWS = 24;
const distinct = (rows, column) => [...new Set(rows.map((row) => row[column]))];
const style = { background: "transparent", fontSize: "12px", fontFamily: "inherit", overflow: "visible" };

/** Fill a figure: pickers, the picture, its key, and its data as a table. */
function chartOf(figure, block) {
  const { uses, query, kind } = block;
  const all = rowsOf(query);
  const drawn = element("div", { class: "drawn", role: "img", "aria-label": visible(block.words) });
  const key = element("ul", { class: "key" });
  const picked = {};
  let whole = false;
  const pickers = [uses.pick, uses.pick_more].filter(Boolean).map((column) => {
    if (distinct(all, column).length === 1) return `${column} ${visible(all[0][column])}`;
    const select = element("select", { "aria-label": column, onchange() { picked[column] = options[select.selectedIndex]; draw(); } });
    const options = distinct(all, column);
    options.forEach((value) => select.append(element("option", {}, visible(value))));
    picked[column] = options[0];
    return element("label", {}, `${column} `, select);
  });
  const more = element("button", { type: "button", class: "button", hidden: true, onclick() { whole = !whole; draw(); } });
  figure.append(element("div", { class: "controls" }, ...pickers, more), drawn, key);
  figure.append(dataOf(query, REPORT.queries[query].columns));

  function draw() {
    const rows = all.filter((row) => Object.entries(picked).every(([column, value]) => row[column] === value));
    const width = Math.max(240, drawn.clientWidth);
    key.replaceChildren();
    const made = KINDS[kind]({ rows, uses, width, whole, key, more: (num) => {
      more.hidden = num <= MOST_ROWS;
      more.textContent = whole ? `The first ${MOST_ROWS} alone` : `All ${num} rows`;
    } });
    drawn.replaceChildren(made);
    figure.dataset.drawn = "yes";
  }

  let width = 0;
  new ResizeObserver(() => {
    if (figure.dataset.drawn && Math.abs(drawn.clientWidth - width) > 8) draw();
    width = drawn.clientWidth;
  }).observe(drawn);
  if (kind === "curves") listeners.push(() => { if (figure.dataset.drawn) draw(); });
  return draw;
}

function dataOf(query, columns) {
  const made = element("details", { class: "data", ontoggle() {
    if (made.open && made.children.length === 1) made.append(...tableOf(query, columns.map((name) => ({ name, head: name.replace(/_/g, " "), form: "number" }))));
  } }, element("summary", {}, "The data as a table"));
  return made;
}

function keyLine(key, mark, text) {
  key.append(element("li", {}, mark, visible(text)));
}

function nothing() {
  return element("p", { class: "said note" }, "Nothing to draw for this choice.");
}

const KINDS = {
  forest({ rows, uses, width, whole, key, more }) {
    const gain = (row) => (row.higher_is_better === 0 ? -1 : 1) * row[uses.x];
    const valued = rows.filter((row) => row[uses.x] !== null);
    more(valued.length);
    const sorted = uses.shape ? [...valued].sort((a, b) => gain(b) - gain(a)) : valued;
    const shown = whole ? sorted : sorted.slice(0, MOST_ROWS);
    if (!shown.length) return nothing();
    const wide = width > 620;
    const names = new Map(shown.map((row) => [row.place, visible(row[uses.y])]));
    const start = sharedStart([...names.values()]);
    const short = (place) => names.get(place).slice(start);
    const left = Math.min(Math.max(...[...names.values()].map((name) => name.length - start)) * 7.2 + 16, width * (wide ? 0.34 : 0.4));
    const most = Math.floor((left - 14) / 7.1);
    const unit = uses.unit && shown[0][uses.unit] ? `, ${visible(shown[0][uses.unit])}` : "";
    const isGain = uses.shape ? (shown[0].higher_is_better === 0 ? ", less is better" : ", more is better") : "";
    const words = (row) => FORMS[uses.zero ? "signed" : "number"](row[uses.x]) + (row[uses.low] == null ? "" : `  [${significant(row[uses.low])}, ${significant(row[uses.high])}]`);
    const looks = (row) => VERDICTS[row[uses.shape]] ?? { symbol: "circle", colour: uses.arm ? lookOf(row[uses.arm]).colour : "var(--c0)", filled: true };
    const common = { y: "place", x: uses.x };
    const dots = [...d3.group(shown, (row) => (uses.shape ? row[uses.shape] : ""))].map(([, some]) => {
      const { symbol, colour, filled } = looks(some[0]);
      return Plot.dot(some, { ...common, symbol: symbol === "down" ? "triangle" : symbol, rotate: symbol === "down" ? 180 : 0, r: 5, fill: filled ? colour : "var(--card)", stroke: colour, strokeWidth: 1.6 });
    });
    if (uses.shape) for (const verdict of distinct(shown, uses.shape)) {
      const { symbol, colour, filled } = VERDICTS[verdict] ?? VERDICTS.unclear;
      keyLine(key, drawnMark(symbol, colour, filled), verdict);
    }
    return Plot.plot({
      width, height: 56 + shown.length * 25, marginLeft: left, marginRight: wide ? 190 : 16, marginBottom: 40, style,
      x: { label: `${uses.x_label ?? ""}${unit}${isGain}`, labelAnchor: "center", labelArrow: "none", grid: true, nice: true, ticks: Math.max(3, Math.floor(width / 130)) },
      y: { type: "point", domain: shown.map((row) => row.place), label: null, tickSize: 0, tickFormat: (place) => cut(short(place), most) },
      marks: [
        uses.zero ? Plot.ruleX([0], { stroke: "currentColor", strokeOpacity: 0.7 }) : null,
        uses.low ? Plot.ruleY(shown.filter((row) => row[uses.low] !== null), { y: "place", x1: uses.low, x2: uses.high, stroke: (row) => looks(row).colour, strokeWidth: 2 }) : null,
        dots,
        wide ? Plot.text(shown, { y: "place", text: words, frameAnchor: "right", textAnchor: "start", dx: 12, fontVariant: "tabular-nums" }) : null,
        Plot.tip(shown, Plot.pointerY({ ...common, ...tipped, title: (row) => `${names.get(row.place)}\n${words(row)}${uses.shape ? `\n${row[uses.shape]}` : ""}` })),
      ],
    });
  },

  curves({ rows, uses, width, key }) {
    const valued = rows.filter((row) => row[uses.y] !== null);
    const having = new Set(distinct(valued, "arm").filter((arm) => chosen.has(arm)));
    const those = having.size ? having : new Set(distinct(valued, "arm").slice(0, 8)); // few arms have this curve
    const some = valued.filter((row) => those.has(row.arm));
    if (!some.length) return nothing();
    const band = uses.low && some.some((row) => row[uses.low] !== null);
    const arms = d3.groups(some, (row) => row.arm);
    const points = d3.max(d3.rollups(some, (group) => group.length, (row) => `${row.arm} ${row.seed}`), ([, num]) => num);
    const series = (row) => `${row.arm} ${row.seed}`;
    const marks = arms.flatMap(([arm, own]) => {
      const { colour, dash, mark } = lookOf(arm);
      const step = Math.max(1, Math.ceil(points / 9));
      const spaced = d3.groups(own, series).flatMap(([, line]) => line.filter((_, i) => (line.length - 1 - i) % step === 0));
      return [
        band ? Plot.areaY(own, { x: uses.x, y1: uses.low, y2: uses.high, z: series, fill: colour, fillOpacity: 0.13 }) : null,
        Plot.line(own, { x: uses.x, y: uses.y, z: series, stroke: colour, strokeWidth: 1.9, strokeDasharray: dash }),
        Plot.dot(spaced, { x: uses.x, y: uses.y, symbol: mark, fill: colour, r: 3.4 }),
      ];
    });
    for (const [arm] of arms) {
      const { colour, dash, mark } = lookOf(arm);
      keyLine(key, drawnMark(mark, colour, true, dash), arm);
    }
    return Plot.plot({
      width, height: Math.min(380, Math.max(230, width * 0.45)), marginLeft: 58, marginRight: 18, marginTop: 32, marginBottom: 40, style,
      x: { label: uses.x_label, labelAnchor: "center", labelArrow: "none", ticks: ticksOf(some, uses.x, width), tickFormat: "~s" },
      y: { label: null, grid: true, nice: true, ticks: 6, tickFormat: significant },
      marks: [
        Plot.text([uses.y_label], { frameAnchor: "top-left", dx: -54, dy: -24, fillOpacity: 0.75 }),
        ...marks,
        Plot.tip(some, Plot.pointer({ x: uses.x, y: uses.y, ...tipped, title: (row) => `${visible(row.arm)}${row.seed === null ? "" : `, seed ${row.seed}`}\n${uses.x_label} ${row[uses.x]}: ${significant(row[uses.y])}${band && row[uses.low] !== null ? `  [${significant(row[uses.low])}, ${significant(row[uses.high])}]` : ""}` })),
      ],
    });
  },

  scatter({ rows, uses, width, key }) {
    const front = rows.filter((row) => row[uses.front]).sort((a, b) => a[uses.x] - b[uses.x]);
    const named = rows.length <= 10 ? rows : front.slice(0, 8);
    const symbol = (some, filled) => Plot.dot(some, { x: uses.x, y: uses.y, symbol: filled ? "diamond" : "circle", r: 5.5, fill: filled ? "var(--c0)" : "var(--card)", stroke: "var(--c0)", strokeWidth: 1.5 });
    keyLine(key, drawnMark("diamond", "var(--c0)"), "not beaten");
    keyLine(key, drawnMark("circle", "var(--c0)", false), "beaten: another arm is as good or better, and faster");
    const down = rows[0].higher_is_better === 0;
    return Plot.plot({
      width, height: Math.min(400, Math.max(250, width * 0.5)), marginLeft: 58, marginRight: 24, marginTop: 30, marginBottom: 40, style, inset: 16,
      x: { label: uses.x_label, labelAnchor: "center", labelArrow: "none", nice: true, grid: true, ticks: Math.max(3, Math.floor(width / 110)), tickFormat: "~s" },
      y: { label: null, grid: true, nice: true, ticks: 6, tickFormat: significant },
      marks: [
        Plot.text([`${visible(rows[0].metric)}${down ? ", less is better" : ", more is better"}`], { frameAnchor: "top-left", dx: -54, dy: -22, fillOpacity: 0.75 }),
        Plot.line(front, { x: uses.x, y: uses.y, stroke: "var(--c0)", strokeDasharray: "3 3", strokeOpacity: 0.8 }),
        symbol(rows.filter((row) => !row[uses.front]), false),
        symbol(front, true),
        Plot.text(named, { x: uses.x, y: uses.y, text: (row) => cut(visible(row[uses.label]), 26), dy: -13, lineWidth: 20, stroke: "var(--card)", strokeWidth: 4, fill: "currentColor" }),
        Plot.tip(rows, Plot.pointer({ x: uses.x, y: uses.y, ...tipped, title: (row) => `${visible(row[uses.label])}\n${FORMS.seconds(row[uses.x])}, ${significant(row[uses.y])}` })),
      ],
    });
  },

  bars({ rows, uses, width, whole, key, more }) {
    const names = distinct(rows, uses.y);
    more(names.length);
    const kept = whole ? names : names.slice(0, MOST_ROWS);
    const shown = rows.filter((row) => kept.includes(row[uses.y]));
    const parts = distinct(rows, uses.part).sort((a, b) => (b === "valid") - (a === "valid"));
    const failing = parts.filter((part) => part !== "valid");
    const colour = (part) => `var(--c${part === "valid" ? 2 : [1, 0, 4, 3, 5, 6][failing.indexOf(part) % 6]})`;
    for (const part of parts) keyLine(key, drawnMark("square", colour(part)), part);
    const left = Math.min(Math.max(...kept.map((name) => String(name).length)) * 7.2 + 16, width * 0.4);
    const sums = d3.rollup(shown, (group) => d3.sum(group, (row) => row[uses.x]), (row) => row[uses.y]);
    const share = (row) => row[uses.x] / sums.get(row[uses.y]);
    const order = (row) => parts.indexOf(row[uses.part]);
    return Plot.plot({
      width, height: 56 + kept.length * 30, marginLeft: left, marginRight: 18, marginBottom: 40, style,
      x: { label: "share of answers, %", percent: true, labelAnchor: "center", labelArrow: "none", domain: [0, 100], ticks: 5 },
      y: { type: "band", domain: kept, label: null, tickSize: 0, tickFormat: (name) => cut(visible(name), Math.floor((left - 14) / 7.1)) },
      marks: [
        Plot.barX(shown, Plot.stackX({ order }, { x: share, y: uses.y, fill: (row) => colour(row[uses.part]), stroke: "var(--card)", strokeWidth: 2 })),
        Plot.text(shown.filter((row) => share(row) * (width - left) > 64), Plot.stackX({ order }, { x: share, y: uses.y, text: (row) => `${cut(visible(row[uses.part]), 10)} ${row[uses.x]}`, fill: "var(--page)", fontWeight: 600 })),
        Plot.tip(shown, Plot.pointer(Plot.stackX({ order }, { x: share, y: uses.y, ...tipped, title: (row) => `${visible(row[uses.y])}\n${visible(row[uses.part])}: ${row[uses.x]}` }))),
      ],
    });
  },

  matrix({ rows, uses, whole, key, more }) {
    const [unsorted, metrics] = [new Set(distinct(rows, uses.row)), distinct(rows, uses.column)];
    const arms = REPORT.arms.filter((arm) => unsorted.has(arm)); // the best first
    more(arms.length);
    for (const verdict of ["better", "worse", "same", "unclear"]) {
      const { symbol, colour, filled } = VERDICTS[verdict];
      keyLine(key, drawnMark(symbol, colour, filled), verdict);
    }
    const at = new Map(rows.map((row) => [`${row[uses.row]}\n${row[uses.column]}`, row]));
    const cells = (arm) => metrics.map((metric) => {
      const row = at.get(`${arm}\n${metric}`);
      const value = row?.[uses.value];
      return element("td", { class: row ? `verdict-${row[uses.verdict]}` : "unknown", title: row ? `${visible(metric)}: ${row[uses.verdict]}` : null },
        element("span", { class: "sign", role: "img", "aria-label": row ? row[uses.verdict] : "not compared" }, row ? SIGNS[row[uses.verdict]] ?? "?" : "–"),
        value === null || value === undefined ? "" : element("span", { class: "size" }, FORMS.signed(value)));
    });
    return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Verdicts" }, element("table", { class: "matrix" },
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "arm"), ...metrics.map((metric) => element("th", { scope: "col" }, ...broken(metric))))),
      element("tbody", {}, ...(whole ? arms : arms.slice(0, MOST_ROWS)).map((arm) => element("tr", {}, element("th", { scope: "row", title: visible(arm) }, visible(arm)), ...cells(arm))))));
  },
};

const tipped = { fill: "var(--card)", stroke: "var(--soft)", textPadding: 8, lineHeight: 1.3, maxRadius: 60 };
const cut = (text, most) => (text.length <= most ? text : `${text.slice(0, Math.max(3, most - 1))}…`);
/** How many letters all names begin with, up to a dot: what layers share tells nothing. */
function sharedStart(names) {
  const dots = [...names[0].matchAll(/\./g)].map((found) => found.index + 1).reverse();
  return names.length < 2 ? 0 : dots.find((end) => names.every((name) => name.startsWith(names[0].slice(0, end)) && name.length > end)) ?? 0;
}
const broken = (text) => visible(text).split(/(?<=[/_])/).flatMap((part) => [part, element("wbr")]);

function ticksOf(rows, column, width) {
  const values = distinct(rows, column);
  const most = Math.max(3, Math.floor(width / 80));
  return values.length <= most ? values : most;
}
