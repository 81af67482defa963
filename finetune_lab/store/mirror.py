"""What a tracker shows of the store, under names that all runs share, so that its dashboard lays them over another."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from finetune_lab.records import Answer, Sample
from finetune_lab.store.store import Store

TABLE = "samples"
TABLE_COLUMNS = ("sample", "prompt", "reference", "base", "tuned")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What base and tuned model wrote to one sample; None where there is no answer, or no text of the sample."""

    sample: str
    prompt: str | None
    reference: str | None
    base: str | None
    tuned: str | None


def summaries(store: Store, *, run: str, base: str, measures: Collection[str] | None) -> dict[str, float]:
    """The scores of base and tuned under these measures: `base/<evaluator>/<score>`, `tuned/<evaluator>/<score>`.

    None: under all. A score that has no value is left out. `run == base`: the base alone.
    """
    arms = {run: "tuned"} | {base: "base"}
    found = store.scores(list(arms), None if measures is None else list(measures))
    return {f"{arms[row.subject]}/{row.evaluator}/{row.name}": row.value for row in found if row.value is not None}


def steps(store: Store, run: str) -> list[tuple[int, dict[str, float]]]:
    """The curves of a run as they were logged: (step, metrics), in the order of steps."""
    found: dict[int, dict[str, float]] = {}
    for name, points in store.curve(run).items():
        for step, value in points:
            found.setdefault(step, {})[name] = value
    return sorted(found.items())


def pairs(store: Store, *, run: str, base: str, max_rows: int) -> list[Pair]:
    """The answers of base and tuned side by side, sample by sample, at most `max_rows` for each set of answers.

    A set of answers has one decoding; base and tuned meet in those that both have given.
    """
    found: list[Pair] = []
    own, others = store.answer_keys(run), store.answer_keys(base)
    for key in own or others:
        tuned = {answer.sample: answer for answer in store.answers(run, key)} if run != base else {}
        before = {answer.sample: answer for answer in store.answers(base, key)} if key in others else {}
        ids = list(tuned or before)[:max_rows]
        texts = store.samples(ids)
        found += [_pair(name, texts.get(name), before.get(name), tuned.get(name)) for name in ids]
    return found


def table_rows(found: list[Pair]) -> list[list[Any]]:
    """The pairs as rows of a table with TABLE_COLUMNS."""
    return [[getattr(pair, name) for name in TABLE_COLUMNS] for pair in found]


def _pair(name: str, sample: Sample | None, base: Answer | None, tuned: Answer | None) -> Pair:
    prompt = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in sample.prompt) if sample else None
    return Pair(
        sample=name,
        prompt=prompt or (sample.text if sample else None),
        reference=sample.reference if sample else None,
        base=base.text if base else None,
        tuned=tuned.text if tuned else None,
    )
