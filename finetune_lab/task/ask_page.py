"""The page of a sitting: what strangers wrote is escaped, its control characters are written out, nothing is loaded."""

from html import escape

from finetune_lab.people.queue import Queue, Showing
from finetune_lab.text.terminal import visible

STYLE = """
.gradio-container, .gradio-container main { margin: 0 auto !important; max-width: 72rem !important;
  width: 100% !important; }
#shown, #bar { width: 100%; }
.sitting { font-size: 1.02rem; line-height: 1.5; }
.sitting header { display: flex; gap: .5rem 1rem; flex-wrap: wrap; justify-content: space-between; opacity: .75;
  font-size: .9rem; }
.sitting .track { background: #8883; border-radius: .3rem; height: .45rem; margin: .2rem 0 .8rem; overflow: hidden; }
.sitting .track div { background: #2563eb; height: 100%; }
.sitting .turn, .sitting .answer { border: 1px solid #8886; border-radius: .7rem; padding: .7rem 1rem; min-width: 0; }
.sitting .turn { background: #8881; margin-bottom: .8rem; }
.sitting .answers { display: grid; gap: .8rem; grid-template-columns: 1fr; }
.sitting h2 { font-size: .78rem; font-weight: 600; letter-spacing: .05em; margin: 0 0 .3rem; opacity: .7;
  text-transform: uppercase; }
.sitting pre { background: none; border: 0; font: inherit; margin: 0; overflow-wrap: anywhere; padding: 0;
  white-space: pre-wrap; }
.sitting .question { font-size: 1.1rem; font-weight: 600; margin: .8rem 0 0; }
.sitting .told { border-left: 4px solid #d33; padding-left: .7rem; }
#shown { padding: 0 !important; }
#bar { background: var(--body-background-fill); bottom: 0; gap: .5rem; padding: .6rem .75rem; position: sticky;
  z-index: 2; }
#options { display: grid !important; gap: .5rem; grid-template-columns: 1fr 1fr; }
#options.points { grid-template-columns: repeat(5, 1fr); }
#options button { min-width: 0; padding-left: .3rem; padding-right: .3rem; }
#options button:focus-visible { outline: 3px solid #2563eb; }
#moves { display: grid !important; gap: .5rem; grid-template-columns: repeat(3, 1fr); }
#moves button { min-width: 0; }
@media (max-width: 40rem) { .gradio-container main { padding: .6rem !important; } }
@media (min-width: 52rem) {
  #options { grid-template-columns: repeat(4, 1fr); }
  #options.points { grid-template-columns: repeat(auto-fit, minmax(3.4rem, 1fr)); }
}
@media (min-width: 52rem) { .sitting .answers.two { grid-template-columns: 1fr 1fr; } }
"""

# A key presses the button that it names. Nothing else may be focused that takes text: there is nothing.
KEYS = """
<meta name="referrer" content="no-referrer">
<script>
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const moves = {u: "undo", Backspace: "undo", s: "skip"};
  const point = "key-" + event.key;
  const found = (name) => document.getElementById(name);
  const button = found(moves[event.key] || point) || (event.key === "0" ? found("key-10") : null);
  if (button && !button.disabled) { event.preventDefault(); button.click(); }
});
</script>
"""


def item_page(queue: Queue, showing: Showing, told: str = "") -> str:
    """One item: the prompt and its answers in their places. `told`: what was wrong."""
    turns = "".join(_block("turn", turn["role"], turn["content"]) for turn in showing.item.prompt)
    several = len(showing.answers) > 1
    answers = "".join(
        _block("answer", f"answer {place}" if several else "answer", answer.text or "(nothing was written)")
        for place, answer in enumerate(showing.answers, start=1)
    )
    question = f'<p class="question">{_safe(queue.ballot.question)} {_safe(queue.ballot.hint)}</p>'
    warned = f'<p class="told" role="alert">{_safe(told)}</p>' if told else ""
    columns = "answers two" if several else "answers"
    return _page(queue, f'{warned}{turns}<div class="{columns}">{answers}</div>{question}')


def done_page(queue: Queue) -> str:
    """Nothing is left to vote on."""
    return _page(queue, '<p class="question">Nothing is left to vote on. Thank you.</p>')


def gone_page(queue: Queue) -> str:
    """The sitting is over for now."""
    return _page(queue, '<p class="question">Finished for now. This window can be closed.</p>')


def button_label(label: str, key: str) -> str:
    """What stands on a button: the answer, and the key that presses it where that is another thing."""
    return label if label == key else f"{label} [{key}]"


def _page(queue: Queue, body: str) -> str:
    progress = queue.progress()
    said = f"<span>{_safe(queue.rater)}: {progress.own} votes</span>"
    done = f"<span>{progress.done} of {progress.total} items done</span>"
    share = 100 * progress.done / max(progress.total, 1)
    bar = f'<div class="track"><div style="width: {share:.0f}%"></div></div>'
    return f'<div class="sitting"><header>{said}{done}</header>{bar}{body}</div>'


def _block(kind: str, title: str, text: str) -> str:
    return f'<section class="{kind}"><h2>{_safe(title)}</h2><pre>{_safe(text)}</pre></section>'


def _safe(text: str) -> str:
    # a template of Gradio's would look at these three: as references they are text wherever they end up
    found = escape(visible(text))
    return found.replace("$", "&#36;").replace("{", "&#123;").replace("}", "&#125;").replace("`", "&#96;")
