"""Variants of LoRA, by PEFT's own means: another scale (rsLoRA), another form (DoRA), another start (PiSSA)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from finetune_lab.errors import ConfigError
from finetune_lab.planning.outline import Pair
from finetune_lab.planning.shape import Linear
from finetune_lab.plugin import plugin
from finetune_lab.training.attach import attach


@plugin
class LoraVariant:
    """`scale`: s = alpha / rank, or alpha / √rank (Kalajdzievski 2023, arXiv 2312.03732). `decomposed`: magnitude and
    direction apart (Liu et al. 2024, arXiv 2402.09353). `start`: principal takes A and B from the leading singular
    vectors of each weight and trains what is left of it as the base (Meng et al. 2024, arXiv 2404.02948).
    """

    rank: PositiveInt
    alpha: PositiveFloat
    dropout: float = Field(ge=0, lt=1)
    projections: tuple[str, ...] | None
    scale: Literal["rank", "root_rank"]
    decomposed: bool
    start: Literal["zero", "principal"]

    def attach(self, module: Any, projections: Sequence[str]) -> Any:
        """Put fresh adapters on `module` in place and return the PEFT model; ConfigError for a name without a match."""
        from peft import LoraConfig

        if self.start == "principal":
            _refuse_quantized(module)
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # PEFT divides by it; it need not be whole
            lora_dropout=self.dropout,
            target_modules=list(self.projections or projections),
            task_type="CAUSAL_LM",
            use_rslora=self.scale == "root_rank",
            use_dora=self.decomposed,
            init_lora_weights="pissa" if self.start == "principal" else True,
        )
        if self.start == "zero":
            return attach(module, config)
        whole = _weights(module, config.target_modules)
        tuned = attach(module, config)
        tuned.start = _Start(tuned, whole)
        return tuned

    def pairs(self, linears: Sequence[Linear]) -> tuple[Pair, ...]:
        """What stands beside the model's matrices; a magnitude for each output, and both summands kept, if apart."""
        return tuple(
            Pair(
                linear=one,
                rank=self.rank,
                dropout=self.dropout > 0,
                num_more=one.outputs if self.decomposed else 0,
                remembered_outputs=2 if self.decomposed else 0,
                num_copied=one.inputs * one.outputs if self.start == "principal" else 0,
            )
            for one in linears
        )

    def save(self, model: Any, folder: Path) -> None:
        """Write the adapter as one for the base as it was loaded: from another start that is the change since it."""
        if self.start == "zero":
            model.save_pretrained(str(folder), safe_serialization=True)
        else:
            model.start.save(model, folder)

    def detach(self, model: Any) -> None:
        """Take the adapters off and leave the base as it was."""
        model.unload()
        if self.start == "principal":
            model.start.restore()


def _refuse_quantized(module: Any) -> None:
    if getattr(module, "is_quantized", False) or getattr(module, "quantization_method", None):
        raise ConfigError(
            "method.adapter.start=principal takes the singular vectors of plain weights, and this model's are "
            "quantised; say model.quantization=none"
        )


def _weights(module: Any, names: Any) -> dict[str, Any]:
    """Copies of the weights that adapters named so will stand on."""
    return {
        name: layer.weight.detach().clone()
        for name, layer in module.named_modules()
        if name.rpartition(".")[2] in names and hasattr(layer, "in_features")
    }


class _Start:
    """What a principal start changed: the base's weights, and the adapter before its first step."""

    def __init__(self, tuned: Any, whole: dict[str, Any]) -> None:
        self._whole, self._module = whole, tuned.get_base_model()
        self._began = {name: weight.detach().clone() for name, weight in tuned.named_parameters() if ".lora_" in name}

    def restore(self) -> None:
        """Put the base's weights back, bit for bit."""
        layers = dict(self._module.named_modules())
        for name, weight in self._whole.items():
            layers[name].weight.data = weight

    def save(self, model: Any, folder: Path) -> None:
        """Through PEFT's conversion: an adapter of twice the rank, trained behind the start's negative."""
        import tempfile

        import torch

        now = {name: weight.detach().clone() for name, weight in model.named_parameters() if name in self._began}
        with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
            self._put(model, self._began)
            model.peft_config[model.active_adapter].init_lora_weights = True
            model.save_pretrained(scratch, safe_serialization=True)
            model.peft_config[model.active_adapter].init_lora_weights = "pissa"
            self._put(model, now)
            model.save_pretrained(
                str(folder), safe_serialization=True, path_initial_model_for_weight_conversion=scratch
            )

    @staticmethod
    def _put(model: Any, weights: dict[str, Any]) -> None:
        for name, weight in model.named_parameters():
            if name in weights:
                weight.copy_(weights[name])
