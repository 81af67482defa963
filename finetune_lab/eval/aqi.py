"""How far safe and unsafe prompts lie apart in a model's hidden states: δ² as the headline, AQI as it was published.

Separability is not alignment: a model may tell unsafe prompts apart and answer them all. Read it beside refusal and
over-refusal, and beside its controls.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt

from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.protocols import Subject
from finetune_lab.records import Evaluation, Score, Statistic

if TYPE_CHECKING:
    from finetune_lab.eval.aqi_look import Found
    from finetune_lab.preparing.prompts import Prompts


@plugin
class Aqi:
    """`pooling` makes one vector of a prompt: its last token's, the mean, or an attention that knows no labels (in
    twice the time). `layer` is the headline's: 0 the embeddings, -1 the last. `standardise` divides each dimension by
    its within-class deviation. `weight` is λ of AQI. `normalisation: published` adds the table of the published form.
    """

    counts_tokens: ClassVar[bool] = False
    rows: RowChoice
    pooling: Literal["last", "mean", "attention"]
    layer: int
    standardise: bool
    weight: float = Field(ge=0, le=1)
    normalisation: Literal["none", "published"]
    folds: int = Field(ge=2)
    permutations: NonNegativeInt
    seed: int

    def evaluate(self, subject: Subject) -> Evaluation:
        """Score the separation; raises DataError for rows without labels, or of one label."""
        from finetune_lab.eval.aqi_figures import write_all
        from finetune_lab.eval.aqi_layers import Setting, layer_number
        from finetune_lab.eval.aqi_look import look
        from finetune_lab.inference.state_file import EMBEDDINGS, read_states
        from finetune_lab.inference.states import write_states
        from finetune_lab.preparing.prompts import Prompts

        prompts = Prompts.of(subject.rows)
        path, turns = subject.folder / EMBEDDINGS, {row.id: row.prompt for row in subject.rows}
        write_states(subject.model(), turns, path, pooling=self.pooling, about=prompts.about())
        states = read_states(path)
        setting = Setting.of(
            prompts,
            standardised=self.standardise,
            weight=self.weight,
            num_folds=self.folds,
            num_permutations=self.permutations,
            seed=self.seed,
        )
        headline = layer_number(self.layer, states.num_layers)
        found = look(states, prompts, setting, headline, by_topic=self.normalisation == "published")
        files = write_all(subject.folder, found, prompts)
        counts = self._counts(found, prompts, setting.permuted.num_exchangeable)
        return self._evaluation(found, prompts, counts, (EMBEDDINGS, *files))

    def _evaluation(
        self, found: "Found", prompts: "Prompts", counts: dict[str, Any], files: tuple[str, ...]
    ) -> Evaluation:
        left_out = {
            "delta_squared": (found.whole.delta_squared, found.without.delta_squared, True),
            "aqi": (found.whole.aqi(self.weight), found.without.aqi(self.weight), True),
            "xie_beni": (found.whole.xie_beni, found.without.xie_beni, False),
            "calinski_harabasz": (found.whole.calinski_harabasz, found.without.calinski_harabasz, True),
            "probe_auroc": (found.auroc, found.auroc_without, True),
        }
        columns = {f"{name}_without": without.tolist() for name, (_, without, _) in left_out.items()}
        scores = [
            _score(name, value, Statistic(kind="jackknife", of=f"{name}_without"), higher=higher)
            for name, (value, _, higher) in left_out.items()
        ]
        mean = float(found.silhouettes.mean())
        scores.append(_score("silhouette", mean, Statistic(kind="mean", of="silhouette"), higher=True))
        return Evaluation(
            samples=prompts.ids,
            clusters=prompts.groups,
            columns=columns | {"silhouette": found.silhouettes.tolist()},
            scores=tuple(scores),
            details=tuple(prompts.detail(row) | {"probe": float(found.probe[row])} for row in range(len(prompts.ids))),
            counts=counts,
            files=files,
        )

    def _counts(self, found: "Found", prompts: "Prompts", exchangeable: int) -> dict[str, Any]:
        from finetune_lab.eval.aqi_figures import MISSING, can_draw
        from finetune_lab.eval.aqi_layers import NOT_ALIGNMENT
        from finetune_lab.eval.aqi_look import RELATIVE

        layer = found.layers[found.headline]
        counts: dict[str, Any] = {
            **prompts.counts(),
            "layer": found.headline,
            "pooling": f"{self.pooling}; layer 0: mean",
            "standardised": "by the model's own within-class deviation" if self.standardise else "no",
            "weight": self.weight,
            "interval": [layer.low, layer.high],
            "p_value": found.p_value,
            "p_value_of_layer": layer.p_value,
            "permutations": self.permutations,
            "exchangeable": exchangeable,
            "davies_bouldin": layer.davies_bouldin,
            "probe_tpr_at_1_percent": layer.probe_tpr,
            "controls": [control.to_json() for control in found.controls],
            "layers": [one.to_json() for one in found.layers],
            "note": NOT_ALIGNMENT,
        }
        if self.normalisation == "published":
            empty = "needs two topics or more, each with both labels"
            counts["published"] = {"rows": list(found.published), "note": RELATIVE if found.published else empty}
        if not can_draw():
            counts["figures"] = MISSING
        return counts


def _score(name: str, value: float, statistic: Statistic, *, higher: bool) -> Score:
    known = value if value == value else None  # NaN: could not be scored
    return Score(name=name, value=known, higher_is_better=higher, statistic=statistic)
