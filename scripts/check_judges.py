"""Check what is made of a judge that errs in known ways: does the report show its bias, does the corrected rate hold?

A planted judge prefers the first answer with a known probability, whatever stands there, and else errs or sees a tie
at known rates. It is asked in both orders in the words that real judges use, read by the same code, calibrated on
pairs that people labelled, and used on others. The truth is known, so coverage is counted.

    python scripts/check_judges.py --simulations 500     # exit code 1 where less than 93 % are covered
"""

import argparse
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.inference.clients.exchange import Reply  # noqa: E402
from finetune_lab.inference.judging.pairs import Judged, Pair, judged, position  # noqa: E402
from finetune_lab.maths.win_correction import WinCalibration, corrected_win_rate  # noqa: E402
from finetune_lab.maths.winrate import win_rate  # noqa: E402

LEAST = 0.93
Floats = NDArray[np.float64]
PAIR = Pair(conversation="?", reference="one", candidate="other")
SAID = {1: "The first is better.\nVerdict: A>B", 0: "No difference.\nVerdict: A=B", -1: "Clearly.\nVerdict: A<<B"}


@dataclass(frozen=True, kw_only=True)
class Planted:
    """`lean`: how often it takes the first answer unseen; else it sees a tie or the wrong one at these rates."""

    lean: float
    wrong: float
    tie: float

    @property
    def first_share(self) -> float:
        """How often the first answer is preferred, ties as halves, where the better one stands first half the time."""
        return 0.5 + self.lean / 2

    def judge(self, true: Floats, generator: np.random.Generator) -> list[Judged]:
        """What it says of pairs with these true wins (1, 0.5, 0), read from its words."""
        second = self._says_first(1 - true, generator)  # the reference stands first
        first = self._says_first(true, generator)
        replies = [_reply(SAID[int(said)]) for both in zip(second, first, strict=True) for said in both]
        return judged([PAIR] * len(true), replies)

    def _says_first(self, first_is_better: Floats, generator: np.random.Generator) -> NDArray[np.int64]:
        draw, num = generator.random(len(first_is_better)), len(first_is_better)
        right = np.where(first_is_better == 0.5, np.where(generator.random(num) < 0.5, 1, -1), 2 * first_is_better - 1)
        unsure = np.where(first_is_better == 0.5, 0.5, self.tie)  # a true tie is seen as one half the time
        seen = np.where(draw < unsure, 0, np.where(draw < unsure + self.wrong, -right, right))
        return np.where(generator.random(num) < self.lean, 1, seen).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class Found:
    """One case over all simulations."""

    name: str
    raw_covered: float
    covered: float
    raw_error: float
    error: float
    width: float
    first_share: float
    expected_share: float
    share_covered: float

    def line(self) -> str:
        rates = f"covered {self.covered:.3f} (raw {self.raw_covered:.3f})  error {self.error:+.4f}"
        bias = f"first preferred {self.first_share:.3f}, planted {self.expected_share:.3f}"
        raw = f"(raw {self.raw_error:+.4f})  width {self.width:.3f}"
        return f"{self.name:58} {rates} {raw}  {bias} (covered {self.share_covered:.3f})"


def simulate(
    judge: Planted, rate: float, *, ties: float, per_prompt: int, num: int, num_labelled: int, times: int, seed: int
) -> Found:
    """Calibrate on `num_labelled` pairs, judge `num` others in prompts of `per_prompt`, and see what is covered."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(times):
        labelled = _truth(rate, ties, 1, num_labelled, generator)
        table = WinCalibration.of(_wins(judge.judge(labelled, generator)), labelled)
        true = _truth(rate, ties, per_prompt, num, generator)
        said = judge.judge(true, generator)
        clusters = np.arange(num) // per_prompt
        raw = win_rate(_wins(said) + 1, clusters=clusters)
        found = corrected_win_rate(_wins(said), table, clusters=clusters)
        first = position(said, clusters.tolist(), 0.95)["first_share"]
        rows.append([raw.value, raw.interval.low, raw.interval.high, found.value, found.interval.low])
        rows[-1] += [found.interval.high, first["value"], first["low"], first["high"]]
    raw_value, raw_low, raw_high, value, low, high, share, share_low, share_high = np.array(rows).T
    held = (share_low <= judge.first_share) & (judge.first_share <= share_high)
    return Found(
        name=f"rate {rate} lean {judge.lean} wrong {judge.wrong} ties {ties} n {num}/{num_labelled} x{per_prompt}",
        raw_covered=float(np.mean((raw_low <= rate) & (rate <= raw_high))),
        covered=float(np.mean((low <= rate) & (rate <= high))),
        raw_error=float(np.mean(raw_value) - rate),
        error=float(np.mean(value) - rate),
        width=float(np.mean(high - low)),
        first_share=float(np.mean(share)),
        expected_share=judge.first_share,
        share_covered=float(np.mean(held)),
    )


def _truth(rate: float, ties: float, per_prompt: int, num: int, generator: np.random.Generator) -> Floats:
    """True wins with mean `rate`; the pairs of one prompt lean the same way (a beta-binomial, ρ = 1/3)."""
    share = np.repeat(generator.beta(2 * rate, 2 * (1 - rate), -(-num // per_prompt)), per_prompt)[:num]
    wins = (generator.random(num) < (share if per_prompt > 1 else rate)).astype(float)
    # a tie replaces wins and losses alike, and counts half: the mean stays only where they are as many
    return np.where(generator.random(num) < ties, 0.5, wins)


def _wins(found: list[Judged]) -> Floats:
    return np.array([np.nan if one.win is None else one.win for one in found])


def _reply(text: str) -> Reply:
    return Reply(text=text, num_input_tokens=1, num_output_tokens=1, finish="end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    found = []
    judges = (Planted(lean=0.3, wrong=0.1, tie=0.1), Planted(lean=0.5, wrong=0.2, tie=0.05))
    cases = [(judge, rate, 0.0, 1) for judge, rate in product(judges, (0.1, 0.35, 0.6, 0.9))]
    cases += [(judges[0], 0.5, 0.3, 1), (judges[0], 0.6, 0.0, 4), (Planted(lean=0.0, wrong=0.02, tie=0.0), 0.6, 0.0, 1)]
    for judge, rate, ties, per_prompt in cases:
        found.append(
            simulate(
                judge,
                rate,
                ties=ties,
                per_prompt=per_prompt,
                num=300,
                num_labelled=200,
                times=chosen.simulations,
                seed=chosen.seed,
            )
        )
        print(found[-1].line(), flush=True)
    worst = min(found, key=lambda one: one.covered)
    print(f"least covered: {worst.covered:.3f} ({worst.name})")
    raise SystemExit(worst.covered < LEAST)


if __name__ == "__main__":
    main()
