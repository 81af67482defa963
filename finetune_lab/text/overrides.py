"""A config written as the overrides of a command line, relative to the defaults that it starts from (Hydra 1.3)."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finetune_lab.errors import ConfigError

_REFERENCE = re.compile(r"\$\{(\w+)\}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_BARE = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.-]*")  # text that needs no quotes
_WORDS = {"null", "true", "false", "nan", "inf"}  # which would be read as something else than text


def leaves(node: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves under their dotted paths; an empty mapping is one."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def gathered(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`config`, resolved when it was kept, with the references of `defaults` (`${name}`) put back.

    What most of the places of one reference hold stands once, at the top under its name; a place that holds
    something else keeps it.
    """
    places: dict[str, list[tuple[str, ...]]] = {}
    for path, value in leaves(defaults):
        if isinstance(value, str) and (found := _REFERENCE.fullmatch(value)) and _at(config, path.split(".")):
            places.setdefault(found.group(1), []).append(tuple(path.split(".")))
    whole: dict[str, Any] = dict(config)
    for name, paths in places.items():
        held = [_at(config, path) for path in paths]
        common = Counter(map(repr, held)).most_common(1)[0][0]
        whole[name] = next(value for value in held if repr(value) == common)
        for place, value in zip(paths, held, strict=True):
            if value == whole[name]:
                whole = _with(whole, place, f"${{{name}}}")
    return whole


def differences(config: Mapping[str, Any], defaults: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """The overrides that make `config` of `defaults`: dotted path -> override, in the order of `config`.

    Raises ConfigError for what no override can say.
    """
    # Hydra cannot delete a null, and a knob that came later is null where it changes nothing
    gone = [key for key, value in defaults.items() if key not in config and value is not None]
    found = {f"{above}{key}": f"~{_path(above, key)}" for key in gone}
    for key, value in config.items():
        path = _path(above, key)
        if key not in defaults:
            found[path] = f"+{path}={value_text(value)}"
        elif isinstance(value, Mapping) and isinstance(defaults[key], Mapping):
            found |= differences(value, defaults[key], f"{path}.")
        elif value != defaults[key]:
            found[path] = f"{path}={value_text(value)}"
    return found


def value_text(value: Any) -> str:
    """A plain value in the grammar of overrides. Raises ConfigError for one that it has no words for."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        if wrong := _WORDS & {str(key).lower() for key in value}:
            raise ConfigError(f"no override can name the key {wrong.pop()!r} inside a value")
        return "{" + ",".join(f"{_path('', key)}:{value_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(value_text, value)) + "]"
    if not isinstance(value, str) or "${" in value:
        raise ConfigError(f"no override can say {value!r}")
    if _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    # a quote, and a backslash before a quote, would end the text
    quoted = re.sub(r"(\\*)'", lambda found: f"{found.group(1) * 2}\\'", value)
    return "'" + re.sub(r"\\+$", lambda found: found.group() * 2, quoted) + "'"


def command_line(program: str, overrides: Sequence[str], width: int) -> str:
    """The line for a shell, broken by backslashes to at most `width` columns where its words allow that."""
    lines = [program]
    for word in map(shlex.quote, overrides):
        if len(lines[-1]) + len(word) + 3 > width:  # a space before it, a space and a backslash after it
            lines.append(f"  {word}")
        else:
            lines[-1] += f" {word}"
    return " \\\n".join(lines)


def _path(above: str, key: Any) -> str:
    if not _KEY.fullmatch(str(key)):
        raise ConfigError(f"no override can name the key {key!r} of {above or 'the config'}")
    return f"{above}{key}"


def _at(node: Any, path: Sequence[str]) -> Any:
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _with(node: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """`node` with another value at `path`; nothing of it is changed."""
    inner = _with(node[path[0]], path[1:], value) if len(path) > 1 else value
    return {**node, path[0]: inner}
