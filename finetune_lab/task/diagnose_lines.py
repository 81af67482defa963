"""The command line of a kept run, and of the same run with something changed."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from finetune_lab.errors import ConfigError
from finetune_lab.maths.moves import Change
from finetune_lab.store.questions import RunRow
from finetune_lab.text.overrides import differences, gathered, value_text

PROGRAM = "python -m finetune_lab"


@dataclass(frozen=True, kw_only=True)
class Started:
    """What a run was started with: its `choices` of files, its whole `config`, and what the choices alone give."""

    choices: tuple[str, ...]
    config: Mapping[str, Any]
    defaults: Mapping[str, Any]


def started(row: RunRow, settings: Mapping[str, Any]) -> Started:
    """Find the choices that come nearest to a run's config. `settings`: keys of the top that no run keeps.

    Raises ConfigError where the files that it names are not there.
    """
    choices = [f"{part}={getattr(row, part)}" for part in ("model", "data", "method")]
    evaluators = row.config.get("eval", {})  # a run without evaluators keeps none
    if set(evaluators) != set(composed(tuple(choices)).get("eval", {})):
        choices.append(f"eval={value_text(list(evaluators))}")
    for choice in list(_other_files(row.config, composed(tuple(choices)))):
        if _composes((*choices, choice)):
            choices.append(choice)
    config = gathered({**row.config, **settings}, composed(tuple(choices)))
    defaults = {name: value for name, value in composed(tuple(choices)).items() if name in config}
    return Started(choices=tuple(choices), config=config, defaults=defaults)


def line_of(begun: Started, changes: Sequence[Change]) -> tuple[str, ...]:
    """The overrides of the run with these changes, which stand last. Raises ConfigError for what cannot be said."""
    overrides = differences(begun.config, begun.defaults)
    last = []
    for change in changes:
        old = overrides.pop(change.path, "")
        last.append(f"{'+' if old.startswith('+') else ''}{change.path}={value_text(change.new)}")
    return (*begun.choices, *overrides.values(), *last)


@cache
def composed(overrides: tuple[str, ...]) -> dict[str, Any]:
    """The config of a command line, references unresolved. Raises ConfigError for a line that does not compose.

    The program itself is asked, in a process of its own: then a line that is proposed is one that it takes.
    """
    asked = [sys.executable, "-m", "finetune_lab", "--cfg", "job", *overrides]
    # whoever wants our tracebacks wants none of a question
    environment = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
    done = subprocess.run(asked, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise ConfigError(done.stderr.strip().removeprefix("error: "))
    found = yaml.safe_load(done.stdout)
    assert isinstance(found, dict)
    return found


def _composes(overrides: tuple[str, ...]) -> bool:
    try:
        composed(overrides)
    except ConfigError:
        return False
    return True


def _other_files(config: Any, defaults: Any, above: str = "") -> Iterator[str]:
    """The choice of a file for every part below the top that is of another class than the default's."""
    if not isinstance(config, Mapping) or not isinstance(defaults, Mapping):
        return
    for key, value in config.items():
        place, default = f"{above}{key}", defaults.get(key)
        own, other = (node.get("_target_") if isinstance(node, Mapping) else None for node in (value, default))
        if own and other and own != other and "." in place:
            _, group, name = str(own).split(".")[:3]  # conf/<group>/<name>.yaml mirrors the package
            yield f"{group}@{place}={name}"
        yield from _other_files(value, default, f"{place}.")
