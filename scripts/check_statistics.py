"""Check the comparison against simulated data whose truth is known, and write docs/statistics.md.

Each case draws an arm and its reference many times, once with a difference and once without, and counts: how often
the interval holds the true difference (coverage), how wide it is beside the interval that knew the true noise, how
often the test finds a difference that is not there (size), and how often one that is (power).

    python scripts/check_statistics.py --repetitions 1000 --jobs 2
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from multiprocessing import Pool
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: the jobs are processes, one core each

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.maths.compare import Arm, Difference, Question, SampleColumns, compare_many  # noqa: E402
from finetune_lab.maths.resampling import RESAMPLES  # noqa: E402
from scripts.statistics_cases import Case, Drawn, cases  # noqa: E402

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was counted. `width`: mean width over that of the interval that knows the estimate's true deviation."""

    case: Case
    interval: str
    test: str
    coverage: float
    width: float
    size: float
    wrong_verdicts: float
    power: float


@lru_cache
def _names(num: int) -> tuple[str, ...]:
    return tuple(map(str, range(num)))


def question(drawn: Drawn) -> Question:
    """What to compare in one draw."""
    num = len(next(iter(drawn.reference[0].values())))
    clusters = _names(num) if drawn.clusters is None else tuple(map(str, drawn.clusters))

    def seeds(columns: Sequence[dict[str, Floats]]) -> tuple[SampleColumns, ...]:
        return tuple(SampleColumns.of(_names(num), clusters, found) for found in columns)

    return Question(
        name="score",
        statistic=drawn.statistic,
        higher_is_better=True,
        reference=Arm(label="base", seeds=seeds(drawn.reference), trained=drawn.trained_reference),
        candidate=Arm(label="tuned", seeds=seeds(drawn.candidate)),
    )


def check(case: Case, repetitions: int, resamples: int = RESAMPLES) -> Result:
    """Draw a case many times with its difference and as often without; all draws share their resamples."""
    generator = np.random.default_rng([case.num, *map(ord, case.name)])
    there = [case.draw(generator, case.num, case.shift, **case.settings) for _ in range(repetitions)]
    without = [case.draw(generator, case.num, 0.0, **case.settings) for _ in range(repetitions)]
    found, absent = (compare_many([question(one) for one in drawn], resamples=resamples) for drawn in (there, without))
    ends = np.array([[one.low, one.high] for one in found], dtype=np.float64)
    truth, values = (
        np.array([one.truth for one in there]),
        np.array([one.difference for one in found], dtype=np.float64),
    )
    return Result(
        case=case,
        interval=found[0].interval,
        test=found[0].test,
        coverage=float(np.mean((ends[:, 0] - 1e-12 <= truth) & (truth <= ends[:, 1] + 1e-12))),
        width=float(np.mean(ends[:, 1] - ends[:, 0])) / (2 * 1.96 * float(values.std())),
        size=_rate(absent),
        wrong_verdicts=float(np.mean([one.verdict in ("better", "worse") for one in absent])),
        power=_rate(found),
    )


def _rate(found: Sequence[Difference]) -> float:
    """How often the test rejects; one that could not be computed rejects nothing."""
    return float(np.mean([one.p_value is not None and one.p_value < 0.05 for one in found]))


HEAD = """# Statistics, checked

Every interval and test of `task=compare` on simulated data whose truth is known: {repetitions:,} draws of each case
with the difference, and as many without. Made by `python scripts/check_statistics.py`; {resamples:,} resamples.

- **coverage**: how often the nominal 95 % interval holds the true difference (its own error: ± {error:.3f}).
- **width**: beside the interval that knows the true noise; 1.00 is the best there can be.
- **size**: how often the test says p < 0.05 where there is no difference. **wrong**: how often the verdict is better
  or worse there, for which interval and test must agree.
- **power**: how often it says p < 0.05 of the difference that the case has.
- **ratio**: the variance that training seeds add over that of the items. With one seed it cannot be seen.

| case | n | interval | test | coverage | width | size | wrong | power |
|---|---:|---|---|---:|---:|---:|---:|---:|
"""

TAIL = """
What to read from it:

- **One seed hides the noise of training.** The rows with 1 seed keep their promise only where training adds nothing;
  the report says so each time ("one seed: the interval covers items only").
- **Two or three seeds** are better, yet their Student interval with Satterthwaite degrees of freedom covers less than
  95 % where training is noisier than the items (two: down to 87 %, three: 92 %); the report says so too. Five seeds
  stay within about one point of what they say.
- **Skew and few samples**: at n = 32 the intervals of log-normal differences cover some 90 %, and the sign flip, which
  trusts that a difference is as likely up as down, finds too much. The report warns where n < 25 · skewness²
  (Cochran's rule).
- **Perplexity of under 100 samples and heavy tails** cover some 92 to 93 %.
- **Pass rates** keep their width at 0 and 1 and where all pairs agree; the exact McNemar test errs on the safe side,
  and so do rates in few clusters.
- Where interval and test disagree the verdict is "unclear", so wrong verdicts are no more frequent than either alone.
"""


def page(results: Sequence[Result], repetitions: int) -> str:
    """The results as a page of documentation."""
    lines = [
        f"| {one.case.name} | {one.case.num} | {one.interval} | {one.test} | {one.coverage:.3f} | {one.width:.2f} "
        f"| {one.size:.3f} | {one.wrong_verdicts:.3f} | {one.power:.2f} |"
        for one in results
    ]
    head = HEAD.format(repetitions=repetitions, resamples=RESAMPLES, error=2 * sqrt(0.95 * 0.05 / repetitions))
    return head + "\n".join(lines) + "\n" + TAIL


def _checked(job: tuple[Case, int]) -> Result:
    started, result = time.perf_counter(), check(*job)
    print(
        f"{result.case.name:40} n={result.case.num:5} {result.interval:22} coverage {result.coverage:.3f} "
        f"width {result.width:.2f} size {result.size:.3f} wrong {result.wrong_verdicts:.3f} power {result.power:.2f} "
        f"({time.perf_counter() - started:.0f} s)",
        flush=True,
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="cases whose name contains this; the page is then not written")
    chosen = parser.parse_args()
    jobs = [(case, chosen.repetitions) for case in cases() if chosen.only in case.name]
    with Pool(chosen.jobs) as pool:
        results = pool.map(_checked, jobs, chunksize=1)
    if not chosen.only:
        (ROOT / "docs" / "statistics.md").write_text(page(results, chosen.repetitions), encoding="utf-8")


if __name__ == "__main__":
    main()
