"use strict";
// One survey: items before one person, in an order and with sides drawn from the person's name; nothing leaves the page.
(() => {
  const survey = JSON.parse(document.getElementById("survey").textContent);
  const page = document.getElementById("page");
  const votes = new Map(); // item id -> {said, shown, seconds, time}
  let rater = "", order = [], place = 0, since = 0;

  // the same numbers as finetune_lab/people/items.py, draw
  const draw = (...parts) => {
    let found = 0x811c9dc5;
    for (const byte of new TextEncoder().encode(parts.join("\0"))) found = Math.imul(found ^ byte, 0x01000193);
    found = Math.imul(found ^ (found >>> 16), 0x85ebca6b);
    found = Math.imul(found ^ (found >>> 13), 0xc2b2ae35);
    return (found ^ (found >>> 16)) >>> 0;
  };

  const make = (name, own = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(own)) {
      if (key === "onclick") made.addEventListener("click", value);
      else if (key === "text") made.textContent = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };

  const show = (...children) => {
    page.replaceChildren(...children);
    window.scrollTo(0, 0);
  };

  // Unpaired surrogates have no bytes: what Python drew for "?" is drawn here too
  const clean = (text) => text.replace(/[\p{C}\s]+/gu, " ").trim().slice(0, 100);

  const start = (told = "") => {
    const name = make("input", { id: "rater", maxlength: "100", autocomplete: "off" });
    const go = () => {
      rater = clean(name.value);
      if (!rater) return start("Please type your name or the number that you were given.");
      order = survey.items
        .map((item, at) => ({ at, by: draw(survey.seed, "order", rater, item.id) }))
        .sort((one, other) => one.by - other.by || one.at - other.at)
        .map((one) => survey.items[one.at]);
      place = 0;
      ask();
    };
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter") go();
    });
    show(
      make("h1", { text: survey.question }),
      make("p", { text: `${survey.items.length} items. ${survey.hint}` }),
      make("p", { text: "Keep this page open until you have saved your results; it sends nothing by itself." }),
      ...(told ? [make("p", { class: "told", role: "alert", text: told })] : []),
      make("p", {}, make("label", { for: "rater", text: "Your name, or the number that you were given" }), name),
      make("button", { class: "main", id: "start", text: "Start", onclick: go }),
    );
    name.focus();
  };

  const shownFor = (item) => {
    const ids = item.answers.map((answer) => answer.id);
    return draw(survey.seed, "sides", rater, item.id) & 1 ? ids.reverse() : ids;
  };

  const ask = () => {
    const item = order[place];
    const shown = shownFor(item);
    const texts = new Map(item.answers.map((answer) => [answer.id, answer.text]));
    const said = votes.get(item.id)?.said;
    since = performance.now();
    const answers = shown.map((id, at) =>
      make("section", { class: "answer" },
        make("h2", { text: shown.length > 1 ? `Answer ${at + 1}` : "Answer" }),
        make("pre", { text: texts.get(id) || "(nothing was written)" })));
    const options = survey.options.map((option) => {
      const key = option.key === option.label ? [] : [make("small", { text: option.key })];
      const button = make("button", { "data-said": option.value, onclick: () => vote(option.value) }, option.label, ...key);
      button.setAttribute("aria-pressed", String(said === option.value));
      if (said === option.value) button.className = "said";
      return button;
    });
    const points = survey.options.length > 5 ? " points" : "";
    show(
      ...item.prompt.map((turn) =>
        make("section", { class: "turn" }, make("h2", { text: turn.role }), make("pre", { text: turn.content }))),
      make("div", { class: shown.length > 1 ? "answers two" : "answers" }, ...answers),
      make("div", { class: "bar" }, make("div", { class: "inner" },
        make("h1", { text: `${survey.question} ${survey.hint}` }),
        make("div", { class: `options${points}` }, ...options),
        make("div", { class: "moves" }, ...moves()))),
    );
  };

  const moves = () => {
    const back = make("button", { id: "back", text: "Back", onclick: () => step(-1) });
    if (place === 0) back.disabled = true;
    const skip = make("button", { id: "skip", text: place + 1 < order.length ? "Skip" : "Finish", onclick: () => step(1) });
    const bar = make("progress", { max: order.length, value: votes.size });
    return [back, make("span", { text: `${place + 1} of ${order.length}` }, bar), skip];
  };

  const step = (by) => {
    place = Math.max(place + by, 0);
    if (place < order.length) ask();
    else finish();
  };

  const vote = (said) => {
    const item = order[place];
    const seconds = Math.round((performance.now() - since) / 10) / 100;
    votes.set(item.id, { said, shown: shownFor(item), seconds, time: new Date().toISOString() });
    step(1);
  };

  const results = () => ({
    survey: survey.id,
    rater,
    votes: order.filter((item) => votes.has(item.id)).map((item) => ({ item: item.id, ...votes.get(item.id) })),
  });

  const quoted = (value) => {
    const text = String(value);
    return `"${(/^[=+\-@]/.test(text) ? "'" + text : text).replaceAll('"', '""')}"`;
  };

  const asCsv = () => {
    const found = results();
    const rows = found.votes.map((one) => [found.survey, found.rater, one.item, one.shown.join(" "), one.said, one.seconds, one.time]);
    return [["survey", "rater", "item", "shown", "said", "seconds", "time"], ...rows]
      .map((row) => row.map(quoted).join(",") + "\n").join("");
  };

  // a letter for each item in the order of the file, "-" for none, then what shows a letter that was lost
  const code = () => {
    const letters = survey.items.map((item) => {
      const at = survey.options.findIndex((option) => option.value === votes.get(item.id)?.said);
      return at < 0 ? "-" : "abcdefghijklmnopqrstuvwxyz"[at];
    }).join("");
    const name = btoa(String.fromCharCode(...new TextEncoder().encode(rater))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    return `${survey.id}.${name}.${letters}.${draw(survey.id, rater, letters).toString(16).padStart(8, "0")}`;
  };

  const save = (name, kind, text) => {
    const link = make("a", { href: `data:${kind};charset=utf-8,${encodeURIComponent(text)}`, download: name });
    document.body.append(link);
    link.click();
    link.remove();
  };

  const finish = () => {
    const left = order.length - votes.size;
    const file = `results-${survey.id}-${draw(rater).toString(16)}`;
    const json = JSON.stringify(results(), null, 1);
    const area = make("textarea", { id: "results", rows: "6", readonly: "", class: "code", "aria-label": "Your results" });
    area.value = json;
    show(
      make("h1", { text: left ? `${left} items are still open` : "Done, thank you" }),
      ...(left ? [make("p", {}, make("button", { id: "open", text: "Go to the first open one", onclick: firstOpen }))] : []),
      make("p", { text: "Save your results and send the file back, or copy the code below." }),
      make("p", { class: "options" },
        make("button", { class: "main", id: "json", text: "Save as JSON", onclick: () => save(`${file}.json`, "application/json", json) }),
        make("button", { id: "csv", text: "Save as CSV", onclick: () => save(`${file}.csv`, "text/csv", asCsv()) }),
        make("button", { id: "review", text: "Look again", onclick: () => { place = order.length; step(-1); } })),
      make("h2", { text: "Completion code" }),
      make("p", { class: "code", id: "code", text: code() }),
      make("h2", { text: "Results" }),
      area,
    );
  };

  const firstOpen = () => {
    place = order.findIndex((item) => !votes.has(item.id));
    ask();
  };

  document.addEventListener("keydown", (event) => {
    if (!order.length || place >= order.length || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Backspace" || event.key === "ArrowLeft") return place > 0 && step(-1);
    if (event.key === "ArrowRight") return step(1);
    const option = survey.options.find((one) => one.key === event.key || (one.key === "10" && event.key === "0"));
    if (option) vote(option.value);
  });

  start();
})();
