"""A trained model in three lines of Python.

from finetune_lab import open_run

run = open_run("experiment=demo")          # the line that trained it, or the beginning of its key
print(run.generate("Plan a day by the sea.").text)
"""

import atexit
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from tqdm import tqdm

from finetune_lab.__main__ import lab_of
from finetune_lab.errors import LabError
from finetune_lab.inference.trained import check_trained
from finetune_lab.lab import Lab
from finetune_lab.records import Artifact, Decoding, Message
from finetune_lab.store.store import Store

_QUIETLY = ("task=generate", "tracker=none", "runtime.progress=off")
Prompt = str | Sequence[Message]  # one question, or the turns of a conversation


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What was written to one prompt. Seconds count from the call on; None where nothing told them."""

    text: str
    num_prompt_tokens: int
    num_tokens: int
    finish: str
    seconds: float
    first_token_seconds: float | None

    @property
    def tokens_per_second(self) -> float:
        """Tokens of the answer over the time from the call to its end."""
        return self.num_tokens / self.seconds


@dataclass(frozen=True, kw_only=True)
class Replies(Sequence[Reply]):
    """The replies to several prompts, in their order, and what they took together."""

    replies: tuple[Reply, ...]
    seconds: float

    def __getitem__(self, place: Any) -> Any:
        return self.replies[place]

    def __len__(self) -> int:
        return len(self.replies)

    @property
    def texts(self) -> list[str]:
        """The texts alone."""
        return [reply.text for reply in self.replies]

    @property
    def tokens_per_second(self) -> float:
        """Tokens of all answers over the time that all took."""
        return sum(reply.num_tokens for reply in self.replies) / self.seconds

    @property
    def mean_latency_seconds(self) -> float:
        """From the call until an answer was there, on average."""
        return sum(reply.seconds for reply in self.replies) / max(1, len(self.replies))


class OpenedRun:
    """A model with what it learned switched on, until `close` (or the end of a `with`)."""

    def __init__(self, lab: Lab, artifact: Artifact, decoding: Decoding) -> None:
        self.lab = lab
        self.artifact = artifact
        self.decoding = decoding
        self._stack = ExitStack()
        using: AbstractContextManager[Any] = lab.using(artifact)
        self.model = self._stack.enter_context(using)
        # who never closes it leaves that to the end of Python, when the monitor of PEFT's bars could not start any more
        tqdm.monitor_interval = 0
        atexit.register(self.close)

    def generate(self, prompt: Prompt, **changes: Any) -> Reply:
        """Answer one prompt; `changes` are fields of the decoding: temperature=0.7, max_new_tokens=64, seed=1, …"""
        started, text, first = time.perf_counter(), "", None
        for piece in self._pieces(prompt, changes):
            first = first or time.perf_counter() - started
            text += piece.text
        return Reply(
            text=text,
            num_prompt_tokens=piece.num_prompt_tokens,
            num_tokens=piece.num_tokens,
            finish=str(piece.finish),
            seconds=time.perf_counter() - started,
            first_token_seconds=first,
        )

    def stream(self, prompt: Prompt, **changes: Any) -> Iterator[str]:
        """The answer to one prompt, as it is written."""
        return (piece.text for piece in self._pieces(prompt, changes))

    def batch_generate(self, prompts: Sequence[Prompt], **changes: Any) -> Replies:
        """Answer many prompts in batches, which is many times as quick as one after another."""
        turns = {str(number): _turns(prompt) for number, prompt in enumerate(prompts)}
        started = time.perf_counter()
        found: dict[str, Reply] = {}
        for answer in self.model.generate(turns, replace(self.decoding, **changes)):
            found[answer.sample] = Reply(
                text=answer.text,
                num_prompt_tokens=answer.num_prompt_tokens,
                num_tokens=answer.num_tokens,
                finish=answer.finish,
                seconds=time.perf_counter() - started,
                first_token_seconds=None,
            )
        seconds = time.perf_counter() - started
        return Replies(replies=tuple(found[name] for name in turns), seconds=seconds)

    def close(self) -> None:
        """Take the adapter off and let go of everything."""
        atexit.unregister(self.close)
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _pieces(self, prompt: Prompt, changes: dict[str, Any]) -> Iterator[Any]:
        from finetune_lab.inference.streaming import stream

        turns = self.model.chat.prompt(_turns(prompt))
        return stream(self.model, turns, replace(self.decoding, **changes), "0")


def open_run(run: str = "", *, which: Literal["tuned", "base"] = "tuned", outputs: str | Path = "outputs") -> OpenedRun:
    """Open what a line has trained, or a run by its key (or the beginning of it) or label; nothing is trained here.

    `run` holds the overrides of a command line ("experiment=demo seed=1") or a key. Raises a LabError that says what
    is missing.
    """
    opened = _by_line(run, outputs) if "=" in run or not run.strip() else _by_key(run.strip(), outputs)
    if which == "base":
        opened = replace(opened, artifact=opened.lab.base)
    check_trained(opened.artifact)
    opened.lab.model.check(opened.lab.runtime)
    return OpenedRun(opened.lab, opened.artifact, opened.decoding)


@dataclass(frozen=True, kw_only=True)
class _Found:
    lab: Lab
    artifact: Artifact
    decoding: Decoding


def _by_line(line: str, outputs: str | Path) -> _Found:
    overrides = shlex.split(line)
    if not any(override.startswith("outputs=") for override in overrides):
        overrides.append(f"outputs='{outputs}'")
    lab, task = lab_of([*_QUIETLY, *overrides])
    return _Found(lab=lab, artifact=lab.artifact, decoding=_decoding(task))


def _by_key(key: str, outputs: str | Path) -> _Found:
    """The run as it was: from the config that it keeps, whatever the files in conf/ say today."""
    row = Store(Path(outputs) / "lab.sqlite").find(key)
    if row.status != "done":
        raise LabError(f"the run {row.key} ({row.label}) is {row.status}, so there is nothing to open yet")
    kept = {name: row.config[name] for name in ("model", "data", "method", "seed")}
    lab, task = lab_of([*_QUIETLY, "eval=[]", f"outputs='{outputs}'"], kept)
    artifact = Artifact(key=row.key, label=row.label, folder=row.folder, maker=lab.method)
    return _Found(lab=lab, artifact=artifact, decoding=_decoding(task))


def _decoding(task: Any) -> Decoding:
    found = task.decoding
    assert isinstance(found, Decoding)
    return found


def _turns(prompt: Prompt) -> list[Message]:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
