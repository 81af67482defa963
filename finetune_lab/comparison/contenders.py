"""Who is compared: the arms of a group, each with all its training seeds, and their bases."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

IDENTITY = ("model", "data", "method")  # the parts of a config in which two arms can differ; the seed makes no arm


@dataclass(frozen=True, kw_only=True)
class Contender:
    """What stands on one side of a comparison: a base, or the runs of one config, which differ in their seed only."""

    label: str
    base: str
    runs: tuple[str, ...]
    trained: bool
    config: Mapping[str, str]  # dotted path -> value, of what makes the arm
    measures: Mapping[str, Mapping[str, str]]  # evaluator -> run -> measure


def contenders(members: Sequence[Any]) -> tuple[list[Contender], list[Contender]]:
    """The arms of a group, each with all its seeds, and their bases; labels tell them apart."""
    grouped: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
    for member in members:
        if member.run != member.base:
            made = json.dumps(_identity(member.config), sort_keys=True, default=str)
            grouped[member.base, member.label, made].append(member)
    bases = _bases([runs[0] for runs in grouped.values()])
    arms = _told_apart([_arm(runs, bases[runs[0].base].label.removeprefix("base")) for runs in grouped.values()])
    names = dict.fromkeys(name for arm in arms for name in arm.measures)
    return arms, [replace(base, measures={name: {} for name in names}) for base in bases.values()]


def _bases(members: Sequence[Any]) -> dict[str, Contender]:
    """The bases of these members by key; of several each has the model's name, and what tells two of one name apart."""
    firsts = {member.base: member for member in reversed(members)}
    found = [
        Contender(
            label=f"base {firsts[base].model}" if len(firsts) > 1 else "base",
            base=base,
            runs=(base,),
            trained=False,
            config=dict(_leaves(firsts[base].config.get("model", {}), "model")),
            measures={},
        )
        for base in dict.fromkeys(member.base for member in members)
    ]
    return {one.base: replace(one, config={}) for one in _told_apart(found)}  # a config is what makes an arm


def bases_alone(members: Sequence[Any], store: Any) -> list[Contender]:
    """The bases of a group of which nothing was trained, with the evaluators that have scored them."""
    alone = [member for member in members if member.run == member.base]
    several = len(alone) > 1
    return [
        Contender(
            label=f"base {member.model}" if several else "base",
            base=member.base,
            runs=(member.base,),
            trained=False,
            config={},
            measures={score.evaluator: {} for score in store.scores([member.base])},
        )
        for member in alone
    ]


def _arm(members: Sequence[Any], behind: str) -> Contender:
    """The runs of one config as an arm; `behind` its label stands what its base is called."""
    measures: dict[str, dict[str, str]] = defaultdict(dict)
    for member in members:
        for evaluator, measure in member.measures.items():
            measures[evaluator][member.run] = measure
    first = members[0]
    return Contender(
        label=f"{first.label}{behind}",
        base=first.base,
        runs=tuple(member.run for member in members),
        trained=True,
        config=dict(_leaves(_identity(first.config), "")),
        measures=measures,
    )


def _identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that makes the arm; of a config without these parts, all but the seed."""
    parts = {name: config[name] for name in IDENTITY if name in config}
    return parts or {name: value for name, value in config.items() if name != "seed"}


def _leaves(node: Any, path: str) -> Iterable[tuple[str, str]]:
    if not isinstance(node, Mapping):
        return [(path, str(node))]
    return [leaf for key, value in node.items() for leaf in _leaves(value, f"{path}.{key}" if path else str(key))]


def _told_apart(arms: Sequence[Contender]) -> list[Contender]:
    """The arms with the values in which those of one label differ added to it: `qlora learning_rate=0.001`."""
    by_label: dict[str, list[Contender]] = defaultdict(list)
    for arm in arms:
        by_label[arm.label].append(arm)
    differing = {label: differing_paths(alike) for label, alike in by_label.items()}
    ready = []
    for arm in arms:
        added = [f"{path.rpartition('.')[2]}={arm.config.get(path, '–')}" for path in differing[arm.label]]
        ready.append(replace(arm, label=" ".join([arm.label, *added])))
    return ready


def differing_paths(arms: Sequence[Contender]) -> list[str]:
    """The paths of a config in which some of the arms differ."""
    paths = dict.fromkeys(path for arm in arms for path in arm.config)
    return [path for path in paths if len({arm.config.get(path) for arm in arms}) > 1]


def unfinished(lab: Any) -> list[str]:
    """The group's runs that are no members, because they failed or go on."""
    members = {member.run for member in lab.store.members(lab.group)}
    return [
        f"{row.label}, run {row.key}: {row.status}" + (f" ({row.error})" if row.error else "")
        for row in lab.store.runs()
        if row.config.get("group") == lab.group and row.key not in members and row.status != "done"
    ]
