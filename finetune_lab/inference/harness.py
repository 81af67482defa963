"""lm-evaluation-harness over a model that is already loaded: its tasks, their documents, their figures row by row."""

import contextlib
import io
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.records import Sample


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One metric of one task: its value as the harness tells it, and what it found on each document, by number."""

    task: str
    name: str
    value: float | None
    higher_is_better: bool
    of: Mapping[int, Any]


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All figures of all tasks, the groups' figures, and what was asked and answered, by task and document."""

    figures: tuple[Figure, ...]
    groups: Mapping[str, Mapping[str, Any]]
    details: Mapping[tuple[str, int], Mapping[str, Any]]
    versions: Mapping[str, Any]


def check_harness() -> None:
    """Raise WorldError when the package is missing."""
    if find_spec("lm_eval") is None:
        raise WorldError("eval.lm_eval needs the package lm_eval: pip install 'finetune-lab[lm_eval]'")


def documents(tasks: Sequence[str], folder: Path | None) -> Iterator[Sample]:
    """Every document of the tasks as a sample whose facts say task and number. Raises ConfigError for no such task."""
    for name, task in _loaded(tuple(tasks), folder)["tasks"].items():
        for number, document in enumerate(task.eval_docs):
            plain = json.dumps(document, sort_keys=True, default=str)
            yield Sample.of(text=plain, facts={"task": name, "number": number})


def run_harness(
    engine: Any,
    *,
    tasks: Sequence[str],
    folder: Path | None,
    numbers: Mapping[str, Sequence[int]],
    num_fewshot: int | None,
    chat: bool,
    seed: int,
    batch_rows: int,
) -> Findings:
    """Run the tasks on the documents with these numbers. The harness seeds nothing but its choice of examples."""
    if not hasattr(engine, "module"):
        raise WorldError("eval.lm_eval needs a model that is loaded in this process, with its weights")
    from lm_eval import simple_evaluate

    told: Any
    with _quiet():
        told = simple_evaluate(
            _wrapped(engine, batch_rows),
            tasks=list(tasks),
            num_fewshot=num_fewshot,
            samples={name: sorted(found) for name, found in numbers.items()},
            bootstrap_iters=0,
            apply_chat_template=chat,
            random_seed=None,
            numpy_random_seed=None,
            torch_random_seed=None,
            fewshot_random_seed=seed,
            task_manager=_manager(tuple(tasks), folder),
        )
    return Findings(
        figures=tuple(_figures(told)),
        groups={name: dict(found) for name, found in told.get("groups", {}).items()},
        details=_details(told["samples"]),
        versions=dict(told.get("versions", {})),
    )


@cache
def _manager(tasks: tuple[str, ...], folder: Path | None) -> Any:
    """What knows the tasks; the thousands of the package are read only if one's own folder does not have them all."""
    from lm_eval.tasks import TaskManager

    if folder is not None:
        own = TaskManager(include_path=str(folder), include_defaults=False)
        if set(tasks) <= set(own.all_tasks):
            return own
    return TaskManager(include_path=str(folder) if folder else None)


def _loaded(tasks: tuple[str, ...], folder: Path | None) -> Any:
    manager = _manager(tasks, folder)
    unknown = [name for name in tasks if name not in manager.all_tasks]
    if unknown:
        place = f" or in {folder}" if folder else ""
        told = f"no task {', '.join(unknown)} in lm_eval{place}; `lm-eval ls tasks` names all"
        raise ConfigError(f"eval.lm_eval.tasks: {told}")
    with _quiet():
        return manager.load(list(tasks))


def _wrapped(engine: Any, batch_rows: int) -> Any:
    """The loaded model as the harness takes it; prompts of a chat are written by our template."""
    from lm_eval.models.huggingface import HFLM

    class Loaded(HFLM):
        def apply_chat_template(self, chat_history: Any, add_generation_prompt: bool = True) -> str:
            if not add_generation_prompt:  # an answer that is begun, which our templates do not write
                return str(super().apply_chat_template(chat_history, add_generation_prompt))
            return str(engine.chat.render(chat_history, answering=True))

    return Loaded(pretrained=engine.module, tokenizer=engine.chat.tokenizer, batch_size=batch_rows, backend="causal")


def _figures(told: Mapping[str, Any]) -> Iterator[Figure]:
    for task, samples in told["samples"].items():
        for key, value in told["results"][task].items():
            metric, comma, filtered = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            found = {one["doc_id"]: one[metric] for one in samples if one["filter"] == filtered and metric in one}
            yield Figure(
                task=task,
                name=metric if filtered == "none" else f"{metric}/{filtered}",
                value=float(value) if isinstance(value, int | float) else None,
                higher_is_better=bool(told.get("higher_is_better", {}).get(task, {}).get(metric, True)),
                of=found,
            )


def _details(samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[tuple[str, int], dict[str, Any]]:
    """What the model was given and gave, as text: the first argument of the first request, target and responses."""
    return {
        (task, one["doc_id"]): {
            "task": task,
            "prompt": str(one["arguments"][0][0]),
            "due": str(one["target"]),
            "text": json.dumps(one["filtered_resps"], default=str),
        }
        for task, found in samples.items()
        for one in found
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the harness' bars and remarks, except where somebody watches."""
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    watched = sys.stderr.isatty()
    try:
        with contextlib.nullcontext() if watched else contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
