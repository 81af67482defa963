"""From an exception to a sentence for the person at the keyboard: what is wrong, and what to write instead.

Exceptions of Hydra, OmegaConf and torch are told by the names of their classes, so nothing heavy is imported for them.
"""

import difflib
import errno
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from finetune_lab.errors import LabError

GOES_ON = "the same line then goes on from the last checkpoint"


class Names(Protocol):
    """What exists, for "did you mean"."""

    def groups(self) -> dict[str, list[str]]:
        """Every config group and its choices."""

    def keys(self) -> list[str]:
        """Every dotted key of the config."""


def explain(error: BaseException, names: Names) -> str | None:
    """Say what the user can mend about `error`, or None where the mistake is ours."""
    if isinstance(error, LabError):
        return str(error)
    for link in _chain(error):
        kinds = {kind.__name__ for kind in type(link).__mro__}
        for kind, tell in _TELLERS.items():
            if kind in kinds and (sentence := tell(link, names)):
                return sentence
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _unreadable_override(error: Any, _names: Names) -> str:
    key, equals, value = error.override.partition("=")
    if not equals:
        return f"cannot read {error.override!r}; an override is written key=value, as in seed=1"
    plain = value.strip("'\"")
    return f"""cannot read the override {error.override}; a value with special signs needs quotes: '{key}="{plain}"'"""


def _no_such_choice(error: Any, names: Names) -> str | None:
    if not error.missing_cfg_file:
        return None
    group, _, choice = error.missing_cfg_file.rpartition("/")
    options = list(error.options or names.groups().get(group, ()))
    if not group or not options:
        return f"there is no config {error.missing_cfg_file!r}"
    return f"there is no {group} {choice!r}; {_did_you_mean(choice, options)}{group} can be: {', '.join(options)}"


def _composition(error: Any, names: Names) -> str:
    text = str(error)
    for pattern, tell in _COMPOSITION:
        if found := re.search(pattern, text, re.DOTALL):
            return tell(found, names)
    return _omegaconf(error.__cause__, names) if not text and error.__cause__ else _first_line(error)


def _nested_group(found: re.Match[str], _names: Names) -> str:
    group, place = found.group(1), found.group(2)
    if "@" in group:  # a place that has nothing by default
        return f"nothing is chosen at {group!r} so far; to add it write +{group}=…"
    return f"{group!r} is chosen inside another part; write {place}=… in place of {group}=…"


def _no_such_key(found: re.Match[str], names: Names) -> str:
    key = found.group(1)
    known = sorted({*names.keys(), *names.groups()})
    if close := _nearest_keys(key, known):
        return f"there is no {key!r} in the config; did you mean {' or '.join(close)}?"
    place = key.rpartition(".")[0]
    while place and place not in known:
        place = place.rpartition(".")[0]
    here = [k for k in known if k.rpartition(".")[0] == place and "/" not in k]
    what = f"{place!r} has" if place else "there are"
    return f"there is no {key!r} in the config; {what}: {', '.join(here) or 'no keys'}"


def wrong_at_the_top(given: Mapping[str, Any], defaults: Mapping[str, Any], groups: list[str]) -> list[str]:
    """Every key of `given` that is neither in `defaults` nor one of the `groups`, or that has another type there."""
    known = sorted({*defaults, *groups} - {"hydra"})
    found = [
        f"{key}: unknown key; {_did_you_mean(key, known)}known here: {', '.join(known)}"
        for key in given
        if key not in known
    ]
    for key, default in defaults.items():
        value, wanted = given.get(key), _KINDS.get(type(default))
        reference = isinstance(value, str) and "${" in value
        if key in given and wanted and not reference and not _fits(value, default):
            found.append(f"{key}: should be {wanted.format(key=key)}, got {value!r}")
    return found


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, list):
        return isinstance(value, (list, tuple))
    return type(value) is type(default)


def named_where_chosen(overrides: list[str], choices: list[str]) -> list[str]:
    """Every override that names a file where a part of the config stands: method.x=… in place of x@method.x=…"""
    places = {choice.partition("@")[2]: choice for choice in choices if "@" in choice}
    parted = [override.lstrip("+").partition("=") for override in overrides]
    return [f"{key}: to choose another one, write {places[key]}={value}" for key, _, value in parted if key in places]


def _nearest_keys(key: str, known: list[str]) -> list[str]:
    """The known paths that `key` may have meant: spelt alike, or the right name at another place."""
    known = [path for path in known if not key.startswith(f"{path}.")]  # what it stands in was spelt right
    if whole := difflib.get_close_matches(key, known, n=1, cutoff=0.85):
        return whole
    last = key.rpartition(".")[2]
    names = {path.rpartition(".")[2] for path in known}
    meant = difflib.get_close_matches(last, names, n=1, cutoff=0.8)
    same = [path for path in known if meant and path.rpartition(".")[2] == meant[0]]
    return same[:3] or difflib.get_close_matches(key, known, n=1, cutoff=0.7)


def _exists_already(found: re.Match[str], _names: Names) -> str:
    return f"{found.group(1)!r} stands in the config already; write it without the +"


def _several_values(found: re.Match[str], _names: Names) -> str:
    line = found.group(1)
    key, _, values = line.partition("=")
    return f"{line!r} names several values; add -m to run each of them, or, for one list, write '{key}=[{values}]'"


def _no_such_group(found: re.Match[str], names: Names) -> str:
    groups = sorted(names.groups())
    return f"there is no config group {found.group(1)!r}; {_did_you_mean(found.group(1), groups)}{', '.join(groups)}"


def _not_a_name(error: Any, _names: Names) -> str | None:
    if not str(error).startswith("Config group override must be"):
        return None
    return "a config group is chosen by the name of one of its files, as in method=<name>"


def _interpolation(error: Any, _names: Names) -> str:
    where = f"{error.full_key}: " if error.full_key else ""
    return f"{where}the config refers to what is not there ({_first_line(error)}); give it a value, or mend the ${{…}}"


def _needs_value(error: Any, _names: Names) -> str:
    return f"{error.full_key}: needs a value; write {error.full_key}=… on the command line"


def _omegaconf(error: Any, _names: Names) -> str:
    where = f"{error.full_key}: " if getattr(error, "full_key", None) else ""
    return f"{where}{_first_line(error)}"


def _yaml(error: Any, _names: Names) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{mark.name}, line {mark.line + 1}: " if mark else ""
    return f"{where}this is not YAML: {getattr(error, 'problem', None) or _first_line(error)}"


def _device_memory(_error: Any, _names: Names) -> str:
    return (
        "the device ran out of memory; smaller batches with more accumulation steps give the same result, "
        f"shorter sequences or model.quantization=nf4 another one; {GOES_ON}"
    )


def _memory(_error: Any, _names: Names) -> str:
    return f"this machine ran out of memory; close other programs or choose a smaller model or batch; {GOES_ON}"


def _allocation(error: Any, names: Names) -> str | None:
    return _memory(error, names) if "DefaultCPUAllocator: can't allocate memory" in str(error) else None


def _disk(error: Any, _names: Names) -> str | None:
    place = f" at {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        return f"no room is left on the disk{place}; free some, or set outputs= to a larger disk; {GOES_ON}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"this user may not write or read{place}; mend the permissions, or set outputs= to a folder of your own"
    return None


def _did_you_mean(name: str, options: list[str]) -> str:
    close = difflib.get_close_matches(name, options, n=1)
    return f"did you mean {close[0]}? " if close else ""


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_KINDS = {int: "a whole number", bool: "true or false", list: "a list, as in {key}=[one,two]"}

_COMPOSITION: tuple[tuple[str, Callable[[re.Match[str], Names], str]], ...] = (
    (r"Could not override '([^']+)'\.\s+Did you mean to override (?:one of )?([^,?\s]+)", _nested_group),
    (r"Could not override '([^']+)'", _no_such_key),
    (r"Could not delete from config\. '([^']+)' does not exist", _no_such_key),
    (r"Could not delete '([^'=]+)", _no_such_key),
    (r"An item is already at '([^']+)'", _exists_already),
    (r"Ambiguous value for argument '(.+?)'\s", _several_values),
    (r"Sweep parameters '(.+?)' requires", _several_values),
    (r"config group '([^']+)' does not\s+exist", _no_such_group),
)

# the first that fits speaks: from the particular to the general
_TELLERS: dict[str, Callable[[Any, Names], str | None]] = {
    "OverrideParseException": _unreadable_override,
    "MissingConfigException": _no_such_choice,
    "ConfigCompositionException": _composition,
    "InterpolationResolutionError": _interpolation,
    "MissingMandatoryValue": _needs_value,
    "OmegaConfBaseException": _omegaconf,
    "CompactHydraException": lambda error, _names: _first_line(error),
    "MarkedYAMLError": _yaml,
    "OutOfMemoryError": _device_memory,
    "MemoryError": _memory,
    "OSError": _disk,
    "ValueError": _not_a_name,
    "RuntimeError": _allocation,
}
