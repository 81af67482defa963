"""Check the field test against simulated logs whose effect is known: coverage, size, power of the weeks, a large file.

Topic, hour and the original post's engagement all pull at the arm and at the counts; replies below one post share its
luck; counts are negative binomial, most of them zero. The naive ratio of means is printed beside the adjusted one.

    python scripts/check_field.py                       # exit code 1 where a limit is not held
    python scripts/check_field.py --rows 1000000        # a file of so many rows as well: seconds and peak memory
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.field.comparing import compare_arms  # noqa: E402
from finetune_lab.field.covariates import Shapes  # noqa: E402
from finetune_lab.field.findings import Asked, Comparison, Outcome  # noqa: E402
from finetune_lab.field.log_file import FieldLog  # noqa: E402

LEAST, MOST_SIZE, LEAST_POWER = 0.93, 0.065, 0.75
TOPICS = np.array([0.0, 0.7, -0.3, -0.7, 0.4])
WEEK = 604_800.0
MIDNIGHT = 1_699_920_000


@dataclass(frozen=True, kw_only=True)
class World:
    """How logs come about. `pull`: how far covariates choose the arm; `shape` of the counts: small is wild."""

    num_posts: int = 400
    num_weeks: float = 4.0
    ratio: float = 1.3
    pull: float = 1.0
    shape: float = 0.5
    luck: float = 0.6  # standard deviation of what the replies below one post share, in logs
    num_outcomes: int = 1
    by_post: bool = False  # whether all replies below a post are of one arm
    bent: float = 0.0  # how far engagement works in a curve

    def log(self, rng: np.random.Generator) -> FieldLog:
        """One log."""
        num = 1 + rng.poisson(1.0, self.num_posts)
        post = np.repeat(np.arange(self.num_posts), num)
        topic = rng.choice(5, self.num_posts, p=[0.3, 0.25, 0.2, 0.15, 0.1])
        hour, size = rng.uniform(0, 24, self.num_posts), rng.lognormal(4, 1.5, self.num_posts)
        engaged = np.log1p(size) - 4
        day = np.cos((hour - 20) * 2 * np.pi / 24)
        chosen = self.pull * (0.8 * (topic == 1) - 0.8 * (topic == 3) + 0.5 * engaged + 0.5 * day)
        drawn = rng.random(self.num_posts)[post] if self.by_post else rng.random(len(post))
        arm = drawn < 1 / (1 + np.exp(-chosen[post]))
        logs = 0.5 + TOPICS[topic] + 0.5 * engaged - self.bent * engaged**2 + 0.4 * day
        outcomes = {}
        for number in range(self.num_outcomes):
            luck = rng.normal(0, self.luck, self.num_posts)
            means = np.exp((logs + luck)[post] + np.log(self.ratio) * arm)
            outcomes[f"y{number}"] = rng.negative_binomial(self.shape, self.shape / (self.shape + means)).astype(float)
        return FieldLog(
            arms=("base", "tuned"),
            arm=arm.astype(np.int64),
            seconds=rng.uniform(0, self.num_weeks * WEEK, self.num_posts)[post],
            hour=hour[post],
            topics=tuple("abcde"),
            topic=topic[post],
            post=post,
            engagement=np.floor(size)[post],
            outcomes=outcomes,
            left_out={},
            num_rows=len(post),
        )


def asked(world: World, worth: float = 1.5) -> Asked:
    """The questions of conf/task/field_test.yaml, of these outcomes."""
    return Asked(
        outcomes={f"y{number}": Outcome(column=f"y{number}", per=None) for number in range(world.num_outcomes)},
        shapes=Shapes(spline_columns=3, hour_waves=2, num_topics=30, rare=20),
        confidence=0.95,
        power=0.8,
        worth=worth,
        interacted=True,
        near_certain=0.05,
        random_p=0.05,
    )


def comparisons(world: World, num: int, seed: int) -> list[Comparison]:
    """What is found in `num` logs of a world."""
    questions = asked(world)
    return [compare_arms(world.log(np.random.default_rng([seed, n])), "base", "tuned", questions) for n in range(num)]


def line(name: str, world: World, found: Sequence[Comparison]) -> tuple[float, float]:
    """Print what became of a world's logs; gives coverage and the share of verdicts "more" or "fewer"."""
    ones = [one for pair in found for one in pair.found]
    whole = [one for one in ones if not one.adjusted.why]
    adjusted, naive = (
        float(np.mean([low <= world.ratio <= high for low, high in ends]))
        for ends in (
            [(one.adjusted.low, one.adjusted.high) for one in whole],
            [(one.naive.low, one.naive.high) for one in whole],
        )
    )
    said = float(np.mean([any(one.verdict in ("more", "fewer") for one in pair.found) for pair in found]))
    middle, plain = (float(np.median([getattr(one, kind).value for one in whole])) for kind in ("adjusted", "naive"))
    random = float(np.mean([pair.balance.looks_random for pair in found]))
    print(
        f"{name:34} {world.ratio:5.2f} | {middle:5.2f} {adjusted:6.3f} | {plain:5.2f} {naive:6.3f} | {said:6.3f} "
        f"{random:6.2f} {len(ones) - len(whole):4d}",
        flush=True,
    )
    return adjusted, said


def check_worlds(num: int, seed: int) -> bool:
    """Coverage everywhere, and where nothing was planted how often something is found."""
    few = World()
    worlds = {
        "confounded": few,
        "confounded, no effect": replace(few, ratio=1.0),
        "confounded, half as much": replace(few, ratio=0.5),
        "confounded, 150 posts": replace(few, num_posts=150),
        "confounded, 1,500 posts": replace(few, num_posts=1500),
        "wild counts": replace(few, shape=0.2, luck=1.0),
        "engagement in a curve": replace(few, bent=0.08),
        "a post, an arm; no effect": replace(few, by_post=True, ratio=1.0),
        "hardly overlapping": replace(few, pull=2.5),
        "random assignment": replace(few, pull=0.0),
        "random, no effect": replace(few, pull=0.0, ratio=1.0),
        "random, no effect, 4 outcomes": replace(few, pull=0.0, ratio=1.0, num_outcomes=4),
    }
    print(
        f"{num} logs each: planted | adjusted median, coverage | naive median, coverage | found, looks random, unknown"
    )
    held = True
    for name, world in worlds.items():
        coverage, said = line(name, world, comparisons(world, num, seed))
        held &= coverage >= LEAST and (world.ratio != 1 or said <= MOST_SIZE)
    return held


def check_weeks(num: int, seed: int) -> bool:
    """Pilots of four weeks say how many weeks the real test needs; how often does it then find the effect?"""
    pilot, held = World(ratio=1.0), True
    for name, pull in (("confounded", 1.0), ("random assignment", 0.0)):
        weeks, found = [], []
        for number in range(num):
            rng = np.random.default_rng([seed, 1, number])
            world = replace(pilot, pull=pull)
            (one,) = compare_arms(world.log(rng), "base", "tuned", asked(world)).found
            weeks.append(one.plan.weeks)
            posts = ceil(weeks[-1] * pilot.num_posts / pilot.num_weeks)
            real = replace(world, ratio=1.5, num_posts=posts, num_weeks=weeks[-1])
            (after,) = compare_arms(real.log(rng), "base", "tuned", asked(real)).found
            found.append(after.verdict == "more")
        power = float(np.mean(found))
        low, middle, high = np.quantile(weeks, [0.1, 0.5, 0.9])
        said = f"{middle:.1f} (80 % of pilots {low:.1f} to {high:.1f}); found {power:.3f} of {num}"
        print(f"weeks for 1.5 at power 0.80, {name}: {said}", flush=True)
        held &= power >= LEAST_POWER
    return held


def check_large(num_rows: int) -> None:
    """A CSV of so many rows, compared by the command line in a process of its own."""
    world = World(num_posts=num_rows // 2, num_weeks=26)
    log = world.log(np.random.default_rng(0))
    head = ["arm", "time", "post_id", "topic", "original_engagement", "likes"]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "large.csv"
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(head)
            for n in range(log.num_rows):
                day = MIDNIGHT + log.seconds[n] // 86_400 * 86_400  # with the hour that pulled at arm and counts
                when = datetime.fromtimestamp(day + log.hour[n] * 3600, UTC).isoformat()
                said = int(log.engagement[n]) if log.engagement is not None else 0
                row = [log.arms[log.arm[n]], when, f"post-{log.post[n]}", log.topics[log.topic[n]], said]
                writer.writerow([*row, int(log.outcomes["y0"][n])])
        options = ["task=field_test", f"task.log={path}", f"outputs={place}/outputs", "tracker=none"]
        options += [f"~task.outcomes.{name}" for name in ("reposts", "replies", "impressions")]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "finetune_lab", *options], cwd=ROOT, capture_output=True, text=True
        )
        size = path.stat().st_size / 2**20
    seconds, peak = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{log.num_rows:,} rows, {size:.0f} MiB: {seconds:.0f} s, peak {peak:.2f} GiB, exit code {done.returncode}")
    print(done.stdout[:500] + done.stderr[-500:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=500, help="of each world")
    parser.add_argument("--pilots", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=0, help="of a large file; 0: none")
    chosen = parser.parse_args()
    held = [check_worlds(chosen.logs, chosen.seed)] if chosen.logs else []
    held += [check_weeks(chosen.pilots, chosen.seed)] if chosen.pilots else []
    if chosen.rows:
        check_large(chosen.rows)
    print("held" if all(held) else "a limit is not held")
    raise SystemExit(not all(held))


if __name__ == "__main__":
    main()
