"""What is exported is the model that was scored; what is not does not get out."""

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

from finetune_lab.errors import LabError, WorldError
from finetune_lab.inference.exporting import write_chat, write_model
from finetune_lab.inference.merging import plain_copy
from finetune_lab.task.export import Export

SPLIT = "data.split={train:0.4,validation:0.1,test:0.5,seed:42}"
LINE = ("method=adapter", "eval=[perplexity]", "eval.perplexity.rows.max_rows=8", "data.max_rows=40", SPLIT)
EXPORT = ("task=export", "task.rows.max_rows=8", "task.num_texts=3", "task.max_new_tokens=12")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def line(execute, outputs, drawn_adapter):
    """Run a task on the adapter over the 4-bit base."""
    own = (*LINE, f"method.path={drawn_adapter}", "runtime.device=cpu")
    execute(*own, "task=run", outputs=outputs)
    return lambda *overrides: execute(*own, *overrides, outputs=outputs)


def exported(lab):
    (folder,) = {path.parent for path in (lab.outputs / "exports" / lab.artifact.place.name).glob("*/done.json")}
    return folder


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("adapter", {"adapter_config.json", "adapter_model.safetensors"}),
        ("merged", {"config.json", "model.safetensors", "generation_config.json"}),
        ("ollama", {"model.gguf", "Modelfile"}),
    ],
)
def test_a_form_passes_the_gate_and_is_whole(line, form, files, outputs):
    if form == "ollama":
        pytest.importorskip("gguf")
    lab = line(*EXPORT, f"export@task.format={form}")
    (folder,) = (lab.outputs / "exports" / lab.artifact.place.name).glob(f"{form}-*")
    here = {path.name for path in folder.iterdir()}
    assert files | {"README.md", "parity.json", "tokenizer.json", "chat_template.jinja", "done.json"} <= here
    parity = json.loads((folder / "parity.json").read_text())
    assert parity["num_rows"] == 8
    assert parity["agreement"] > 0.99
    assert parity["kl_high"] < 1e-3
    assert not list(folder.parent.glob("*.partial"))
    told = (folder / "README.md").read_text()
    card = ModelCard(told)
    assert card.data.base_model == "tiny"
    assert {result.metric_type for result in card.data.eval_results} >= {"perplexity/perplexity"}
    assert "95 % interval" in told
    for path in folder.iterdir():
        assert str(Path.home()) not in path.read_text(errors="ignore") or path.suffix in (".gguf", ".safetensors")
    assert not [path.name for path in folder.glob("*.json") if "/tmp" in path.read_text() and path.name != "done.json"]


def test_merging_stands_for_the_4_bit_base_with_its_adapter(line, tiny_engine):
    lab = line(*EXPORT, "export@task.format=merged")
    (folder,) = (lab.outputs / "exports" / lab.artifact.place.name).glob("merged-*")
    from transformers import AutoModelForCausalLM

    module = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([[0, 3, 50, 60, 70, 80]])
    with torch.no_grad(), lab.using(lab.artifact) as scored:
        due = scored.module(input_ids=ids).logits
        torch.testing.assert_close(module(input_ids=ids).logits, due, atol=2e-4, rtol=1e-4)
        bare = tiny_engine("none").module(input_ids=ids).logits
    assert (bare - due).abs().max() > 0.1  # the adapter and the rounding of the base are both in it


@dataclass(frozen=True, kw_only=True)
class WrongMerge:
    """An export that goes wrong as merges do: of the right shape, and plausible."""

    inner: Any
    fault: str
    title = "wrong"
    library = "transformers"

    @property
    def limits(self):
        return self.inner.limits

    def check(self):
        pass

    def write(self, trained, folder):
        write_model(getattr(self, self.fault)(trained), folder, "float32")
        write_chat(trained.chat, folder)

    @contextmanager
    def open(self, trained, folder):
        with self.inner.open(trained, folder) as engine:
            yield engine

    @staticmethod
    def into_rounded_weights(trained):
        """PEFT's merge on the 4-bit layers themselves: what was learned is rounded with them."""
        with trained.source.load(trained.runtime).with_adapter(trained.adapter) as engine:
            tuned = engine.module
            for layer in tuned.modules():
                if hasattr(layer, "merge") and hasattr(layer, "lora_A"):
                    layer.merge()
                    # what is left of the layer is its 4-bit base
            for name, layer in list(tuned.named_modules()):
                if hasattr(layer, "base_layer"):
                    parent, _, last = name.rpartition(".")
                    setattr(tuned.get_submodule(parent), last, layer.base_layer)
            return plain_copy(engine)

    @staticmethod
    def scaled_twice(trained):
        """The scale, alpha / r, applied twice: three times what was trained."""
        plain, right = plain_copy(trained.base()), trained.module
        weights = dict(plain.named_parameters())
        with torch.no_grad():
            for name, weight in right.named_parameters():
                weights[name] += 2 * (weight - weights[name])
        return plain

    @staticmethod
    def onto_the_unrounded_base(trained):
        """The usual mistake with QLoRA: the adapter on the weights from before the quantisation."""
        from peft import PeftModel

        whole = replace(trained.source, quantization="none").load(trained.runtime)
        return PeftModel.from_pretrained(whole.module, str(trained.adapter)).merge_and_unload()


FAULTS = ["into_rounded_weights", "scaled_twice", "onto_the_unrounded_base"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_merge_is_caught_and_leaves_nothing(line, fault, compose_line, outputs, drawn_adapter):
    lab, task = compose_line(*LINE, *EXPORT, f"method.path={drawn_adapter}", "runtime.device=cpu", outputs=outputs)
    line("task=train")
    knobs = {name: getattr(task, name) for name in ("rows", "num_texts", "max_new_tokens", "confidence", "decoding")}
    wrong = Export(format=WrongMerge(inner=task.format, fault=fault), **knobs)
    with pytest.raises(LabError, match=r"not the model that was scored.*limit is"):
        wrong.execute(lab)
    left = list((lab.outputs / "exports" / lab.artifact.place.name).glob("wrongmerge-*"))
    assert left == []


def test_limits_that_are_too_tight_stop_an_honest_rounding(line):
    with pytest.raises(LabError, match=r"KL may be .* nothing of it is kept|nothing of it is kept.*KL may be"):
        line(*EXPORT, "export@task.format=nf4", "task.format.limits.kl=1e-9", "task.format.limits.agreement=0")


def test_nothing_trained_is_said(execute, tmp_path):
    with pytest.raises(WorldError, match="task=run first"):
        execute("task=export", "method=lora", "model.quantization=none", outputs=tmp_path)
