"""The shape of the project: imports go down, plugin groups are strangers, conf mirrors the package, nothing is long."""

import ast
import graphlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from finetune_lab.config import build

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "finetune_lab"
CONF = ROOT / "conf"

PLUGINS = {"model", "data", "filter", "method", "adapter", "objective", "optimizer"} | {
    "eval", "judge", "client", "criteria", "rules", "tracker", "runtime", "export", "backend", "device"
}  # fmt: skip
FLOORS = (
    {"records", "plugin", "fingerprint", "once", "provenance", "errors", "progress"},
    {"protocols", "store", "config", "maths", "text"},
    {"training", "inference", "preparing", "checks", "comparison", "reporting", "field", "people", "planning"},
    PLUGINS,
    {"lab", "scoring"},
    {"task"},
    {"__main__", "jobs", "mistakes", "usage", "opening"},
)
FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}
GROUPS = PLUGINS | {"task"}
TORCH = {"torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets"}
MAY_IMPORT = {
    "hydra": {"__main__.py", "config.py", "lab.py"},
    "omegaconf": {"__main__.py", "config.py", "lab.py"},
    "wandb": {"tracker/wandb.py"},
    "sqlite3": {"store/"},
}

# what lies in assets is written out for others to run and imports nothing of ours
MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if p.name != "__init__.py" and "assets" not in p.parts]
CHOICES = [p for p in sorted(CONF.glob("*/*.yaml")) if p.parent.name != "experiment"]
EXPERIMENTS = sorted(CONF.glob("experiment/*.yaml"))


def inside(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def unit(path: Path) -> str:
    """The folder or the single module that `path` belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """The units of ours that `path` imports anywhere, also inside functions."""
    names = {name.split(".")[1] for name in imported(ast.walk(tree(path))) if name.startswith("finetune_lab.")}
    return {name for name in names if not name.startswith("__version__")} - {unit(path)}


def on_loading(path: Path) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: not the bodies of functions, not what only type checkers read."""
    waiting: list[ast.AST] = [tree(path)]
    while waiting:
        node = waiting.pop()
        yield node
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not guarded and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_imports_go_down_and_plugin_groups_are_strangers(path):
    for name in ours(path):
        assert name in FLOOR_OF, f"{name} has no floor; give it one here and in CONTRIBUTING.md"
        assert FLOOR_OF[name] <= FLOOR_OF[unit(path)], f"{inside(path)} may not import {name}: it is a floor above"
        assert not {name, unit(path)} <= PLUGINS, f"{inside(path)} may not import {name}: share through a lower floor"


def test_no_circles_on_a_floor():
    circle: dict[str, set[str]] = {}
    for path in MODULES:
        circle.setdefault(unit(path), set()).update(ours(path))
    graphlib.TopologicalSorter(circle).prepare()


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_a_library_stays_where_it_belongs(path):
    for library, places in MAY_IMPORT.items():
        uses = any(name.split(".")[0] == library for name in imported(ast.walk(tree(path))))
        allowed = any(inside(path) == place or inside(path).startswith(place) for place in places if place)
        assert not uses or allowed, f"{library} belongs to {', '.join(places)}"


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_torch_is_loaded_only_by_what_computes(path):
    if FLOOR_OF.get(unit(path)) in (2, 3) or unit(path) == "maths":
        return
    heavy = {name.split(".")[0] for name in imported(on_loading(path))} & TORCH
    assert not heavy, f"{inside(path)} loads {', '.join(heavy)} when it is imported; do it where it is used"


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_nothing_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", CHOICES, ids=named)
def test_every_choice_builds_a_class_of_its_own_group(path):
    group = path.parent.name
    assert group in GROUPS, f"conf/{group} has no package finetune_lab/{group} on a floor"
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=[f"+{group}@probe={path.stem}"])
    for key in OmegaConf.missing_keys(config):
        OmegaConf.update(config, key, "given-by-the-user")
    place = "probe"
    while "_target_" not in OmegaConf.select(config, place):  # an evaluator stands under its own name
        place += f".{next(iter(OmegaConf.select(config, place)))}"
    assert type(build(config, place)).__module__.startswith(f"finetune_lab.{group}.")


@pytest.mark.parametrize("path", EXPERIMENTS, ids=named)
def test_every_experiment_builds(path):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=[f"experiment={path.stem}"])
        plain = compose("config")
    unchosen = {"rules"}  # a group that is empty by default, and so is no key of the plain config
    assert set(config) - unchosen == set(plain), "an experiment sets keys that exist; it brings no new ones"
    chosen = [*sorted(unchosen & set(config)), *(f"eval.{name}" for name in config.eval)]
    build(config, "model", "data", "method", "tracker", "runtime", "task", *chosen)


def is_plugin(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(d, ast.Name) and d.id == "plugin" for d in node.decorator_list
    )


WITH_PLUGIN = [p for p in MODULES if unit(p) in GROUPS and any(is_plugin(node) for node in tree(p).body)]


@pytest.mark.parametrize("path", WITH_PLUGIN, ids=inside)
def test_every_plugin_module_has_a_yaml_that_names_it(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    texts = [p.read_text(encoding="utf-8") for p in CONF.rglob("*.yaml")]
    assert any(f"_target_: {module}." in text for text in texts), f"no YAML has _target_: {module}.…"


# names that are no common words, so that finding one means that somebody asks for it
ARMS = {p.stem for group in ("method", "adapter", "optimizer", "objective") for p in CONF.glob(f"{group}/*.yaml")}
ARMS -= {"adapter", "base"}  # common words: every method's folder has one, every comparison begins with one


@pytest.mark.parametrize("path", MODULES, ids=inside)
def test_a_plugin_is_named_only_in_its_own_files(path):
    """No `if name == "…"`: what tells plugins apart is what they do."""
    if unit(path) in PLUGINS:
        return
    constants = {node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)}
    assert not ARMS & constants, f"{inside(path)} asks for {', '.join(ARMS & constants)} by name"


def test_tests_are_no_package():
    assert not list((ROOT / "tests").rglob("__init__.py"))
