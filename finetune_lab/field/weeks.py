"""How long a field test must run: weeks for a ratio that would be worth it, and what this log could have shown."""

from dataclasses import dataclass
from math import exp, inf, isfinite, log, nan, sqrt

from finetune_lab.maths.power import detectable, items_needed


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`weeks` at the log's own rate of posts for the wanted ratio; `detectable_ratio` is the least that is found.

    Both with the wanted power. NaN where the log tells no noise, infinite where no length would do.
    """

    weeks: float
    num_posts: float
    detectable_ratio: float


def plan_weeks(
    log_error: float,
    noise_degrees: float,
    num_posts: int,
    num_weeks: float,
    *,
    worth: float,
    confidence: float,
    power: float,
) -> Plan:
    """From the standard error of a log ratio over so many posts in so many weeks.

    The error falls with the root of the posts: N posts leave log_error √(num_posts / N), and (t_{1−α/2} + t_{power})
    of that must be at most |log worth|. The t are of `noise_degrees`, since the log's noise is itself an estimate.
    Arms, topics and rates are taken to stay as they are.
    """
    if not (isfinite(log_error) and log_error > 0 and num_posts > 2):
        return Plan(weeks=nan, num_posts=nan, detectable_ratio=nan)
    least = detectable(log_error, noise_degrees, confidence=confidence, power=power)
    unsure = least / detectable(log_error, inf, confidence=confidence, power=power)
    needed = items_needed(log(worth), unsure * log_error * sqrt(num_posts), confidence=confidence, power=power)
    return Plan(
        weeks=needed * num_weeks / num_posts if isfinite(needed) else inf,
        num_posts=needed,
        detectable_ratio=exp(least) if least < 700 else inf,
    )
