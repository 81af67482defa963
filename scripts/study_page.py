"""The page of the study of GRIT, docs/grit_study.md: everything on it is read from the folders of the trainings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

from scripts.study_arms import ARMS, FIRST_SEED, FIRST_SLICE, SEARCH_SEED, SHARED, TASKS, rate_at
from scripts.study_choice import best, by_rung, plateau
from scripts.study_figures import line_chart
from scripts.study_results import (
    Gap,
    Note,
    at_equal_time,
    forgetting,
    gaps,
    mean_and_deviation,
    mean_curve,
    pick,
    read_notes,
    steps_to_reference,
    time_ratio,
)

REFERENCES = (
    "adamw",
    "adamw_b4",
    "rank",
    "placebo64",
    "bound",
)  # the first is what time and forgetting are told beside
HEAD = """# GRIT beside other updates of LoRA: what was measured

Written by `python scripts/study_grit.py` from the folders of its trainings; nothing here is typed in. Every arm is
`method=lora` on the embedded model with another optimizer: for a seed the same rows, masks, order, dropout, first
weights, schedule and clipping. Rates are chosen for each arm and task on validation rows with one seed (a ladder of
doublings, extended while the best stands at an edge), then fresh seeds are scored on test rows that no choice has
seen. Losses are nats per target token. Intervals are 95 %; the first is Student's over pairs of equal seeds, the
second takes seeds and test rows as two sources of noise. **lower** and **higher** need both to leave out zero;
otherwise the word is **parity**.
"""


def number(value: float | None, digits: int = 4, *, sign: bool = False) -> str:
    """A figure, or – where there is none."""
    return "–" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def interval(low: float | None, high: float | None) -> str:
    """Both ends."""
    return "–" if low is None or high is None else f"[{low:+.4f}, {high:+.4f}]"


def how_it_was_made(notes: list[Note], asked: Any) -> str:
    """Sizes, machine, commits and the line that makes it."""
    made = [note["made"] for note in notes]
    commits = Counter(
        f"{(one['commit'] or 'no checkout')[:8]}{' with changes' if one.get('dirty') else ''}" for one in made
    )
    packages = made[-1]["packages"]
    hours, busy = (sum(note[name] for note in notes) / 3600 for name in ("total_seconds", "processor_seconds"))
    sizes = [
        [
            name,
            str(task.batch_size),
            str(task.max_length),
            f"{mean(note['input_tokens'] / note['steps'] for note in kept):.0f}",
            str(len(kept[0]["scored"]["validation"]["samples"])),
            str(task.num_test),
        ]
        for name, task in TASKS.items()
        if (kept := pick(notes, task=name))
    ]
    head = ["task", "rows a step", "longest row", "tokens a step", "validation rows", "test rows at most"]
    return "\n\n".join(
        [
            "## How it was made",
            f"{len(notes)} trainings of {asked.steps} updates, one thread each: {hours:.1f} hours by the clock on a "
            f"shared machine, {busy:.1f} of them processor time of the training loops. "
            f"Machine: {made[-1]['machine']}, no GPU. torch {packages.get('torch')}, "
            f"transformers {packages.get('transformers')}, peft {packages.get('peft')}. Commits: "
            + ", ".join(f"{name} ({count})" for name, count in commits.items())
            + f". Rates chosen with seed {SEARCH_SEED}; reported seeds {FIRST_SEED} to {FIRST_SEED + asked.seeds - 1}.",
            table(head, sizes),
            "All arms: `" + " ".join(part for part in SHARED if part.startswith(("method", "model"))) + "`.",
            f"Again, or on: `python scripts/study_grit.py --steps {asked.steps} --seeds {asked.seeds}`.",
        ]
    )


def finals_of(notes: list[Note], asked: Any, task: str, stage: str = "final") -> dict[str, list[Note]]:
    """The reported trainings of a task by arm, in the order of the arms."""
    found = {arm: pick(notes, stage=stage, task=task, arm=arm) for arm in ARMS}
    if stage == "final":
        found = {arm: [n for n in kept if n["run"]["steps"] == asked.steps] for arm, kept in found.items()}
    return {arm: kept for arm, kept in found.items() if kept}


def gap_cells(gap: Gap | None) -> list[str]:
    """Difference, both intervals, word."""
    if gap is None:
        return ["–", "–", "–", "–"]
    both = interval(gap.low, gap.high), interval(gap.low_with_items, gap.high_with_items)
    return [number(gap.mean, sign=True), *both, f"**{gap.word}**"]


def equal_steps(finals: dict[str, list[Note]], reference: str) -> str:
    """Test loss after equal steps, beside one reference."""
    found, rows = gaps(finals, reference), []
    for arm, kept in finals.items():
        middle, deviation = mean_and_deviation(kept)
        loss = f"{number(middle)} ± {number(deviation)}" if middle else "not finite"
        cells = ["", "", "", "reference"] if arm == reference else gap_cells(found.get(arm))
        rows.append([ARMS[arm].title, f"{kept[0]['run']['rate']:g}", str(len(kept)), loss, *cells])
    head = ["arm", "rate", "seeds", "test loss ± deviation of seeds", f"minus {ARMS[reference].title}"]
    return table([*head, "over seeds", "over seeds and rows", ""], rows)


def speed(notes: list[Note], asked: Any, task: str, finals: dict[str, list[Note]]) -> str:
    """What a step costs, how soon AdamW's last loss is reached, and the loss in AdamW's time."""
    reference, rows = finals[REFERENCES[0]], []
    timed = finals_of(notes, asked, task, "time")
    # equal time: fewer steps, their schedule included, beside AdamW's full training of the same seed
    in_time = gaps({REFERENCES[0]: reference, **{arm: kept for arm, kept in timed.items() if arm in finals}}, "adamw")
    base_text = gaps(finals, REFERENCES[0], "base_text")
    for arm, kept in finals.items():
        reached, count = steps_to_reference(kept, reference)
        gap, forgot = in_time.get(arm), base_text.get(arm)
        early = None if kept is reference else at_equal_time(kept, reference)
        rows.append(
            [
                ARMS[arm].title,
                number(time_ratio(kept, reference), 3),
                f"{number(reached, 0)} ({count} of {len(kept)})",
                f"{number(early[0], sign=True)} {interval(early[1], early[2])}" if early else "–",
                f"{number(gap.mean, sign=True)} {interval(gap.low, gap.high)} at {timed[arm][0]['run']['steps']} steps"
                if gap
                else "–",
                f"{number(mean_and_deviation(kept, 'base_text')[0])}"
                + (f" ({forgot.mean:+.4f} {interval(forgot.low, forgot.high)} to AdamW)" if forgot else ""),
            ]
        )
    head = ["arm", "time of a step over AdamW's", f"step that reaches AdamW's last validation loss, of {asked.steps}"]
    head += ["validation loss at AdamW's time, own schedule unfinished, minus AdamW's last"]
    return table([*head, "test loss with a schedule that fits AdamW's time, minus AdamW", "loss on base text"], rows)


def matched(notes: list[Note], asked: Any, task: str) -> str:
    """Loss on base text at AdamW's last validation loss, arm by arm; empty where it was not measured."""
    kept = finals_of(notes, asked, task, "forgetting")
    if REFERENCES[0] not in kept:
        return ""
    rows = []
    for arm, own in kept.items():
        found = forgetting(own, kept[REFERENCES[0]]) if arm != REFERENCES[0] else None
        last = mean(note["base_curve"][-1][1] for note in own)
        rows.append(
            [
                ARMS[arm].title,
                str(len(own)),
                f"{found[0]:+.4f} {interval(found[1], found[2])}" if found else "–",
                number(last),
            ]
        )
    head = ["arm", "seeds", "loss on base text at AdamW's last validation loss, minus AdamW's", "at its own end"]
    return "### Forgetting at the same task loss\n\n" + table(head, rows)


def plateaus(notes: list[Note], asked: Any) -> str:
    """How wide each arm's rates within 1 % of its best lie, task by task."""
    rows = []
    for arm in ARMS:
        tried = {t: by_rung(pick(notes, stage="search", task=t, arm=arm, steps=asked.steps)) for t in asked.tasks}
        widths = [plateau(losses) if len(losses) > 1 else None for losses in tried.values()]
        if any(widths):
            cells = ("–" if one is None else f"{'' if one[1] else '≥ '}{one[0]:.2f}" for one in widths)
            rows.append([ARMS[arm].title, *cells])
    told = "Decades of learning rate within 1 % of an arm's best validation loss (one seed):"
    return told + "\n\n" + table(["arm", *asked.tasks], rows) if rows else ""


def rates(notes: list[Note], asked: Any, task: str, page: Path) -> str:
    """Validation loss by rate, with the plateau within 1 % of the best."""
    losses = {
        arm: by_rung(kept)
        for arm in ARMS
        if (kept := pick(notes, stage="search", task=task, arm=arm, steps=asked.steps))
    }
    if not losses:
        return ""
    places = sorted({place for tried in losses.values() for place in tried})
    rows = []
    for arm, tried in losses.items():
        width, seen = plateau(tried)
        cells = [("not finite" if tried[p] is None else number(tried[p], 3)) if p in tried else "" for p in places]
        cells = [f"**{cell}**" if p == best(tried) else cell for p, cell in zip(places, cells, strict=True)]
        rows.append([ARMS[arm].title, *cells, f"{'' if seen else '≥ '}{width:.2f}"])
    drawn = {ARMS[a].title: [(rate_at(p), v) for p, v in tried.items() if v] for a, tried in losses.items()}
    figure = page.parent / "figures" / f"grit_rates_{task}.svg"
    line_chart(
        figure,
        title=f"{task}: rates",
        across="learning rate (A's)",
        up="validation loss",
        series=drawn,
        logarithmic=True,
    )
    head = ["validation loss at rate (A's)", *(f"{rate_at(place):.3g}" for place in places), "decades within 1 %"]
    told = "Rungs are 0.30 decades apart and the loss between two is taken as a line: a narrow plateau is not resolved."
    return table(head, rows) + f"\n\n{told}\n\n![rates](figures/{figure.name})"


def task_section(notes: list[Note], asked: Any, task: str) -> str:
    """Everything about one task."""
    parts = [f"## {task}"]
    finals = finals_of(notes, asked, task)
    if REFERENCES[0] in finals:
        for reference in REFERENCES:
            if reference in finals:
                parts += [f"### Test loss after equal steps, beside {ARMS[reference].title}"]
                parts += [equal_steps(finals, reference)]
        parts += ["### Time and forgetting", speed(notes, asked, task, finals)]
        figure = asked.page.parent / "figures" / f"grit_curves_{task}.svg"
        curves = {ARMS[arm].title: mean_curve(kept) for arm, kept in finals.items()}
        line_chart(figure, title=f"{task}: mean over seeds", across="step", up="validation loss", series=curves)
        parts += [f"![curves](figures/{figure.name})", matched(notes, asked, task)]
    parts += ["### Rates", rates(notes, asked, task, asked.page)]
    return "\n\n".join(part for part in parts if part)


def summary(notes: list[Note], asked: Any) -> str:
    """One line an arm: the difference to each reference on each task."""
    finals = {task: finals_of(notes, asked, task) for task in asked.tasks}
    parts = []
    for reference in REFERENCES:
        found = {task: gaps(kept, reference) for task, kept in finals.items() if reference in kept}
        rows = [
            [ARMS[arm].title, *(summary_cell(found[task].get(arm)) for task in found)]
            for arm in ARMS
            if any(arm in one for one in found.values())
        ]
        if rows:
            parts.append(
                f"Test loss minus that of **{ARMS[reference].title}**, equal steps, each at its own best rate:"
            )
            parts.append(table(["arm", *found], rows))
    return "\n\n".join(["## In short", *parts, plateaus(notes, asked)]) if parts else ""


def summary_cell(gap: Gap | None) -> str:
    """The gap with its seeds, the wider of its intervals, and the word."""
    if gap is None:
        return "–"
    lows, highs = (gap.low, gap.low_with_items), (gap.high, gap.high_with_items)
    ends = [None if None in both else pick_end(both) for both, pick_end in ((lows, min), (highs, max))]
    return f"{gap.mean:+.3f} {interval(*ends)} {gap.word} ({gap.num_seeds} seeds)"


def what_is_missing(notes: list[Note], asked: Any) -> str:
    """Which reported trainings of the arms on the page's list are not there: what the page cannot speak of."""
    rows = []
    for arm in FIRST_SLICE:
        counts = [len(finals_of(notes, asked, task).get(arm, [])) for task in asked.tasks]
        if min(counts) < asked.seeds:
            rows.append([ARMS[arm].title, *(f"{count} of {asked.seeds}" for count in counts)])
    if not rows:
        return ""
    told = "Reported trainings that are not there yet; the same line makes them:"
    return "\n\n".join(["## What is open", told, table(["arm", *asked.tasks], rows)])


def write_page(asked: Any) -> None:
    """Write the page and its figures from the folders below `asked.outputs`."""
    notes = read_notes(asked.outputs)
    if not notes:
        raise SystemExit(f"no finished training below {asked.outputs}; leave out --stages to make them")
    sections = [HEAD, summary(notes, asked), what_is_missing(notes, asked), how_it_was_made(notes, asked)]
    sections += [task_section(notes, asked, task) for task in asked.tasks if pick(notes, task=task)]
    asked.page.parent.mkdir(parents=True, exist_ok=True)
    asked.page.write_text("\n\n".join(part for part in sections if part) + "\n", encoding="utf-8")
    print(asked.page)
