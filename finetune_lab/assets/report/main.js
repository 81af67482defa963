// Puts the page together: what is seen first is drawn first, the rest when it comes near.

themeSwitch();
armPicker(document.getElementById("arms"));

const waitingDrawings = new Map();
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) {
      near.unobserve(target);
      waitingDrawings.get(target)();
    }
  }
}, { rootMargin: "600px" });

for (const place of document.querySelectorAll("[data-block]")) {
  const block = REPORT.blocks[place.dataset.block];
  const act = {
    table: () => { place.append(...tableOf(block.query, block.columns)); place.dataset.drawn = "yes"; },
    samples: () => samplesOf(place, block),
    chart: () => chartOf(place, block)(),
  }[place.dataset.kind];
  waitingDrawings.set(place, act);
  near.observe(place);
}

if (matchMedia("(max-width: 60rem)").matches) document.querySelector(".contents details").open = false;

const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
const reading = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) for (const [name, link] of links) link.setAttribute("aria-current", name === target.id);
  }
}, { rootMargin: "-20% 0px -70% 0px" });
for (const section of document.querySelectorAll("main > section")) reading.observe(section);

function openQuestion() {
  const asked = document.getElementById(location.hash.slice(1));
  if (asked instanceof HTMLDetailsElement) asked.open = true;
}
addEventListener("hashchange", openQuestion);
openQuestion();
document.addEventListener("click", (event) => {
  const figure = event.target.closest?.("data.figure");
  if (figure) location.hash = figure.dataset.query;
});
addEventListener("beforeprint", () => { for (const [place, act] of waitingDrawings) if (!place.dataset.drawn) { near.unobserve(place); act(); } });
