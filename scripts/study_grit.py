"""Each arm at its own best rate: GRIT beside AdamW, LoRA+ and Riemannian, and its parts; writes docs/grit_study.md.

    python scripts/study_grit.py --jobs 2 --minutes 60      # again, to go on
    python scripts/study_grit.py --stages page              # the page alone, from what is there

Stages. `search`: every arm tries rates on one seed and keeps the best by validation loss (study_choice.py). `final`:
fresh seeds at the kept rate, scored on the test rows. `time`: arms with a step longer than AdamW's are given as many
steps as fit in its time, their schedule included. `forgetting`: the first three seeds again, with the loss on base text
along the way. Every training is a folder below `--outputs`, and a later call finds
it again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from math import floor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.study_arms import ARMS, FIRST_SEED, FIRST_SLICE, SEARCH_SEED, STEPS, TASKS, rate_at  # noqa: E402
from scripts.study_choice import by_rung, chosen, wanted  # noqa: E402
from scripts.study_results import Note, pick, read_notes, time_ratio  # noqa: E402
from scripts.study_runs import Run, do  # noqa: E402

STAGES = ("search", "final", "time", "forgetting", "page")
FORGETTING_SEEDS = 3
REFERENCE = "adamw"


def searches(notes: list[Note], asked: Any, task: str, arm: str) -> list[Run]:
    """The trainings that the choice of a rate still needs; none when it stands."""
    kept = pick(notes, stage="search", task=task, arm=arm, steps=asked.steps)
    rungs = wanted(ARMS[arm].start, by_rung(kept))
    return [
        Run(stage="search", task=task, arm=arm, rate=rate_at(place), seed=SEARCH_SEED, steps=asked.steps)
        for place in rungs
    ]


def with_chosen_rates(
    notes: list[Note], asked: Any, stage: str, steps: dict[str, int], most: int | None = None
) -> Iterator[Run]:
    """Fresh seeds of every arm whose rate is chosen; seeds outermost, so that what is there is balanced at any time."""
    for seed in range(FIRST_SEED, FIRST_SEED + min(asked.seeds, most or asked.seeds)):
        for task in asked.tasks:
            for arm in asked.arms:
                kept = pick(notes, stage="search", task=task, arm=arm, steps=asked.steps)
                if steps.get(arm) and kept and not wanted(ARMS[arm].start, by_rung(kept)):
                    yield Run(stage=stage, task=task, arm=arm, rate=chosen(kept), seed=seed, steps=steps[arm])


def in_equal_time(notes: list[Note], asked: Any) -> dict[str, int]:
    """How many steps of an arm fit into the processor time of AdamW's; arms that are no slower are left out."""
    finals = {arm: pick(notes, stage="final", arm=arm, steps=asked.steps) for arm in asked.arms}
    reference = pick(notes, stage="final", arm=REFERENCE, steps=asked.steps)
    steps: dict[str, int] = {}
    for arm, kept in finals.items():
        ratios = [time_ratio(pick(kept, task=task), pick(reference, task=task)) for task in asked.tasks]
        known = [ratio for ratio in ratios if ratio is not None]
        if arm != REFERENCE and known and max(known) > 1:
            steps[arm] = floor(asked.steps / max(known))
    return steps


def due(notes: list[Note], asked: Any) -> list[Run]:
    """All trainings that are asked for and not there, in the order in which they are best done."""
    there, runs = {Run(**note["run"]) for note in notes}, []
    if "search" in asked.stages:
        runs += [run for task in asked.tasks for arm in asked.arms for run in searches(notes, asked, task, arm)]
    if "final" in asked.stages:
        runs += with_chosen_rates(notes, asked, "final", dict.fromkeys(asked.arms, asked.steps))
    missing = [run for run in runs if run not in there]
    if "time" in asked.stages and not missing:  # the steps that fit are known when the rest is there
        runs = list(with_chosen_rates(notes, asked, "time", in_equal_time(notes, asked)))
        missing = [run for run in runs if run not in there]
    if "forgetting" in asked.stages and not missing:
        steps = dict.fromkeys(asked.arms, asked.steps)
        runs = list(with_chosen_rates(notes, asked, "forgetting", steps, FORGETTING_SEEDS))
        missing = [run for run in runs if run not in there]
    return missing


def carry_out(asked: Any) -> bool:
    """Do what is due until nothing is, or until the time is up; whether everything is there."""
    notes, ends = read_notes(asked.outputs), time.monotonic() + 60 * asked.minutes
    if not due(notes, asked):
        return True
    flying: dict[Future[Note], Run] = {}
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        while True:
            waiting = [run for run in due(notes, asked) if run not in flying.values()]
            while waiting and len(flying) < asked.jobs and time.monotonic() < ends:
                run = waiting.pop(0)
                flying[pool.submit(do, run, asked.outputs)] = run
            if not flying:
                return not waiting
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                notes.append(future.result())
                tell(flying.pop(future), notes[-1], len(waiting))


def tell(run: Run, note: Note, left: int) -> None:
    """One line about a finished training."""
    losses = ", ".join(f"{name} {loss:.4f}" if loss else f"{name} not finite" for name, loss in note["loss"].items())
    print(f"{run.name:44} {losses}  {note['total_seconds']:.0f} s, {left} known to be left", flush=True)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--arms", nargs="+", default=list(FIRST_SLICE), choices=list(ARMS))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60.0, help="no training is begun after so long")
    parser.add_argument("--outputs", type=Path, default=ROOT / "outputs" / "study")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "grit_study.md")
    return parser


def main() -> None:
    asked = arguments().parse_args()
    # one thread a process: small matrices gain nothing from two; the workers inherit it
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    whole = carry_out(asked)
    if "page" in asked.stages:
        from scripts.study_page import write_page

        write_page(asked)
    print("everything asked for is there" if whole else "time is up; the same line goes on")


if __name__ == "__main__":
    main()
