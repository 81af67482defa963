"""The nouns: plain frozen values that pass between the stages. Imports nothing of ours."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

Message = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row: a conversation whose last turn is the answer (or plain `text`), and what is known about it.

    `id` is the digest of the content, so that a row is the same row wherever it stands. Rows of one `group`
    (a dialogue, an author, paraphrases) stay in one split and are resampled together. `facts` holds what
    evaluators need beside the text: a schema, a label.
    """

    id: str
    messages: tuple[Message, ...] = ()
    text: str | None = None
    group: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        *,
        messages: Sequence[Message] = (),
        text: str | None = None,
        group: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> "Sample":
        """Make a sample named by its content."""
        content = {"messages": [dict(m) for m in messages], "text": text, "group": group, "facts": dict(facts or {})}
        plain = json.dumps(content, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
        name = sha256(plain).hexdigest()[:16]
        return cls(id=name, messages=tuple(messages), text=text, group=group or name, facts=facts or {})

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The turns before the answer."""
        answered = bool(self.messages) and self.messages[-1]["role"] == "assistant"
        return self.messages[:-1] if answered else self.messages

    @property
    def reference(self) -> str | None:
        """The answer that the row holds, or None."""
        return self.messages[-1]["content"] if len(self.prompt) < len(self.messages) else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"messages": [dict(m) for m in self.messages]}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "Sample":
        return cls(**{**row, "messages": tuple(row["messages"])})


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A row that a filter looks at: the sample, the fields that it was read with, and its place for people."""

    sample: Sample
    fields: Mapping[str, Any]
    place: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a filter says of one row.

    `reason`: why it is dropped, in words that all rows of the kind share, since they are counted; None: it stays.
    `detail`: what was found in this one. `like`: the id of an earlier row that it must share a split with; `facts`:
    what joins the facts of a row that stays.
    """

    reason: str | None = None
    detail: str = ""
    like: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How text is drawn from a model. Temperature 0 is greedy and ignores top_p and top_k. Lengths in tokens."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model wrote to one sample. `finish`: it ended by itself ("end") or was cut at the limit ("length")."""

    sample: str
    text: str
    num_prompt_tokens: int
    num_tokens: int
    finish: Literal["end", "length"]


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """How a score follows from columns of per-sample values, so that comparison needs no evaluator.

    mean: the mean of column `of`. ratio: the sum of `of` over the sum of `per`. jackknife: `of` holds the score
    with one sample left out at a time. The result goes through `transform` and is multiplied by `scale`.
    `null`: what a contrast's score is where its two sides do not differ; None for the score of one side alone.
    """

    kind: Literal["mean", "ratio", "jackknife"]
    of: str
    per: str | None = None
    transform: Literal["identity", "exp"] = "identity"
    scale: float = 1.0
    null: float | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number that an evaluator found, which way is up, and the columns that it comes from."""

    name: str
    value: float | None  # None: nothing could be scored
    higher_is_better: bool
    statistic: Statistic
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What one evaluator found on one artifact.

    `columns` holds a value per sample, in the order of `samples`; None is unscored, which is not zero.
    `details` is one JSON-able mapping per sample for people to read; `counts` what is shown beside the scores;
    `files` names what the evaluator left in its folder (figures, embeddings, failures).
    """

    samples: tuple[str, ...]
    clusters: tuple[str, ...]
    columns: Mapping[str, Sequence[float | None]]
    scores: tuple[Score, ...]
    details: tuple[Mapping[str, Any], ...] = ()
    counts: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A model to score: the key of what made it, a label for people, and its folder (None: the base, no folder).

    `maker` is the method whose `apply` turns the folder into a model; None for the base.
    """

    key: str
    label: str
    folder: Path | None = None
    maker: Any = None

    @property
    def place(self) -> Path:
        """The folder of an artifact that has one."""
        assert self.folder is not None, "the base has no folder"
        return self.folder


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What a training left behind, added up over all its segments (a killed run has several)."""

    num_steps: int
    best_step: int
    best_validation_loss: float | None
    final_training_loss: float | None
    num_target_tokens: int
    num_input_tokens: int
    wall_seconds: float
    num_segments: int
    peak_bytes: int
    num_trainable_parameters: int
    num_parameters: int
    adapter_bytes: int
    stopped: Literal["steps", "early"]
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def untrained(cls, **known: Any) -> "TrainingReport":
        """Of a method that takes no step: what is `known`, and nothing spent or learned."""
        nothing: dict[str, Any] = {"best_validation_loss": None, "final_training_loss": None, "wall_seconds": 0.0}
        counts = ("steps", "target_tokens", "input_tokens", "segments", "trainable_parameters", "parameters")
        nothing |= dict.fromkeys((f"num_{name}" for name in counts), 0)
        return cls(**(nothing | {"best_step": 0, "peak_bytes": 0, "adapter_bytes": 0, "stopped": "steps"} | known))


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """One sequence as a model sees it. `targets[i]`: token i is scored (or learned), given all before it."""

    sample: str
    ids: tuple[int, ...]
    targets: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class Nll:
    """The negative log-likelihood of one sequence's targets: their sum in nats, and how many were scored."""

    sample: str
    sum_nats: float
    num_tokens: int


@dataclass(frozen=True, kw_only=True)
class RunCard:
    """What store and tracker know of a run before it starts."""

    key: str
    base: str
    label: str
    group: str
    model: str
    data: str
    method: str
    seed: int
    config: Mapping[str, Any]
    job: Literal["train", "comparison", "prepare"] = "train"
