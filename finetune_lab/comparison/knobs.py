"""The effect of every swept knob: runs that differ in it alone, on the same samples, with an interval."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finetune_lab.comparison.contenders import Contender, differing_paths

MOST_VALUES = 8  # of one knob that are compared with its first
Key = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, kw_only=True)
class Knob:
    """Two values of one knob, each with all runs that have a counterpart which differs in nothing else."""

    path: str
    reference: Contender
    candidate: Contender


def knobs(arms: Sequence[Contender]) -> tuple[list[Knob], list[str]]:
    """Every knob's first value against each other one (numbers by size), and what was left out with its reason.

    The runs of a side count as its training seeds, so an effect's interval covers seeds and the settings of the
    other knobs: an effect that depends on them has a wide one. Knobs that only ever change together have no effect
    of their own, and none is given.
    """
    found: list[Knob] = []
    left_out: list[str] = []
    for path in differing_paths(arms):
        values = sorted({value for arm in arms if (value := arm.config.get(path)) is not None}, key=_size)
        if len(values) > MOST_VALUES:
            left_out.append(f"the effect of {path}: {len(values)} values are a search, not a few settings")
            continue
        found += [knob for value in values[1:] if (knob := _knob(path, values[0], value, arms)) is not None]
    return found, left_out


def _knob(path: str, reference: str, candidate: str, arms: Sequence[Contender]) -> Knob | None:
    """Both sides of a change, from the settings of the other knobs where both values were tried."""
    of_value: dict[str, dict[tuple[str, Key], list[Contender]]] = {
        reference: defaultdict(list),
        candidate: defaultdict(list),
    }
    for arm in arms:
        if (value := arm.config.get(path)) in of_value:
            rest = tuple(sorted((key, value) for key, value in arm.config.items() if key != path))
            of_value[value][arm.base, rest].append(arm)
    common = [rest for rest in of_value[reference] if rest in of_value[candidate]]
    if not common:
        return None
    name = path.rpartition(".")[2]
    sides = [
        _merged(f"{name}={value}", [arm for rest in common for arm in of_value[value][rest]])
        for value in (reference, candidate)
    ]
    return Knob(path=path, reference=sides[0], candidate=sides[1])


def _merged(label: str, arms: Sequence[Contender]) -> Contender:
    measures: dict[str, Mapping[str, str]] = {}
    for arm in arms:
        for evaluator, of_runs in arm.measures.items():
            measures[evaluator] = {**measures.get(evaluator, {}), **of_runs}
    runs = tuple(run for arm in arms for run in arm.runs)
    return Contender(label=label, base=arms[0].base, runs=runs, trained=True, config={}, measures=measures)


def _size(text: str) -> tuple[int, float, str]:
    """Numbers by size before words by spelling."""
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text
