"""The page of a row under review: all text of a row is escaped, and its control characters are written out."""

from html import escape

from finetune_lab.preparing.decisions import agreements, answer_of, read_decisions
from finetune_lab.preparing.review_queue import ReviewQueue
from finetune_lab.records import Sample
from finetune_lab.text.terminal import visible

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 50rem; margin: 1.5rem auto; padding: 0 1rem; }
header { display: flex; justify-content: space-between; gap: 1rem; color: GrayText; font-size: .9rem; }
progress { width: 100%; height: .6rem; }
article { margin: 1rem 0; border-left: 4px solid #888; padding: .1rem 0 .1rem .9rem; }
article.assistant, article.text { border-color: #2a7; }
article h2 { font-size: .8rem; text-transform: uppercase; letter-spacing: .06em; color: GrayText; margin: .3rem 0; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: 0 0 .3rem; }
table { font-size: .9rem; border-spacing: .8rem .1rem; margin-left: -.8rem; }
th { text-align: left; font-weight: normal; color: GrayText; }
textarea { width: 100%; box-sizing: border-box; font: inherit; min-height: 7rem; }
button { font: inherit; padding: .45rem 1rem; margin: 0 .4rem .4rem 0; }
button.main { font-weight: 600; }
.told { border: 1px solid #c33; padding: .4rem .8rem; }
fieldset { border: 0; padding: 0; margin: 1rem 0; }
"""


def row_page(queue: ReviewQueue, row: Sample, *, told: str = "", typed: str | None = None) -> str:
    """One row with its facts and turns, and what can be decided. `told`: what was wrong; `typed`: a refused edit."""
    turns = list(row.messages) or [{"role": "text", "content": answer_of(row)}]
    shown = "".join(_turn(turn["role"], turn["content"]) for turn in turns)
    warned = f'<p class="told" role="alert">{_safe(told)}</p>' if told else ""
    text = answer_of(row) if typed is None else typed
    # the first line end after the tag is not part of the text
    area = f'<label>The answer as it should be<br><textarea name="text">\n{escape(text)}</textarea></label>'
    forms = (
        f"{_button('keep', main=True)}{_button('drop', main=True)}{_button('skip')}{_button('back')}",
        f"{area}{_button('edit')}",
        f"<label>{_safe(queue.label)} {_labels(queue, row)}</label> {_button('relabel')}",
        _button("finish"),
    )
    return _page(f"{_header(queue, row)}{warned}{_facts(row)}{shown}{''.join(_form(row, parts) for parts in forms)}")


def _form(row: Sample, parts: str) -> str:
    """A form of its own for each decision that needs words, since the return key presses a form's first button."""
    known = f'<input type="hidden" name="row" value="{escape(row.id)}">'
    return f'<form method="post" accept-charset="utf-8">{known}<fieldset>{parts}</fieldset></form>'


def done_page(queue: ReviewQueue) -> str:
    """Nothing is left; how far the reviewers agree."""
    buttons = f"<fieldset>{_button('back')}{_button('finish', main=True)}</fieldset>"
    form = f'<form method="post">{buttons}</form>'
    return _page(f"{_header(queue, None)}<h1>Nothing is left to review</h1>{_agreement(queue)}{form}")


def gone_page(queue: ReviewQueue) -> str:
    """The review is over for now."""
    return _page(f"{_header(queue, None)}<h1>Finished for now</h1>{_agreement(queue)}<p>This window can be closed.</p>")


def _page(body: str) -> str:
    head = f'<meta charset="utf-8"><title>Review</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'


def _safe(text: str) -> str:
    return escape(visible(text))


def _button(kind: str, *, main: bool = False) -> str:
    look = ' class="main"' if main else ""
    return f'<button name="decision" value="{kind}" accesskey="{kind[0]}"{look}>{kind}</button>'


def _header(queue: ReviewQueue, row: Sample | None) -> str:
    progress = queue.progress()
    own = ", ".join(f"{kind} {number}" for kind, number in sorted(progress.own.items())) or "nothing yet"
    twice = " · for two reviewers" if row is not None and queue.num_reviews(row) == 2 else ""
    name = f"row {escape(row.id)}{twice}" if row is not None else ""
    said = f"<span>{name}</span><span>{progress.done} of {progress.total} done · {_safe(queue.reviewer)}: {own}</span>"
    return f'<header>{said}</header><progress max="{progress.total}" value="{progress.done}"></progress>'


def _facts(row: Sample) -> str:
    lines = "".join(
        f"<tr><th>{_safe(str(name))}</th><td>{_safe(str(value))}</td></tr>" for name, value in row.facts.items()
    )
    return f"<table>{lines}</table>" if lines else ""


def _turn(role: str, content: str) -> str:
    kind = role if role in ("assistant", "text") else "other"
    return f'<article class="{kind}"><h2>{_safe(role)}</h2><pre>{_safe(content)}</pre></article>'


def _labels(queue: ReviewQueue, row: Sample) -> str:
    now = str(row.facts.get(queue.label, ""))
    if not queue.labels:
        return f'<input name="label" value="{escape(now)}">'
    options = "".join(
        f'<option value="{escape(name)}"{" selected" if name == now else ""}>{_safe(name)}</option>'
        for name in queue.labels
    )
    return f'<select name="label">{options}</select>'


def _agreement(queue: ReviewQueue) -> str:
    ids = {row.id for row in queue.rows}
    lines = ""
    for one in agreements(decision for decision in read_decisions(queue.decisions) if decision.row in ids):
        value = f"{one.kappa.value:.2f}" if one.kappa.value == one.kappa.value else "unknown"
        names = " and ".join(map(_safe, one.reviewers))
        lines += f"<tr><td>{names}</td><td>{one.num_rows}</td><td>{one.share:.0%}</td><td>{value}</td></tr>"
    if not lines:
        return ""
    return f"<table><tr><th>reviewers</th><th>rows of both</th><th>agree</th><th>Cohen's κ</th></tr>{lines}</table>"
