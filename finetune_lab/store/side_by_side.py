"""Base and tuned beside one another, for people: a file of scores and one of samples in the tuned model's folder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from finetune_lab.once import write_atomically
from finetune_lab.records import Evaluation, Sample
from finetune_lab.store.folders import finite

METRICS, SAMPLES = "comparison_metrics.json", "samples_side_by_side.md"
_MAX_SAMPLES = 100  # of the file made for reading; all values are in columns.json
Texts = Mapping[str, str]  # what a model wrote, by sample


def write_side_by_side(
    folder: Path,
    rows: Sequence[Sample],
    *,
    base: Evaluation,
    tuned: Evaluation,
    base_texts: Texts | None = None,
    tuned_texts: Texts | None = None,
) -> None:
    """Write both files into `folder`; answers are shown where there are any. Intervals: task=compare."""
    metrics = {"scores": _scores(base, tuned), "counts": {"base": dict(base.counts), "tuned": dict(tuned.counts)}}
    pages = _pages({row.id: row for row in rows}, base, tuned, base_texts or {}, tuned_texts or {})
    files = {METRICS: json.dumps(metrics, indent=2, ensure_ascii=True), SAMPLES: "\n".join(pages) + "\n"}
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)


def _scores(base: Evaluation, tuned: Evaluation) -> dict[str, dict[str, float | str | bool | None]]:
    before = {score.name: finite(score.value) for score in base.scores}
    found: dict[str, dict[str, float | str | bool | None]] = {}
    for score in tuned.scores:
        old, new = before.get(score.name), finite(score.value)
        change = new - old if old is not None and new is not None else None
        found[score.name] = {
            "base": old,
            "tuned": new,
            "change": change,
            "better": None if not change else (change > 0) == score.higher_is_better,
            "unit": score.unit,
        }
    return found


def _pages(
    rows: Mapping[str, Sample], base: Evaluation, tuned: Evaluation, base_texts: Texts, tuned_texts: Texts
) -> Iterator[str]:
    """Sample after sample: what was asked and due, both answers, and the values in which the two differ or agree."""
    place_of = {name: place for place, name in enumerate(base.samples)}
    yield f"# {len(tuned.samples)} samples, base and tuned\n"
    for number, name in enumerate(tuned.samples[:_MAX_SAMPLES]):
        yield f"## {number + 1}. {name}\n"
        row = rows.get(name)
        asked = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in row.prompt) if row else ""
        shown = {
            "asked": asked or (row.text if row else None),
            "due": row.reference if row else None,
            "base": base_texts.get(name),
            "tuned": tuned_texts.get(name),
        }
        for title, text in shown.items():
            if text is not None:
                yield f"**{title}**\n\n{_fenced(text)}\n"
        yield from _values(name, place_of, number, base, tuned)
    if len(tuned.samples) > _MAX_SAMPLES:
        yield f"… and {len(tuned.samples) - _MAX_SAMPLES} more: columns.json and details.jsonl have all of them"


def _values(name: str, place_of: Mapping[str, int], number: int, base: Evaluation, tuned: Evaluation) -> Iterator[str]:
    yield "| | base | tuned |\n|---|---:|---:|"
    for column, values in tuned.columns.items():
        others = base.columns.get(column)
        old = others[place_of[name]] if others is not None and name in place_of else None
        yield f"| {column} | {_number(old)} | {_number(values[number])} |"
    yield ""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.5g}"


def _fenced(text: str) -> str:
    """The text as it is, in a fence that it does not hold itself."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text}\n{fence}"
