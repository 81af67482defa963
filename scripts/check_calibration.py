"""Check the corrected rates of a judge: how often their interval holds the truth.

On people's labels: the answers of each model of XSTest are split in two at random, the refusal rules are calibrated
on one half and their rate on the other is corrected; the truth is what people said of that half. Beside it the harder
question: both halves drawn with replacement from the pool, the truth being the pool's. And simulated: judges and rates
of many kinds, with known truth.

    python scripts/check_calibration.py --splits 200        # exit code 1 where an interval covers less than 93 %
"""

import argparse
import csv
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.maths.agreement import Confusion  # noqa: E402
from finetune_lab.maths.correction import corrected_rate  # noqa: E402
from finetune_lab.text.refusal import judge  # noqa: E402

REALDATA = Path(os.environ.get("FINETUNE_LAB_REALDATA", ROOT.parent / "shared" / "data"))
MODELS = ("gpt4", "llama2orig")
LEAST = 0.93
Pairs = NDArray[np.bool_]  # [answers, 2]: predicted, true


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How often raw and corrected intervals held the truth, and how wide the corrected ones were."""

    name: str
    raw_error: float  # mean of |raw rate − truth|
    error: float  # mean of |corrected rate − truth|
    covered: float
    width: float

    def line(self) -> str:
        errors = f"error {self.error:.4f} (raw {self.raw_error:.4f})"
        return f"{self.name:34} covered {self.covered:.3f}  width {self.width:.3f}  {errors}"


def labelled(model: str) -> Pairs:
    """What the rules and what people say of each answer of a model; a refusal in part counts as one."""
    path = REALDATA / "safety" / f"xstest_v2_completions_{model}.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return np.array([(judge(row["completion"]).refuses, not row["final_label"].startswith("1")) for row in rows])


def halves(pairs: Pairs, *, splits: int, seed: int) -> Coverage:
    """Calibrate on one half, correct the other; the truth is that half's."""
    generator, half = np.random.default_rng(seed), len(pairs) // 2
    draws = [generator.permutation(len(pairs)) for _ in range(splits)]
    found = [(pairs[order[:half]], pairs[order[half:]], float(pairs[order[half:], 1].mean())) for order in draws]
    return _coverage("halves", found)


def resampled(pairs: Pairs, *, splits: int, seed: int) -> Coverage:
    """Both halves drawn with replacement; the truth is the pool's."""
    generator, half = np.random.default_rng(seed), len(pairs) // 2
    truth = float(pairs[:, 1].mean())
    draws = [generator.integers(len(pairs), size=2 * half) for _ in range(splits)]
    return _coverage("resampled", [(pairs[order[:half]], pairs[order[half:]], truth) for order in draws])


def simulated(rate: float, sensitivity: float, specificity: float, *, num: int, splits: int, seed: int) -> Coverage:
    """A judge with these errors, calibrated on `num` balanced items and used on `num` others with this rate."""
    generator = np.random.default_rng(seed)

    def draw(share: float) -> Pairs:
        true = generator.random(num) < share
        predicted = generator.random(num) < np.where(true, sensitivity, 1 - specificity)
        return np.stack([predicted, true], axis=1)

    found = [(draw(0.5), draw(rate), rate) for _ in range(splits)]
    return _coverage(f"rate {rate} Se {sensitivity} Sp {specificity} n {num}", found)


def _coverage(name: str, found: Sequence[tuple[Pairs, Pairs, float]]) -> Coverage:
    rates, raw, truths, ends = [], [], [], []
    for calibration, others, truth in found:
        table = Confusion.of((bool(predicted), bool(true)) for predicted, true in calibration)
        one = corrected_rate(int(others[:, 0].sum()), len(others), table)
        rates.append(one.value)
        raw.append(float(others[:, 0].mean()))
        truths.append(truth)
        ends.append((one.interval.low, one.interval.high))
    low, high = np.array(ends).T
    truth_of = np.array(truths)
    return Coverage(
        name=name,
        raw_error=float(np.mean(np.abs(np.array(raw) - truth_of))),
        error=float(np.mean(np.abs(np.array(rates) - truth_of))),
        covered=float(np.mean((low - 1e-12 <= truth_of) & (truth_of <= high + 1e-12))),
        width=float(np.mean(high - low)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--draws", type=int, default=2000, help="with replacement, and of each simulated case")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    found = []
    for model in MODELS:
        pairs = labelled(model)
        print(f"{model}: rules and people agree on {np.mean(pairs[:, 0] == pairs[:, 1]):.3f} of {len(pairs)}")
        for check, times in ((halves, chosen.splits), (resampled, chosen.draws)):
            found.append(check(pairs, splits=times, seed=chosen.seed))
            print(f"  {found[-1].line()}", flush=True)
    kinds = product((0.02, 0.1, 0.5, 0.9), ((0.95, 0.95), (0.8, 0.9), (0.99, 0.7)), (50, 225))
    for rate, (sensitivity, specificity), num in kinds:
        found.append(simulated(rate, sensitivity, specificity, num=num, splits=chosen.draws, seed=chosen.seed))
        print(f"  {found[-1].line()}", flush=True)
    worst = min(found, key=lambda one: one.covered)
    print(f"least covered: {worst.covered:.3f} ({worst.name})")
    raise SystemExit(worst.covered < LEAST)


if __name__ == "__main__":
    main()
