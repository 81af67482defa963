// Tables of answers: sorted by a click, filtered by a word, a page at a time.

const PER_PAGE = 12;
const NUMBERS = new Set(["number", "signed", "count", "p", "seconds", "bytes"]);

/** A table over the rows of one answer. `columns`: name, head, form. */
function tableOf(query, columns) {
  const all = rowsOf(query);
  const shown = columns.filter((column) => all.some((row) => row[column.name] !== null) || columns.length < 4);
  let [rows, page, sorted, down] = [all, 0, null, false];
  const body = element("tbody");
  const heads = shown.map((column) => element("th", { scope: "col", class: NUMBERS.has(column.form) ? "number" : null },
    element("button", { type: "button", onclick: () => sortBy(column) }, visible(column.head))));
  const table = element("table", { "data-query": query }, element("thead", {}, element("tr", {}, ...heads)), body);
  const pager = pagerOf(() => Math.ceil(rows.length / PER_PAGE), (to) => { page = to; draw(); });
  const find = all.length > PER_PAGE ? element("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the rows", oninput() {
    const words = find.value.toLowerCase();
    rows = all.filter((row) => shown.some((column) => formed(row[column.name], column.form).toLowerCase().includes(words)));
    [page, sorted] = [0, null];
    draw();
  } }) : null;

  function sortBy(column) {
    down = sorted === column ? !down : false;
    sorted = column;
    const sign = down ? -1 : 1;
    rows = [...rows].sort((a, b) => {
      const [one, other] = [a[column.name], b[column.name]];
      if (one === null || other === null) return (one === null) - (other === null);
      return sign * (typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other)));
    });
    page = 0;
    draw();
  }

  function draw() {
    body.replaceChildren(...rows.slice(page * PER_PAGE, (page + 1) * PER_PAGE).map((row) => element("tr", { "data-row": row.place },
      ...shown.map((column) => cellOf(row, column)))));
    heads.forEach((head, i) => {
      if (shown[i] === sorted) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    pager.update(page, rows.length, all.length);
  }

  draw();
  return [element("div", { class: "controls" }, find, pager.line), element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table" }, table)];
}

function cellOf(row, column) {
  const value = row[column.name];
  const classes = [NUMBERS.has(column.form) ? "number" : "", value === null ? "unknown" : "", column.name === "verdict" ? `verdict-${value}` : ""];
  const text = value === null ? column.missing ?? "–" : formed(value, column.form);
  if (text.length > 42) classes.push("long");
  return element("td", { class: classes.join(" ").trim() || null, "data-column": column.name }, column.name === "verdict" && SIGNS[value] ? `${SIGNS[value]} ${text}` : text);
}

const SIGNS = { better: "▲", worse: "▼", same: "=", unclear: "?" };

function pagerOf(pages, go) {
  let now = 0;
  const told = element("span", { "aria-live": "polite" });
  const back = element("button", { type: "button", class: "button", onclick: () => go(now - 1) }, "Earlier");
  const on = element("button", { type: "button", class: "button", onclick: () => go(now + 1) }, "Later");
  return {
    line: element("span", { class: "controls" }, told, back, on),
    update(page, some, all) {
      now = page;
      const most = Math.max(1, pages());
      told.textContent = `${some === all ? "" : `${some} of `}${all} ${all === 1 ? "row" : "rows"}${most > 1 ? `, page ${page + 1} of ${most}` : ""}`;
      back.hidden = on.hidden = most === 1;
      back.disabled = page === 0;
      on.disabled = page >= most - 1;
    },
  };
}
