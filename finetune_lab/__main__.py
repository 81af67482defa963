"""python -m finetune_lab method=… model=…: compose, build everything, execute the task.

The only file that knows `hydra.main`. Nothing heavy is imported before a job starts, so `--help` stays quick.
"""

import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from finetune_lab import __version__
from finetune_lab.errors import ConfigError
from finetune_lab.usage import groups, usage

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from finetune_lab.lab import Lab
    from finetune_lab.protocols import Task

HERE = Path(__file__).resolve().parent
# a wheel carries conf/ inside the package; in a checkout it stands beside the package
CONF = HERE / "conf" if (HERE / "conf" / "config.yaml").exists() else HERE.parent / "conf"


@dataclass(frozen=True, kw_only=True)
class Composed:
    """One job as Hydra composed it, and what Hydra knows about it."""

    config: "DictConfig"
    hydra: Any


def main() -> None:
    """Run one command line and leave with its exit code: 0 done, 2 the user can mend it, 1 our bug, 130 stopped."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # otherwise Hydra prints an error itself and leaves with code 1
    _speak_plainly()
    signal.signal(signal.SIGTERM, _stop)
    try:
        if not _answer(set(sys.argv[1:])):
            _compose_and_run(wants_traceback)
        code = 0
    except KeyboardInterrupt:
        print("\nstopped; the same line goes on from the last checkpoint", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # whoever read our output, `head` say, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except Exception as error:
        code = _report(error, wants_traceback)
    raise SystemExit(code)


def _answer(flags: set[str]) -> bool:
    """Answer a question about the program itself; False where there is none."""
    if "--version" in flags:
        print(f"finetune_lab {__version__}", flush=True)
    elif {"-h", "--help"} & flags:
        print(usage(CONF), flush=True)  # Hydra's own reads every file twice, and shows the config before the choices
    else:
        return False
    return True


def _compose_and_run(wants_traceback: bool) -> None:
    """Let Hydra compose every job of the command line and leave its machinery; then run them."""
    jobs: list[Composed] = []

    def keep(config: "DictConfig") -> None:
        known: Any = HydraConfig.get()
        jobs.append(Composed(config=config, hydra=known.copy()))

    _without_leavings(hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(keep))
    for job in jobs:
        _check_line(job)
    if any(job.hydra.mode == RunMode.MULTIRUN for job in jobs):
        from finetune_lab.jobs import run_all

        run_all([job.hydra for job in jobs], wants_traceback=wants_traceback)
    elif jobs:  # none for --help and --cfg
        _execute(jobs[0])


def _execute(job: Composed) -> None:
    from finetune_lab.lab import Lab

    choices = {str(group): str(choice) for group, choice in job.hydra.runtime.choices.items()}
    # everything is built before anything is done: a mistake in the last evaluator costs a second, not a night
    lab, task = Lab.from_config(job.config, choices)
    task.execute(lab)


def _without_leavings(compose: Callable[[], Any]) -> None:
    """Run `compose`; the multirun.yaml that Hydra's sweeper insists on writing goes to a folder that vanishes."""
    if not {"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(sys.argv[1:]):
        compose()
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="finetune_lab_sweep_") as folder:
        sys.argv.append(f"hydra.sweep.dir='{folder}'")
        compose()


def _check_line(job: Composed) -> None:
    """Refuse what gets past Hydra at the top of the config; below it, the plugins know what they take."""
    from omegaconf import OmegaConf

    from finetune_lab.mistakes import named_where_chosen, wrong_at_the_top

    defaults: Any = OmegaConf.load(CONF / "config.yaml")
    chosen = [str(key).split()[-1] for entry in defaults.pop("defaults") if entry != "_self_" for key in entry]
    config: Any = job.config  # read node by node: a reference to another key is not followed yet
    values = {str(key): config._get_node(key)._value() for key in config}
    plain: Any = OmegaConf.to_container(defaults)
    mistakes = [
        *wrong_at_the_top(values, plain, [key for key in chosen if "/" not in key]),
        *named_where_chosen(list(job.hydra.overrides.task), list(job.hydra.runtime.choices)),
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _stop(_number: int, _frame: object) -> None:
    """A batch system's request to end is a Ctrl-C: what is open gets closed, and the line can be run again."""
    raise KeyboardInterrupt


def _report(error: Exception, wants_traceback: bool) -> int:
    """Print `error` for people and return the exit code; what nobody foresaw is our bug and keeps its traceback."""
    import traceback

    from finetune_lab.mistakes import explain
    from finetune_lab.text.terminal import visible

    sentence = explain(error, Known(sys.argv[1:]))
    if sentence is None or wants_traceback:
        traceback.print_exception(error)
    if sentence is None:
        return 1
    print(f"error: {visible(sentence)}", file=sys.stderr)  # it may quote what a stranger's file says
    return 2


def _speak_plainly() -> None:
    """Our messages go to stdout as they are; other packages speak only of errors."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    ours = logging.getLogger("finetune_lab")
    ours.setLevel(logging.INFO)
    ours.addHandler(handler)
    ours.propagate = False
    logging.getLogger().setLevel(logging.ERROR)
    logging.getLogger("hydra").setLevel(logging.CRITICAL)  # its errors reach us as exceptions
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its warning about forks is of no use to anyone
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", module="finetune_lab")


class Known:
    """The names that exist, read only once something was misspelt."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments

    def groups(self) -> dict[str, list[str]]:
        """Every config group and its choices."""
        return groups(CONF)

    def keys(self) -> list[str]:
        """Every dotted key under the choices of this command line, or under the defaults if those do not compose."""
        known = self.groups()
        chosen = [a for a in self._arguments if a.split("=")[0].split("@")[0] in known and "," not in a]
        try:
            return _leaves(_compose(chosen))
        except Exception:  # the choices themselves are wrong: the defaults still tell the names
            return _leaves(_compose([]))


def _compose(overrides: list[str], *, with_hydra: bool = False) -> "DictConfig":
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("config", overrides=overrides, return_hydra_config=with_hydra)


def lab_of(overrides: list[str], kept: Mapping[str, Any] | None = None) -> "tuple[Lab, Task]":
    """The lab and the task of a command line, for Python; what is `kept` of a run's config takes the line's place.

    Raises ConfigError with the sentences that the command line would print.
    """
    from omegaconf import OmegaConf, open_dict

    from finetune_lab.lab import Lab
    from finetune_lab.mistakes import explain

    try:
        config = _compose(overrides, with_hydra=True)
        choices = {str(group): str(choice) for group, choice in config.hydra.runtime.choices.items()}
        with open_dict(config):
            del config["hydra"]
            for key, value in (kept or {}).items():
                OmegaConf.update(config, key, value, merge=False, force_add=True)
        return Lab.from_config(config, choices)
    except Exception as error:
        sentence = explain(error, Known(overrides))
        if sentence is None:
            raise
        raise ConfigError(sentence) from None


def _leaves(node: Any, above: str = "") -> list[str]:
    """The dotted paths of `node` and of everything below, without Hydra's own keys."""
    found: list[str] = []
    for key in node:
        if str(key) in ("_target_", "hydra"):
            continue
        path = f"{above}{key}"
        found.append(path)
        child = node._get_node(key)
        if hasattr(child, "keys") and not child._is_none() and not child._is_interpolation():
            found += _leaves(child, f"{path}.")
    return found


if __name__ == "__main__":
    main()
