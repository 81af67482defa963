"""The verbs: one protocol for each config group. A plugin need not import this; it need only fit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune_lab.maths.decision import Case, Decision, Facts
from finetune_lab.records import (
    Answer,
    Artifact,
    Candidate,
    Decoding,
    Evaluation,
    Message,
    Nll,
    RunCard,
    Sample,
    Tokens,
    TrainingReport,
    Verdict,
)

Metrics = Mapping[str, float]
Listener = Callable[[int, Metrics], None]  # (step, metrics) while a training runs


class Chat(Protocol):
    """Text to tokens and back, by the model's own template (text/chat.py)."""

    def prompt(self, messages: Sequence[Message]) -> list[int]: ...
    def conversation(self, sample: Sample) -> Tokens: ...
    def document(self, sample: Sample) -> Tokens: ...
    def everything(self, sample: Sample) -> Tokens:
        """The row with every token behind the first as a target."""

    def decode(self, ids: Sequence[int]) -> str: ...


class LanguageModel(Protocol):
    """What evaluators see of a model; the one fake in the tests implements it."""

    @property
    def chat(self) -> Chat: ...
    def nll(self, rows: Sequence[Tokens]) -> list[Nll]:
        """Score every row; results in the order of `rows`."""

    def generate(self, prompts: Mapping[str, Sequence[Message]], decoding: Decoding) -> Iterator[Answer]:
        """Answer every prompt (sample id -> turns); yields as they are done, in any order."""

    def hidden(self, prompts: Mapping[str, Sequence[Message]], pooling: Any) -> Any:
        """Pooled states of every prompt: a float32 tensor [prompts, 1 + layers, width]; layer 0 are the embeddings."""


class Runtime(Protocol):
    """How the work is done on this machine; nothing here changes a number, so none of it is identity."""

    @property
    def judges(self) -> Any:
        """How judge models are asked: inference.clients.limits.Limits."""

    @property
    def check_memory(self) -> bool:
        """Whether a training that cannot fit is stopped before it starts."""

    def resolved_device(self) -> str: ...
    def checkpoints_gradients(self) -> bool: ...
    def precision(self, asked: str) -> str:
        """Resolve `auto` to float32, bfloat16 or float16. The answer is identity."""


class ModelSource(Protocol):
    @property
    def precision(self) -> str: ...
    @property
    def quantization(self) -> str: ...
    @property
    def projections(self) -> tuple[str, ...]:
        """The linear layers that adapters go to, by the last part of their names."""

    def check(self, runtime: Runtime) -> None:
        """Raise WorldError now rather than after an hour."""

    def load(self, runtime: Runtime) -> LanguageModel: ...
    def chat(self) -> Chat:
        """The tokenizer with its template, without the weights."""

    def tokenizer_digest(self) -> str: ...


class DataSource(Protocol):
    def check(self) -> None: ...
    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write train.jsonl, validation.jsonl and test.jsonl of samples; return the note (rows, drops, digests)."""


class Filter(Protocol):
    """Which rows stay. A data source runs its filters in order, each over what the one before it let through."""

    def keep(self, rows: Sequence[Candidate]) -> Sequence[Verdict]:
        """A verdict for every row, in their order; it sees all of them, since a row may go because of another."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training: everything that a method may use."""

    model: Callable[[], Any]  # loads on first use
    source: ModelSource
    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    folder: Path
    seed: int
    runtime: Any
    listen: Listener


class Method(Protocol):
    def check(self, model: ModelSource) -> None: ...
    def train(self, job: Job) -> TrainingReport: ...
    def apply(self, model: Any, folder: Path) -> AbstractContextManager[LanguageModel]:
        """Turn a folder that `train` filled into a model, for the length of a `with`."""


def _no_judge(client: Any, questions: Sequence[Any]) -> Any:
    raise AssertionError("no judge can be asked here")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One artifact as an evaluator sees it. Model and answers are made on first use, and once; judges are paid once."""

    artifact: Artifact
    rows: tuple[Sample, ...]
    folder: Path
    model: Callable[[], LanguageModel]
    answers: Callable[[Decoding], tuple[Answer, ...]]  # in the order of `rows`
    evaluation: Callable[[str], Path]  # an evaluator's name -> the folder of what it found on this artifact
    ask: Callable[[Any, Sequence[Any]], Any] = _no_judge  # a client, questions -> inference.clients.asking.Asked


class RowChoice(Protocol):
    """Which rows an evaluator scores: those of a split, at most so many, of the experiment's data or of its own."""

    split: str
    max_rows: int | None
    data: DataSource | None


class Evaluator(Protocol):
    rows: RowChoice
    counts_tokens: bool  # a class attribute: the tokenizer then belongs to the measure

    def evaluate(self, subject: Subject) -> Evaluation: ...


class Contrast(Protocol):
    """An evaluator that looks at two artifacts at once; its scores say what they would be without a difference.

    `reference`: base, the label of an arm of the group (its run of the same seed), or the key of a run. `reads`: the
    evaluators whose findings on both sides it uses.
    """

    rows: RowChoice
    counts_tokens: bool
    reference: str
    reads: tuple[str, ...]

    def contrast(self, reference: Subject, candidate: Subject) -> Evaluation: ...


class Session(Protocol):
    """One run as a tracker shows it. Nothing is opened before the first call."""

    def log(self, step: int, metrics: Metrics) -> None: ...
    def summarise(self, metrics: Metrics) -> None: ...
    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None: ...
    def chart(self, name: str, columns: tuple[str, str], rows: Sequence[Sequence[Any]]) -> None:
        """Bars: what they stand for, and how long they are."""

    def page(self, title: str, lines: Sequence[str]) -> None:
        """Text for people beside the figures, under a title of its own where the tracker has such a thing."""

    def files(self, name: str, kind: str, paths: Sequence[Path]) -> None:
        """Keep files under a name, in versions where the tracker has such a thing."""


class Tracker(Protocol):
    def check(self) -> None: ...
    def session(self, card: RunCard, folder: Path) -> AbstractContextManager[Session]:
        """Follow one run; finished in every case, with the exit code of what happened inside."""


class Rules(Protocol):
    """When a difference counts. What it says follows from declared conditions alone."""

    primary: tuple[str, ...]  # evaluator/metric
    failing: tuple[str, ...]  # the outcomes that a gate refuses

    def cases(self, differences: Sequence[Any], scores: Mapping[str, Mapping[str, float | None]]) -> list[Case]:
        """What is to be decided, from the differences of a comparison and from the scores: label -> metric -> value."""

    def decide(self, facts: Facts) -> Decision: ...


class Export(Protocol):
    """A form in which other programs take a model. `limits` of the parity gate; `title` and `library` for its card."""

    title: str
    library: str

    @property
    def limits(self) -> Any: ...
    def check(self) -> None: ...
    def write(self, trained: Any, folder: Path) -> None:
        """Write what inference.exporting.Trained holds into an empty folder."""

    def open(self, trained: Any, folder: Path) -> AbstractContextManager[LanguageModel]:
        """Load what was written there, for the gate."""


class Backend(Protocol):
    """A program that answers: in this process, or behind an address."""

    def check(self) -> None:
        """Raise WorldError where it is not installed or not reachable, and say how to get it."""

    def open(self, served: Any, runtime: Any) -> AbstractContextManager[Any]:
        """Something with `generate(prompts, decoding)`; `served` is inference.backends.Served."""


class Device(Protocol):
    """What a training could run on: this machine, or a GPU that is only named."""

    def room(self, runtime: Runtime) -> Any:
        """planning.room.Room: its memory, and its speed where that is known; None where neither is."""


class Task(Protocol):
    def execute(self, lab: Any) -> None: ...
