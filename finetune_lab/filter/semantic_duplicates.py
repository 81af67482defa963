"""Rows that mean the same in other words: the cosine of their sentence embeddings."""

from collections.abc import Sequence
from dataclasses import fields
from math import inf, nextafter
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt

from finetune_lab.maths.blockwise import alike_pairs, cosines
from finetune_lab.maths.families import Families
from finetune_lab.plugin import plugin
from finetune_lab.preparing.duplicates import Action, verdicts
from finetune_lab.preparing.embedding import embedded, embedder_digest
from finetune_lab.preparing.filtering import Part, text_of
from finetune_lab.records import Candidate, Verdict


@plugin
class SemanticDuplicates:
    """Rows whose embeddings have a cosine above `above`.

    `embedder` is a folder with a sentence-transformers model; null: TF-IDF fitted on the rows and reduced to `width`
    directions, which sees shared words but no synonyms. Memory does not grow with the square of the rows:
    `block_rows` are compared with as many at once.
    """

    part: Part
    action: Action
    above: float = Field(gt=0, lt=1)
    embedder: Path | None
    device: Literal["cpu", "cuda", "mps"]
    width: PositiveInt
    seed: int
    block_rows: PositiveInt

    def identity(self) -> dict[str, Any]:
        """The embedder's content, not its place; and not how many rows are compared at once."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "block_rows"}
        return own | {"embedder": embedder_digest(self.embedder) if self.embedder else None}

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        texts = [text_of(row.sample, self.part) for row in rows]
        found = embedded(texts, model=self.embedder, device=self.device, width=self.width, seed=self.seed)
        families = Families(len(rows))
        for pairs in alike_pairs(found, above=self.above, block_rows=self.block_rows):
            families.join(*pairs)
        return verdicts(
            rows,
            families,
            lambda ones, others: cosines(found, ones, others),
            at_least=nextafter(self.above, inf),
            action=self.action,
            reason="semantic duplicate",
            measure="cosine",
        )
