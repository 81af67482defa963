"""Simulated data with known truth, for check_statistics.py: how each case is drawn, and the list of cases."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from math import exp, inf, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.records import Statistic

Floats = NDArray[np.float64]
MEAN = Statistic(kind="mean", of="x")
PERPLEXITY = Statistic(kind="ratio", of="nats", per="tokens", transform="exp")
LEFT_OUT = Statistic(kind="jackknife", of="x")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One draw: a statistic, both arms as columns of each seed, and the true difference."""

    reference: list[dict[str, Floats]]
    candidate: list[dict[str, Floats]]
    truth: float
    statistic: Statistic = MEAN
    clusters: Floats | None = None
    trained_reference: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """A way to draw data, with its settings; `shift` is the difference that the power is for."""

    name: str
    draw: Callable[..., Drawn]
    num: int
    shift: float
    settings: dict[str, Any] = field(default_factory=dict)


def noise(shape: str, generator: np.random.Generator, num: int) -> Floats:
    """Differences with mean 0 and deviation 1: normal, exponential, lognormal (σ = 1) or t with 3 degrees."""
    if shape == "exponential":
        return generator.exponential(size=num) - 1
    if shape == "lognormal":
        return (generator.lognormal(size=num) - exp(0.5)) / sqrt((exp(1) - 1) * exp(1))
    return generator.standard_t(3, size=num) / sqrt(3) if shape == "heavy" else generator.normal(size=num)


def clusters_of(num: int, size: int, uneven: bool = False) -> NDArray[np.int64]:
    """Cluster numbers of `num` samples in clusters of `size`, or of sizes from 1 to twice that."""
    if not uneven:
        return np.arange(num) // size
    sizes = 1 + np.arange(num) % (2 * size - 1)
    return np.repeat(np.arange(num), sizes)[:num]


def draw_mean(
    generator: np.random.Generator,
    num: int,
    shift: float,
    *,
    shape: str = "normal",
    cluster_size: int = 1,
    uneven: bool = False,
) -> Drawn:
    """Scores of one seed. With clusters, half of the differences' variance is shared within them."""
    clusters = clusters_of(num, cluster_size, uneven)
    gaps = noise(shape, generator, num)
    if cluster_size > 1:
        gaps = sqrt(0.5) * gaps + sqrt(0.5) * noise(shape, generator, num)[clusters]
    base = generator.normal(size=num)
    return Drawn(reference=[{"x": base}], candidate=[{"x": base + gaps + shift}], truth=shift, clusters=clusters)


def draw_rate(
    generator: np.random.Generator,
    num: int,
    shift: float,
    *,
    rate: float = 0.6,
    cluster_size: int = 1,
    seeds: int = 1,
    seed_noise: float = 0.0,
) -> Drawn:
    """Passes: a hidden ability of each sample (shared in a cluster) under a threshold that a seed may move.

    The truth is the difference of population rates, over seeds.
    """
    clusters = clusters_of(num, cluster_size)
    ability = sqrt(0.6) * generator.normal(size=num)[clusters]

    def passes(target: float, moved: float) -> dict[str, Floats]:
        level = NormalDist().inv_cdf(target) * sqrt(1 + seed_noise**2)  # so that the rate over seeds is the target
        return {"x": (ability + sqrt(0.4) * generator.normal(size=num) + moved < level).astype(float)}

    moves = seed_noise * generator.normal(size=seeds)
    reference = {"x": (ability + sqrt(0.4) * generator.normal(size=num) < NormalDist().inv_cdf(rate)).astype(float)}
    candidate = [passes(rate + shift, move) for move in moves]
    return Drawn(reference=[reference], candidate=candidate, truth=shift, clusters=clusters)


def draw_ratio(
    generator: np.random.Generator,
    num: int,
    shift: float,
    *,
    cluster_size: int = 1,
    seeds: int = 1,
    seed_noise: float = 0.0,
) -> Drawn:
    """Perplexity: sequences of 5 to 400 tokens, harder ones shorter. `shift` is in nats per token."""
    clusters = clusters_of(num, cluster_size)
    hardness = generator.gamma(16, 1 / 16, size=num)[clusters]
    tokens = np.clip(np.round(generator.lognormal(4, 0.7, size=num) / hardness), 5, 400)
    base = 2.0 * hardness
    moves = seed_noise * generator.normal(size=seeds)
    tuned = [base * (1 + 0.15 * generator.normal(size=num)) + shift + move for move in moves]
    before, after = level_of_ratio(0.0, cluster_size), level_of_ratio(shift, cluster_size)
    return Drawn(
        reference=[{"nats": base * tokens, "tokens": tokens}],
        candidate=[{"nats": nats * tokens, "tokens": tokens} for nats in tuned],
        truth=exp(after + seed_noise**2 / 2) - exp(before),
        statistic=PERPLEXITY,
        clusters=clusters,
    )


@lru_cache
def level_of_ratio(shift: float, cluster_size: int) -> float:
    """The population's nats per token, from four million samples."""
    generator, num = np.random.default_rng(12345), 4_000_000
    hardness = generator.gamma(16, 1 / 16, size=num)
    tokens = np.clip(np.round(generator.lognormal(4, 0.7, size=num) / hardness), 5, 400)
    return float((2.0 * hardness * tokens).sum() / tokens.sum()) + shift


def draw_seeds(
    generator: np.random.Generator,
    num: int,
    shift: float,
    *,
    seeds: int,
    ratio: float,
    both: float = 0.5,
    arms: int = 1,
) -> Drawn:
    """Means of several seeds; `ratio`: variance that the seeds give the difference over what the items give it.

    `both` is the deviation of seed-by-item noise beside 1 of the items.
    """
    base, gaps = generator.normal(size=num), generator.normal(size=num)
    spread = sqrt(ratio * seeds / arms / num)

    def arm(means: Floats) -> list[dict[str, Floats]]:
        return [{"x": means + spread * generator.normal() + both * generator.normal(size=num)} for _ in range(seeds)]

    reference = arm(base) if arms == 2 else [{"x": base}]
    return Drawn(reference=reference, candidate=arm(base + gaps + shift), truth=shift, trained_reference=arms == 2)


def true_degrees(num: int, *, seeds: int, ratio: float, both: float = 0.5, arms: int = 1) -> float:
    """Satterthwaite's degrees of freedom of a difference of `draw_seeds`, from its true variances; inf for one seed."""
    if seeds == 1:
        return inf
    shared = both**2 / seeds
    items, training = 1 + arms * shared, ratio / arms + shared
    return (items + ratio) ** 2 / (items**2 / (num - 1) + arms * training**2 / (seeds - 1))


def draw_left_out(generator: np.random.Generator, num: int, shift: float) -> Drawn:
    """The variance of a column, by leave-one-out values: a smooth statistic that is no mean."""
    base = generator.normal(size=num)
    tuned = sqrt(1 + shift) * (0.7 * base + sqrt(0.51) * generator.normal(size=num))
    return Drawn(
        reference=[{"x": variances_without(base)}],
        candidate=[{"x": variances_without(tuned)}],
        truth=shift,
        statistic=LEFT_OUT,
    )


def variances_without(values: Floats) -> Floats:
    num, total, squares = len(values) - 1, values.sum(), (values**2).sum()
    means = (total - values) / num
    return (squares - values**2 - num * means**2) / (num - 1)


def cases() -> list[Case]:
    """Everything that is checked."""
    means = [
        Case(name=f"mean, {shape}", draw=draw_mean, num=num, shift=2.8 / sqrt(num), settings={"shape": shape})
        for shape, sizes in (
            ("normal", (10, 32, 200, 2000)),
            ("exponential", (32, 200, 2000)),
            ("heavy", (32, 200)),
            ("lognormal", (32, 200, 2000)),
        )
        for num in sizes
    ]
    clustered = [
        Case(name=f"mean, clusters of 5{kind}", draw=draw_mean, num=num, shift=4.8 / sqrt(num),
             settings={"cluster_size": 5, "uneven": bool(kind)})
        for kind, sizes in (("", (40, 200, 1000)), (", uneven", (60, 400)))
        for num in sizes
    ]  # fmt: skip
    rates = [
        Case(name=f"pass rate {rate}", draw=draw_rate, num=num, shift=shift, settings={"rate": rate})
        for rate, num, shift in ((0.6, 32, 0.2), (0.6, 200, 0.08), (0.6, 2000, 0.03), (0.97, 64, 0.02), (0.02, 64, 0.1))
    ]
    rates += [
        Case(
            name="pass rate 0.6, clusters of 5",
            draw=draw_rate,
            num=num,
            shift=2 / sqrt(num),
            settings={"cluster_size": 5},
        )
        for num in (60, 400)
    ]
    ratios = [
        Case(
            name=f"perplexity{kind}",
            draw=draw_ratio,
            num=num,
            shift=-0.9 / sqrt(num) * sqrt(size),
            settings={"cluster_size": size},
        )
        for kind, size, sizes in (("", 1, (32, 200, 1000)), (", clusters of 4", 4, (80, 400)))
        for num in sizes
    ]
    return [*means, *clustered, *rates, *ratios, *_seed_cases(), *_left_out_cases()]


def _seed_cases() -> list[Case]:
    plain = [
        Case(name=f"mean, {many}, ratio {ratio:g}", draw=draw_seeds, num=200, shift=0.2 * sqrt(1 + ratio),
             settings={"seeds": seeds, "ratio": ratio})
        for seeds, many in ((1, "1 seed"), (2, "2 seeds"), (3, "3 seeds"), (4, "4 seeds"), (5, "5 seeds"))
        for ratio in (0.0, 0.3, 1.0, 3.0, 10.0)
    ]  # fmt: skip
    others = [
        Case(
            name=f"mean, {seeds} against {seeds} seeds, ratio {ratio:g}",
            draw=draw_seeds,
            num=200,
            shift=0.2 * sqrt(1 + ratio),
            settings={"seeds": seeds, "ratio": ratio, "arms": 2},
        )
        for seeds in (2, 3, 5)
        for ratio in (1.0, 10.0)
    ]
    others += [
        Case(
            name="pass rate 0.6, 3 seeds", draw=draw_rate, num=200, shift=0.1, settings={"seeds": 3, "seed_noise": 0.1}
        ),
        Case(
            name="pass rate 0.97, 3 seeds",
            draw=draw_rate,
            num=64,
            shift=0.02,
            settings={"rate": 0.97, "seeds": 3, "seed_noise": 0.1},
        ),
        Case(
            name="perplexity, 3 seeds", draw=draw_ratio, num=200, shift=-0.15, settings={"seeds": 3, "seed_noise": 0.02}
        ),
        Case(
            name="perplexity, 5 seeds", draw=draw_ratio, num=200, shift=-0.1, settings={"seeds": 5, "seed_noise": 0.02}
        ),
    ]
    return plain + others


def _left_out_cases() -> list[Case]:
    return [Case(name="jackknife, variance", draw=draw_left_out, num=num, shift=4 / sqrt(num)) for num in (50, 300)]
