"""From symptoms to what to change in a config: each change relative to the value that the run had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from finetune_lab.plugin import plugin

Direction = Literal["down", "up", "instead"]
_DIGITS = 2  # significant ones of a value that a factor gives


@plugin
class Knob:
    """One value that can be turned (see conf/task/diagnose.yaml). `path` None: only advice. `whole`: no fractions."""

    path: str | None
    along: tuple[str, ...]
    lower: float | None
    higher: float | None
    factor: Annotated[float, Field(gt=1)] | None
    least: float | None
    most: float | None
    whole: bool
    advice: str | None

    def turned(self, value: float, direction: Direction) -> float | None:
        """The next value in that direction; None where there is none: the value is there already, or past it."""
        down = direction == "down"
        near, far = (self.lower, self.higher) if down else (self.higher, self.lower)
        beyond = far is not None and (value > far if down else value < far)
        there = near is None or (value <= near if down else value >= near)
        if near is not None and not there and not (beyond and self.factor):
            wanted = near
        elif self.factor is None:
            return None
        else:
            scaled = value / self.factor if down else value * self.factor
            wanted = scaled if self.whole else float(f"{scaled:.{_DIGITS}g}")
        wanted = max(wanted, self.least) if self.least is not None else wanted
        wanted = min(wanted, self.most) if self.most is not None else wanted
        wanted = float(round(wanted)) if self.whole else wanted
        return wanted if (wanted < value if down else wanted > value) else None


@dataclass(frozen=True, kw_only=True)
class Change:
    """One value of the config and what it is to become."""

    path: str
    old: float
    new: float


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One thing to try, and the symptoms that ask for it."""

    knob: str
    direction: Direction
    symptoms: tuple[str, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to try, the likeliest first; advice that no override can express; and what was withheld, with the reason."""

    proposals: tuple[Proposal, ...]
    advice: tuple[str, ...]
    withheld: tuple[str, ...]


def plan(
    symptoms: Sequence[str],
    settings: Mapping[str, Any],
    knobs: Mapping[str, Knob],
    remedies: Mapping[str, Mapping[str, Direction]],
) -> Plan:
    """Turn knobs for `symptoms`, of which a sooner one of `remedies` wins; `settings`: dotted path -> value.

    The first remedy of every symptom comes before the second of any.
    """
    asked: dict[str, tuple[Direction, list[str]]] = {}
    places: dict[str, int] = {}
    withheld = []
    for symptom in (name for name in remedies if name in symptoms):
        for place, (knob, direction) in enumerate(remedies[symptom].items()):
            chosen, reasons = asked.setdefault(knob, (direction, []))
            if chosen == direction:
                reasons.append(symptom)
                places[knob] = min(place, places.get(knob, place))
            else:
                withheld.append(f"{knob} {direction}, for {symptom}: {', '.join(reasons)} asks for {chosen}")
    proposals, advice = [], []
    for knob in sorted(asked, key=lambda name: places[name]):
        direction, reasons = asked[knob]
        changes = _changes(knobs[knob], direction, settings)
        if changes:
            proposals.append(Proposal(knob=knob, direction=direction, symptoms=tuple(reasons), changes=changes))
        elif said := knobs[knob].advice:
            advice.append(said)
        else:
            withheld.append(f"{knob} {direction}, for {', '.join(reasons)}: {_why_not(knobs[knob], settings)}")
    return Plan(proposals=tuple(proposals), advice=tuple(advice), withheld=tuple(withheld))


def _changes(knob: Knob, direction: Direction, settings: Mapping[str, Any]) -> tuple[Change, ...]:
    """The knob's change and those that go along in the same ratio; none where the run has no such number."""
    value = settings.get(knob.path) if knob.path else None
    if knob.path is None or value is None or not _is_number(value):
        return ()
    if (wanted := knob.turned(value, direction)) is None:
        return ()
    first = Change(path=knob.path, old=value, new=int(wanted) if knob.whole else wanted)
    others = [(path, settings[path]) for path in knob.along if _is_number(settings.get(path)) and value]
    moved = [Change(path=path, old=old, new=_like(old, old * first.new / value)) for path, old in others]
    return (first, *(change for change in moved if change.new != change.old))


def _like(old: float, new: float) -> float:
    """A whole number where the old one was, and then at least 1."""
    return max(1, round(new)) if isinstance(old, int) else new


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _why_not(knob: Knob, settings: Mapping[str, Any]) -> str:
    value = settings.get(knob.path) if knob.path else None
    return f"{knob.path} is {value:g} already" if _is_number(value) else f"the run has no number at {knob.path}"
