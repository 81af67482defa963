"""What training did to the separation of safe and unsafe prompts: Δδ² as the headline, ΔAQI as it was asked for."""

from typing import ClassVar

from pydantic import Field, PositiveInt

from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Evaluation


@plugin
class DeltaAqi:
    """From a reference (base, the label of an arm, the key of a run) to a candidate, on the prompts that both were
    given. The states are those that the evaluators named in `reads` have kept (one name), pooled as they were.

    `layer` is the headline's: 0 the embeddings, -1 the last. `standardise` divides each dimension of both models by
    the reference's within-class deviation. `weight` is λ of AQI. `resamples`: of the bootstrap of ΔAQI, which is
    biased and says so.
    """

    counts_tokens: ClassVar[bool] = False
    rows: RowChoice
    reference: str
    reads: tuple[str, ...] = Field(min_length=1, max_length=1)
    layer: int
    standardise: bool
    weight: float = Field(ge=0, le=1)
    resamples: PositiveInt
    seed: int

    def contrast(self, reference: Subject, candidate: Subject) -> Evaluation:
        """Δδ² and ΔAQI with their jackknife over shared prompts, and Δδ² of every layer."""
        from finetune_lab.eval.aqi_contrast import contrast
        from finetune_lab.inference.state_file import EMBEDDINGS

        before, after = (side.evaluation(self.reads[0]) / EMBEDDINGS for side in (reference, candidate))
        return contrast(
            before,
            after,
            chosen={row.id for row in candidate.rows},
            layer=self.layer,
            standardised=self.standardise,
            weight=self.weight,
            resamples=self.resamples,
            seed=self.seed,
        )
