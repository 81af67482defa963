"""One experiment, built: its plugins, the keys that they imply, and its stages."""

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from finetune_lab.checks.hardware import hardware
from finetune_lab.config import build
from finetune_lab.errors import ConfigError
from finetune_lab.fingerprint import describe, fingerprint
from finetune_lab.inference.answers import read_answers, write_answers
from finetune_lab.inference.clients.asking import Asked, ask
from finetune_lab.inference.clients.exchange import Client, Request
from finetune_lab.once import once, read_note
from finetune_lab.planning.checking import check_memory
from finetune_lab.preparing.filtering import check_filters
from finetune_lab.preparing.pipeline import read_split
from finetune_lab.protocols import (
    Contrast,
    DataSource,
    Evaluator,
    Job,
    LanguageModel,
    Method,
    ModelSource,
    Rules,
    Runtime,
    Session,
    Task,
    Tracker,
)
from finetune_lab.records import Answer, Artifact, Decoding, Evaluation, RunCard, Sample
from finetune_lab.scoring import Scoring
from finetune_lab.store.folders import append_json_line, write_member
from finetune_lab.store.recording import on_record, put_results_aside
from finetune_lab.store.store import Store

Stage = Literal["prepare", "train", "answer", "eval"]
STAGES = ("prepare", "train", "answer", "eval")
ANSWERS_REVISION = 1  # bump when the same decoding starts to mean other text


@dataclass(frozen=True, kw_only=True)
class Names:
    """What people call the parts: the names of the chosen YAML files. Never hashed."""

    model: str
    data: str
    method: str


@dataclass(frozen=True, kw_only=True)
class Lab:
    """The plugins of one experiment and what can be done with them.

    Every stage is done once for its key and found again by any later lab with the same description.
    """

    names: Names
    model: ModelSource
    data: DataSource
    method: Method
    evaluators: Mapping[str, Evaluator | Contrast]
    tracker: Tracker
    runtime: Runtime
    rules: Rules | None  # declared with a run before its first result
    seed: int
    group: str
    outputs: Path
    dry: bool
    fresh: frozenset[str]
    config: Mapping[str, Any]
    renewed: set[Path] = field(default_factory=set)  # what this lab has made again because of `fresh`

    @classmethod
    def from_config(cls, config: DictConfig, choices: Mapping[str, str]) -> "tuple[Lab, Task]":
        """Build every plugin before anything is done, so that all mistakes are told at once, in the first second."""
        evals = list(config.get("eval") or {})
        places = ["model", "data", "method", "tracker", "runtime", "task", "rules", *(f"eval.{name}" for name in evals)]
        model, data, method, tracker, runtime, task, rules, *evaluators = build(config, *places)
        unknown = sorted(set(config.fresh) - set(STAGES))
        if unknown:
            raise ConfigError(f"fresh: unknown stage {', '.join(unknown)}; known: {', '.join(STAGES)}")
        plain: Any = OmegaConf.to_container(config, resolve=True)
        lab = cls(
            names=Names(**{group: str(choices.get(group, "own")) for group in ("model", "data", "method")}),
            model=model,
            data=data,
            method=method,
            evaluators=dict(zip(evals, evaluators, strict=True)),
            tracker=tracker,
            runtime=runtime,
            rules=rules,
            seed=int(config.seed),
            group=str(config.group),
            outputs=Path(config.outputs),
            dry=bool(config.dry),
            fresh=frozenset(config.fresh),
            config={str(key): plain[key] for key in ("model", "data", "method", "eval", "seed") if key in plain},
        )
        return lab, task

    @cached_property
    def precision(self) -> str:
        """What the weights are computed in, also where the machine chose it: it changes the number."""
        return self.runtime.precision(self.model.precision)

    @cached_property
    def base(self) -> Artifact:
        """The model before any training; the same for every method, so it is scored once for all of them."""
        return Artifact(key=f"base-{fingerprint(self.model, self.precision)}", label="base")

    @cached_property
    def artifact(self) -> Artifact:
        """Where this experiment's adapter is, or will be: a config is an address."""
        key = fingerprint(self.model, self.precision, self.data, self.method, self.seed)
        folder = self.outputs / "runs" / f"{self.names.method}-{self.names.model}-{key}"
        return Artifact(key=key, label=self.names.method, folder=folder, maker=self.method)

    @cached_property
    def data_folder(self) -> Path:
        return self.outputs / "data" / f"{self.names.data}-{fingerprint(self.data)}"

    @cached_property
    def scoring(self) -> Scoring:
        return Scoring(lab=self)

    @property
    def measures(self) -> Mapping[str, str]:
        """The key of each evaluator with the rows it scores: two scores may be compared only if it is the same."""
        return self.scoring.measures

    @cached_property
    def card(self) -> RunCard:
        """What store and tracker know of this run before it starts."""
        return RunCard(
            key=self.artifact.key,
            base=self.base.key,
            label=self.artifact.label,
            group=self.group,
            model=self.names.model,
            data=self.names.data,
            method=self.names.method,
            seed=self.seed,
            config=self.config,
        )

    @cached_property
    def store(self) -> Store:
        return Store(self.outputs / "lab.sqlite")

    def check(self) -> None:
        """Ask every plugin that a run will use to look at the world now rather than after an hour."""
        self.method.check(self.model)
        self.model.check(self.runtime)
        own = [evaluator.rows.data for evaluator in self.evaluators.values()]
        for part in (self.data, self.tracker, *own, *self.evaluators.values()):
            getattr(part, "check", lambda: None)()  # an evaluator has one where it needs more than rows and model
        for source in (self.data, *own):
            check_filters(source)

    def check_memory(self) -> None:
        """Raise WorldError for a training that is still to be done and cannot fit on this machine."""
        kept = read_note(self.artifact.place) is not None and "train" not in self.fresh
        if self.runtime.check_memory and not kept:
            prepared = self.data_folder / "train.jsonl" if read_note(self.data_folder) else None
            check_memory(self.model, self.method, self.runtime, self.precision, prepared)

    # Stages

    def renews(self, stage: Stage, folder: Path) -> bool:
        """Whether `folder` is to be made again: once for a lab, however many read it."""
        if self.dry or stage not in self.fresh or folder in self.renewed:
            return False
        self.renewed.add(folder)
        return True

    @cached_property
    def dataset(self) -> dict[str, Any]:
        """The note of the prepared data: rows, digests and drops of every split."""
        return self._prepare(self.data, self.data_folder, self.names.data)

    def _prepare(self, data: DataSource, folder: Path, name: str) -> dict[str, Any]:
        key = folder.name.rpartition("-")[2]
        made = {"kind": "dataset", "key": key, "name": name}
        note = once(folder, lambda place: made | data.prepare(place), fresh=self.renews("prepare", folder))
        if not self.dry:
            self.store.index_dataset(folder)
        return note

    def split(self, name: str) -> tuple[Sample, ...]:
        """The prepared rows of a split of this experiment's data."""
        _ = self.dataset
        return read_split(self.data_folder, name)

    def rows(self, evaluator: Evaluator | Contrast) -> tuple[Sample, ...]:
        """The rows that an evaluator scores: of the experiment's data, or of data of its own."""
        choice, folder = evaluator.rows, self.data_folder_of(evaluator)
        _ = self.dataset if choice.data is None else self._prepare(choice.data, folder, folder.name.rpartition("-")[0])
        return read_split(folder, choice.split)[: choice.max_rows]

    def data_folder_of(self, evaluator: Evaluator | Contrast) -> Path:
        """Where the rows that an evaluator scores are, or will be."""
        own = evaluator.rows.data
        return self.outputs / "data" / f"{type(own).__name__.lower()}-{fingerprint(own)}" if own else self.data_folder

    @cached_property
    def language_model(self) -> LanguageModel:
        """The model, loaded once for everything that this lab does with it."""
        return self.model.load(self.runtime)

    def using(self, artifact: Artifact) -> AbstractContextManager[LanguageModel]:
        """The model as `artifact` makes it, for the length of a `with`."""
        model: Any = self.language_model
        return artifact.maker.apply(model, artifact.folder) if artifact.maker else model.as_base()

    def train(self, session: Session) -> Artifact:
        """Make this experiment's artifact, or find it; goes on from the last checkpoint of a killed run."""
        artifact, folder = self.artifact, self.artifact.place
        renew = self.renews("train", folder)
        if renew:  # answers and scores must not outlive the adapter that they are about
            put_results_aside(self.outputs, artifact.key)
        once(folder, lambda place: self._train(place, session), fresh=renew)
        self.store.index_run(folder)
        return artifact

    def _train(self, folder: Path, session: Session) -> dict[str, Any]:
        with on_record(folder, self.card, self.store):
            report = self.method.train(self._job(folder, session))
        identity = describe([self.model, self.precision, self.data, self.method, self.seed])
        known = {"data_key": fingerprint(self.data), "identity": identity, "report": asdict(report)}
        known["hardware"] = hardware()
        return {"kind": "run", **asdict(self.card), **known}

    def _job(self, folder: Path, session: Session) -> Job:
        def listen(step: int, metrics: Mapping[str, float]) -> None:
            now = time.time()
            append_json_line(folder / "curve.jsonl", {"step": step, "time": now, "metrics": dict(metrics)})
            self.store.add_metrics(self.card.key, step, now, metrics)
            session.log(step, metrics)

        return Job(
            model=lambda: self.language_model,
            source=self.model,
            train=self.split("train"),
            validation=self.split("validation"),
            folder=folder,
            seed=self.seed,
            runtime=self.runtime,
            listen=listen,
        )

    def answers(self, artifact: Artifact, rows: tuple[Sample, ...], decoding: Decoding) -> tuple[Answer, ...]:
        """The answers of an artifact to `rows`: made once, appended row by row, read by every evaluator."""
        key = fingerprint(ANSWERS_REVISION, [row.id for row in rows], decoding)
        folder = self.outputs / "answers" / key / artifact.key

        def make(place: Path) -> dict[str, Any]:
            made = {"kind": "answers", "key": key, "subject": artifact.key, "decoding": asdict(decoding)}
            return made | write_answers(place, lambda: self.using(artifact), rows, decoding)

        once(folder, make, fresh=self.renews("answer", folder))
        self.store.add_samples(rows)
        self.store.index_answers(folder)
        return read_answers(folder, rows)

    def ask(self, client: Client, questions: Sequence[Request]) -> Asked:
        """Ask a judge model what is not kept yet below outputs/judgements, by whichever line it was asked."""
        return ask(client, questions, self.outputs / "judgements", self.runtime)

    def evaluate(self, artifact: Artifact) -> dict[str, Evaluation]:
        """Score `artifact` with every evaluator; its model is loaded only if one of the scores is missing."""
        return {name: self.scoring.evaluate(name, artifact) for name in self.scoring.of(artifact)}

    def evaluation_folder(self, name: str, artifact: Artifact) -> Path:
        """Where the evaluation of an artifact is, or will be."""
        return self.scoring.folder(name, artifact)

    def join(self, artifact: Artifact) -> None:
        """Enter `artifact` in the group, with the measures that it was scored under."""
        path = self.outputs / "groups" / self.group / f"{artifact.key}.json"
        member = {"run": artifact.key, "base": self.base.key, "label": artifact.label, "model": self.names.model}
        write_member(path, member | {"measures": self.measures})
        self.store.index_membership(path)
