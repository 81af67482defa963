"""What differs between the rows of two arms beside the arm, as columns of a regression."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from finetune_lab.field.log_file import FieldLog, Floats, Integers
from finetune_lab.maths.bases import independent, natural_spline, waves

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """How covariates enter: columns of a spline for numbers, waves for the hour.

    The topics with most posts, at most `num_topics`, have a column each, and one with fewer than `rare` posts none: the
    others count as one. A topic that is not rare and stands in one arm alone cannot be compared.
    """

    spline_columns: Annotated[int, Field(ge=0, le=10)]
    hour_waves: Annotated[int, Field(ge=0, le=4)]
    num_topics: PositiveInt
    rare: PositiveInt


@dataclass(frozen=True, kw_only=True)
class Covariates:
    """Standardised columns (n, k), each with the covariate that it belongs to, of the rows that can be compared."""

    columns: Floats
    sources: tuple[str, ...]
    rows: Integers  # of the log
    constant: tuple[str, ...]  # covariates that say nothing here
    one_sided: tuple[str, ...]  # topics that only one of the two arms has

    def of(self, source: str) -> list[int]:
        """The numbers of a covariate's columns."""
        return [number for number, name in enumerate(self.sources) if name == source]


def covariates(log: FieldLog, reference: int, candidate: int, shapes: Shapes) -> Covariates:
    """Topic as one column a topic, hour as waves, original engagement (in logs) and time as splines."""
    both = np.flatnonzero((log.arm == reference) | (log.arm == candidate))
    topic, one_sided = _topics(log, both, candidate, shapes)
    rows, topic = both[topic >= -1], topic[topic >= -1]
    parts = _parts(log, rows, topic, shapes)
    sources = [name for name, columns in parts for _ in range(columns.shape[1])]
    columns = np.column_stack([columns for _, columns in parts])
    kept = independent(columns) if len(rows) else []
    columns = columns[:, kept]
    if kept:
        columns -= columns.mean(axis=0)
        columns /= columns.std(axis=0)
    known = tuple(sources[number] for number in kept)
    constant = tuple(name for name, _ in parts if name not in known)
    return Covariates(columns=columns, sources=known, rows=rows, constant=constant, one_sided=tuple(one_sided))


def _parts(log: FieldLog, rows: Integers, topic: Integers, shapes: Shapes) -> list[tuple[str, Floats]]:
    """The columns of each covariate that the log has."""
    parts: list[tuple[str, Floats]] = []
    if len(log.topics) > 1:
        levels = np.unique(topic)[1:]
        parts.append(("topic", (topic[:, None] == levels[None, :]).astype(np.float64)))
    parts.append(("hour", waves(log.hour[rows], shapes.hour_waves)))
    if log.engagement is not None:
        parts.append(("original engagement", natural_spline(np.log1p(log.engagement[rows]), shapes.spline_columns)))
    parts.append(("time", natural_spline(log.seconds[rows], shapes.spline_columns)))
    return parts


def _topics(log: FieldLog, rows: Integers, candidate: int, shapes: Shapes) -> tuple[Integers, Sequence[str]]:
    """The topic of each row: −1 for the others, −2 for one that only one arm has; and the names of these."""
    topic, arm = log.topic[rows], log.arm[rows] == candidate
    posts = _num_posts(topic, log.post[rows], len(log.topics))
    fewer = np.minimum(*(_num_posts(topic[side], log.post[rows][side], len(log.topics)) for side in (arm, ~arm)))
    one_sided = (posts >= shapes.rare) & (fewer == 0)
    own = (posts >= shapes.rare) & (fewer >= 2)
    own[np.argsort(-posts, kind="stable")[shapes.num_topics :]] = False
    numbered = np.where(one_sided, -2, np.where(own, np.arange(len(posts)), -1))
    return numbered[topic], [log.topics[number] for number in np.flatnonzero(one_sided)]


def _num_posts(topic: Integers, post: Integers, num_topics: int) -> Integers:
    """How many different posts each topic has."""
    if not len(topic):
        return np.zeros(num_topics, dtype=np.int64)
    num_posts = int(post.max()) + 1
    return np.bincount(np.unique(topic * num_posts + post) // num_posts, minlength=num_topics)
