"""Write docs/knobs.md: every group, choice and field with type, default, limits and meaning, from classes and YAML.

python scripts/make_knobs.py [--check]; with --check nothing is written and the exit code says whether it is current.
"""

import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from hydra import compose, initialize_config_dir
from hydra.utils import get_class
from omegaconf import OmegaConf

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "conf"
sys.path.insert(0, str(ROOT))  # a checkout need not be installed
PAGE = ROOT / "docs" / "knobs.md"

GROUPS = {
    "model": "what is fine-tuned",
    "data": "what it learns from and is scored on",
    "filter": "which rows stay; chosen inside `data`",
    "method": "how it is trained: an adapter, an objective and an optimizer",
    "adapter": "what is trained; chosen inside `method`",
    "objective": "what the training minimises; chosen inside `method`",
    "optimizer": "how; chosen inside `method`",
    "eval": "what is measured; several, as in `eval=[one,two]`",
    "judge": "who gives opinions; chosen inside evaluators",
    "client": "which model a judge is, and where; chosen inside evaluators and judges",
    "criteria": "what judges look at; chosen inside evaluators",
    "rules": "when a difference counts",
    "tracker": "where a run can be watched",
    "runtime": "how the work is done on this machine; never part of a result's identity",
    "device": "where it would run; chosen inside `task=plan`",
    "task": "what to do",
}
OPENING = """\
# Knobs

Written by `scripts/make_knobs.py` from the classes and `conf/`; edit those. A field is set by its full path, as in
`method.optimizer.learning_rate=1e-4`; a choice by its name, as in `method=lora`. `???` must be given.
"""
BOUNDS = {
    "gt": "> {}",
    "ge": "≥ {}",
    "lt": "< {}",
    "le": "≤ {}",
    "min_length": "length ≥ {}",
    "max_length": "length ≤ {}",
}


def page() -> str:
    """The whole page as text."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        parts = [OPENING, *top(), *(line for group in groups() for line in section(group)), *experiments()]
    return "\n".join(parts).rstrip() + "\n"


def groups() -> list[str]:
    """The groups that have choices: in the order of the experiment, then those that this script does not know."""
    there = {path.parent.name for path in CONF.glob("*/*.yaml")} - {"experiment"}
    return [g for g in GROUPS if g in there] + sorted(there - set(GROUPS))


def top() -> Iterator[str]:
    path = CONF / "config.yaml"
    said = comments(path)
    yield "## At the top\n\n| key | default | meaning |\n|---|---|---|"
    values = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    for key, value in values.items():
        if key not in ("defaults", "hydra"):
            yield f"| `{key}` | {code(value)} | {cell(said.get(key, ''))} |"
    yield ""


def section(group: str) -> Iterator[str]:
    about = GROUPS.get(group)
    yield f"## {group}\n\n{about[0].upper() + about[1:]}.\n" if about else f"## {group}\n"
    for path in sorted((CONF / group).glob("*.yaml")):
        yield from choice(group, path)


def choice(group: str, path: Path) -> Iterator[str]:
    config = compose("config", overrides=[f"+{group}@probe={path.stem}"])
    node: Any = OmegaConf.to_container(config.probe, resolve=False)
    place = group
    while "_target_" not in node:  # an evaluator stands under its own name
        name, node = next(iter(node.items()))
        place += f".{name}"
    kind = get_class(node["_target_"])
    yield f"### {group}={path.stem}\n"
    if first := first_comment(path):
        yield f"{first}\n"
    yield f"{docstring(kind)} (`{node['_target_'].removeprefix('finetune_lab.')}`)\n"
    rows = list(fields(kind, node, meanings(path), place))
    if rows:
        yield "\n".join(["| field | type | default | limits | meaning |", "|---|---|---|---|---|", *rows, ""])


def fields(
    kind: type, values: Mapping[str, Any], said: Mapping[str, str], place: str, above: str = ""
) -> Iterator[str]:
    """A row for every field of `kind`, which stands at `place`; a value with fields of its own gives their rows."""
    infos = getattr(kind, "__pydantic_fields__", {})
    hints = typing.get_type_hints(kind, include_extras=True)
    for name, value in values.items():
        if name == "_target_":
            continue
        hint = hints.get(name, Any)
        inner = next((part for part in (hint, *get_args(hint)) if isinstance(part, type) and is_dataclass(part)), None)
        if isinstance(value, dict) and value and "_target_" not in value and inner is not None:
            yield from fields(inner, value, said, place, f"{above}{name}.")
            continue
        limits = ", ".join(bounds([*getattr(infos.get(name), "metadata", ()), *metadata(hint)]))
        shown = chosen(value, f"{place}.{above}{name}") or parts(value, f"{place}.{above}{name}") or code(value)
        yield f"| `{above}{name}` | {cell(spelt(hint))} | {shown} | {limits} | {cell(said.get(name, ''))} |"


def chosen(value: Any, place: str) -> str:
    """A part that is a choice of another group: its class, and how another one is chosen."""
    if not (isinstance(value, dict) and "_target_" in value):
        return ""
    _, group, *_, name = value["_target_"].split(".")
    return f"{name}; another: `{group}@{place}=…`"


def parts(value: Any, place: str) -> str:
    """Several parts by names of one's own: each choice, or no more than the names of long ones."""
    if not (isinstance(value, dict) and value and all(isinstance(part, dict) for part in value.values())):
        return ""
    return "; ".join(f"`{name}`: {shown}" if (shown := chosen(part, f"{place}.{name}")) else f"`{name}`"
                     for name, part in value.items())  # fmt: skip


def spelt(hint: Any) -> str:
    """A type as people write it."""
    if hint is Any or isinstance(hint, str):
        return "any"
    if typing.get_origin(hint) is typing.Annotated:
        return spelt(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return " | ".join(f"`{option}`" for option in get_args(hint))
    if get_origin(hint) in (typing.Union, types.UnionType):
        return " | ".join(spelt(part) for part in get_args(hint))
    if hint is type(None):
        return "`null`"
    arguments = [spelt(part) for part in get_args(hint) if part is not ...]
    name = getattr(get_origin(hint) or hint, "__name__", str(hint))
    return f"{name}[{', '.join(arguments)}]" if arguments else name


def metadata(hint: Any) -> list[Any]:
    """What annotations say beside the type, at any depth."""
    own = list(getattr(hint, "__metadata__", ()))
    return own + [found for part in get_args(hint) if not isinstance(part, str) for found in metadata(part)]


def bounds(marks: list[Any]) -> list[str]:
    """The limits among annotations, each once."""
    found: dict[str, None] = {}
    for mark in marks:
        for part in getattr(mark, "metadata", ()) or (mark,):
            for name, text in BOUNDS.items():
                if getattr(part, name, None) is not None:
                    found[text.format(getattr(part, name))] = None
    return list(found)


def docstring(kind: type) -> str:
    text = kind.__doc__ or ""
    if text.startswith(f"{kind.__name__}("):  # made up by dataclasses
        text = ""
    return " ".join(text.split()) or " ".join((sys.modules[kind.__module__].__doc__ or "").split())


def meanings(path: Path) -> dict[str, str]:
    """The comments behind the keys of a YAML, and of those that it starts from."""
    raw: Any = OmegaConf.load(path)
    parents = [entry for entry in raw.get("defaults", ()) if isinstance(entry, str) and entry != "_self_"]
    found: dict[str, str] = {}
    for name in parents:
        if (parent := path.parent / f"{name}.yaml").exists():
            found |= meanings(parent)
    return found | comments(path)


def comments(path: Path) -> dict[str, str]:
    """The comment behind each key."""
    pattern = re.compile(r"^\s*([\w.]+):.*?\s#\s*(.+)$")
    matches = (pattern.match(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {found[1]: found[2].strip() for found in matches if found}


def first_comment(path: Path) -> str:
    """The comment at the head of a YAML, as one line."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if "@package" not in line:
            lines.append(line.lstrip("# ").rstrip())
    return " ".join(lines)


def experiments() -> Iterator[str]:
    paths = sorted(CONF.glob("experiment/*.yaml"))
    if paths:
        yield "## experiment\n\nNamed bundles of choices and values.\n"
    for path in paths:
        body = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        text = "\n".join(body).strip()
        yield f"### experiment={path.stem}\n\n{first_comment(path)}\n\n```yaml\n{text}\n```\n"


def code(value: Any) -> str:
    return f"`{cell(flow(value))}`"


def flow(value: Any) -> str:
    """A value on one line, as YAML writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) or '""'


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    text = page()
    if "--check" in sys.argv[1:]:
        raise SystemExit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text else 1)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
