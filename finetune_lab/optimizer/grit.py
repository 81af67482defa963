"""GRIT: Adam in the eigenbases of the Fisher information of LoRA layers (docs/grit.md)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, SkipValidation

from finetune_lab.planning.outline import FLOAT, Load, Pair, sides
from finetune_lab.plugin import plugin


@plugin
class Retain:
    """Generic rows whose curvature damps: `num_rows` training rows of `data`, `weight` 1 as much as the task's own."""

    data: SkipValidation[Any]
    weight: PositiveFloat
    num_rows: PositiveInt
    batch_size: PositiveInt
    max_length: PositiveInt

    def batches(self, chat: Any, folder: Path) -> list[dict[str, Any]]:
        """The rows as a model takes them; prepared below `folder`."""
        from finetune_lab.preparing.pipeline import read_split
        from finetune_lab.training.proof import encode
        from finetune_lab.training.rows import collate

        folder.mkdir(parents=True, exist_ok=True)
        self.data.prepare(folder)
        samples = read_split(folder, "train")
        rows = sorted(
            encode(chat, samples, max_length=self.max_length).tokens[: self.num_rows], key=lambda r: len(r.ids)
        )
        return [collate(rows[start : start + self.batch_size]) for start in range(0, len(rows), self.batch_size)]


@plugin
class Grit:
    """`sides`: whose curvature is used; `wide_rank` directions of each wide side; steps between measurements and
    turns; `burn_in_tokens` heard before the first turn, until which it is Adam. `reproject_every` steps A and B are
    balanced; `share` or `budget_nats` then let the rank fall. The rest as in training/grit/settings.py.
    """

    REVISION: ClassVar[int] = 2  # listens earlier, averages its bases evenly
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    betas: tuple[float, float]
    epsilon: float = Field(gt=0)
    mode: Literal["ekfac", "precondition", "natural", "published"]
    sides: tuple[Literal["rank", "input", "output"], ...]
    wide_rank: PositiveInt
    collect_every: PositiveInt
    refresh_every: PositiveInt
    statistics_decay: float = Field(ge=0, lt=1)
    burn_in_tokens: NonNegativeInt
    collect: Literal["one", "all"]
    trust: PositiveFloat | None
    outer_rate_ratio: PositiveFloat
    placebo: bool
    exponent: PositiveFloat
    relative_damping: NonNegativeFloat
    damping: PositiveFloat
    kl_clip: PositiveFloat | None
    reproject_every: PositiveInt | None
    reproject_rank: PositiveInt | None
    share: float | None = Field(gt=0, le=1)
    budget_nats: PositiveFloat | None
    floor: PositiveInt
    shrink_after: NonNegativeInt
    retain: Retain | None

    def make(self, model: Any) -> Any:
        """The optimizer of the LoRA layers of `model`."""
        from finetune_lab.training.grit import create_grit_optimizer

        own = {name: getattr(self, name) for name in type(self).__dataclass_fields__ if name.islower()}
        rate, eps, _ = own.pop("learning_rate"), own.pop("epsilon"), own.pop("retain")
        return create_grit_optimizer(model, rate, eps=eps, **own)

    def begin(self, update: Any, chat: Any, folder: Path) -> None:
        """What is done once before the training: measure what is to be retained."""
        if self.retain:
            update.retain(self.retain.batches(chat, folder / "retain"), self.retain.weight)

    def load(self, pairs: Sequence[Pair]) -> Load:
        """Moments and curvature, as training/grit keeps them; a step's copies of all gradients and directions."""
        matrices = list(sides(pairs))
        adapter = sum(rank * width * count for rank, width, count in matrices)
        wide = sum(min(self.wide_rank, width) * width * count for _, width, count in matrices)
        ranks = sum(rank * rank * count for rank, _, count in matrices)
        mixed = sum(min(self.wide_rank, width) * rank * count for rank, width, count in matrices)
        held = {
            "ekfac": 2 * adapter + 3 * wide + 3 * ranks + mixed,  # bases: measured, being measured, in use
            "natural": adapter + wide + 3 * ranks,
        }.get(self.mode, 2 * adapter + wide + 3 * ranks)
        copies = 4 if self.mode == "ekfac" else 2  # gradient, direction, and both turned
        return Load(state_bytes=FLOAT * held, gradient_bytes=FLOAT * adapter, step_bytes=FLOAT * copies * adapter)
