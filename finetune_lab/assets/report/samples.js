// Samples side by side: a page at a time, found by words in prompt, reference or any answer.

const PER_SCREEN = 8;

function samplesOf(place, block) {
  const data = JSON.parse(document.getElementById("report-samples").textContent);
  const read = ({ columns, rows }) => rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
  const answers = d3.group(read(data[block.answers]), (row) => `${row.answers_key} ${row.sample}`);
  const all = read(data[block.prompts]).map((row) => ({ ...row, answers: answers.get(`${row.answers_key} ${row.sample}`) ?? [] }));
  const arms = [...new Set(all.flatMap((row) => row.answers.map((one) => one.arm)))];
  const shown = new Set(arms.slice(0, 4));
  let [found, words, page] = [all, "", 0];
  const list = element("div", {});
  const pager = pagerOf(() => Math.ceil(found.length / PER_SCREEN), (to) => { page = to; draw(); list.scrollIntoView({ block: "start" }); });
  const search = element("input", { type: "search", class: "search", placeholder: "Search prompts and answers", "aria-label": "Search prompts and answers", oninput: () => later(find) });
  const chips = element("div", { class: "chips" }, ...arms.map((arm) => {
    const chip = element("button", { type: "button", class: "chip", "aria-pressed": shown.has(arm), onclick() {
      if (!shown.delete(arm)) shown.add(arm);
      chip.setAttribute("aria-pressed", shown.has(arm));
      draw();
    } }, visible(arm));
    return chip;
  }));
  let waiting = null;
  function later(act) {
    clearTimeout(waiting);
    waiting = setTimeout(act, 120);
  }

  function find() {
    words = search.value.toLowerCase();
    found = words ? all.filter((row) => [row.prompt, row.due, ...row.answers.map((one) => one.text)].some((text) => text !== null && visible(text).toLowerCase().includes(words))) : all;
    page = 0;
    draw();
  }

  function draw() {
    list.replaceChildren(...found.slice(page * PER_SCREEN, (page + 1) * PER_SCREEN).map(card));
    pager.update(page, found.length, all.length);
  }

  function card(row) {
    const own = row.answers.filter((one) => shown.has(one.arm));
    return element("article", { class: "sample" },
      element("h4", {}, `asked · ${visible(row.sample)}`), text(row.prompt),
      element("div", { class: "answers" },
        row.due === null ? null : element("div", { class: "answer due" }, element("h4", {}, "due"), text(row.due)),
        ...own.map((one) => element("div", { class: "answer" }, element("h4", {}, `${visible(one.arm)}${one.seed === null ? "" : ` · seed ${one.seed}`}${one.finish === "length" ? " · cut at its limit" : ""}`), text(one.text, one.num_characters)))));
  }

  function text(value, length = 0) {
    if (value === null || value === undefined) return element("p", { class: "text unknown" }, "not kept");
    const safe = visible(value);
    const rest = length > value.length ? ` … (${length} characters)` : "";
    return element("p", { class: "text", dir: "auto" }, ...marked(safe), rest);
  }

  function marked(safe) {
    if (!words) return [safe];
    const parts = [];
    const low = safe.toLowerCase();
    let from = 0;
    for (let at = low.indexOf(words); at >= 0 && low.length === safe.length; at = low.indexOf(words, from)) {
      parts.push(safe.slice(from, at), element("mark", {}, safe.slice(at, at + words.length)));
      from = at + words.length;
    }
    return [...parts, safe.slice(from)];
  }

  place.append(element("div", { class: "controls" }, search, pager.line), arms.length > 1 ? chips : "", list);
  draw();
  place.dataset.drawn = "yes";
}
