"""From a composed config to the plugin instances that it describes."""

import difflib
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from finetune_lab.errors import ConfigError

PACKAGE = "finetune_lab."


class _Mistake:
    """Stands where a plugin could not be built, so that the other mistakes are still found."""


def build(config: DictConfig, *places: str) -> Any:
    """Build what stands at the dotted `places` of `config`; one place gives one value, several give a list.

    Raises ConfigError with every mistake of every place in one message, each with its dotted path and value.
    """
    mistakes: list[str] = []
    built = [_build(_plain(config, place), place, mistakes) for place in places]
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return built[0] if len(places) == 1 else built


def _plain(config: DictConfig, place: str) -> Any:
    node = OmegaConf.select(config, place)
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def _build(node: Any, where: str, mistakes: list[str]) -> Any:
    if isinstance(node, list):
        return [_build(item, f"{where}.{number}", mistakes) for number, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    built = {key: _build(value, f"{where}.{key}", mistakes) for key, value in node.items() if key != "_target_"}
    return _make(str(node["_target_"]), built, where, mistakes) if "_target_" in node else built


def _make(target: str, values: dict[str, Any], where: str, mistakes: list[str]) -> Any:
    if not target.startswith(PACKAGE):
        mistakes.append(f"{where}: _target_ must name a class in {PACKAGE[:-1]}, got {target}")
        return _Mistake()
    absent = [name for name, value in values.items() if value == "???"]
    if absent:
        mistakes += [f"{where}.{name}: needs a value, for instance {where}.{name}=…" for name in absent]
        return _Mistake()
    try:
        kind = get_class(target)
    except Exception as error:  # Hydra wraps whatever the import raised
        mistakes.append(f"{where}: there is no class {target} ({error})")
        return _Mistake()
    try:
        return kind(**values)
    except ValidationError as error:
        fields = [name for name in getattr(kind, "__dataclass_fields__", {}) if not name.isupper()]
        mistakes += [line for e in error.errors() if (line := _line(e, where, fields))]
        return _Mistake()


def _line(error: Any, where: str, fields: list[str]) -> str | None:
    """One mistake as `path: what is wrong, got value`; None where a deeper line has said it already."""
    if isinstance(error["input"], _Mistake):
        return None
    place = ".".join([where, *map(str, error["loc"])])
    if error["type"] == "unexpected_keyword_argument":
        name = str(error["loc"][-1])
        close = difflib.get_close_matches(name, fields, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(fields))}"
        return f"{place}: unknown key; {hint}"
    if error["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{place}: needs a value"
    return f"{place}: {error['msg']}, got {error['input']!r}"
