"""The named experiments say what they should, and each runs end to end on the embedded model and a small sample."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from finetune_lab.model.tiny import Tiny
from finetune_lab.once import read_note

pytest.importorskip("rouge_score", reason="pip install .[text]")
pytest.importorskip("sacrebleu", reason="pip install .[text]")

#: What each bundle must set, by dotted path.
FIGURES: dict[str, dict[str, Any]] = {
    "cornell_banter": {
        "model.repo": "microsoft/Phi-3-mini-4k-instruct",
        "data._target_": "finetune_lab.data.cornell.Cornell",
        "method.requires": None,  # plain LoRA
        "method.adapter._target_": "finetune_lab.adapter.lora.Lora",
        "decoding.temperature": 0.7,
        "decoding.top_p": 0.9,
        "decoding.no_repeat_ngram": 3,
        "decoding.repetition_penalty": 1.15,
    },
    "tweet_replies": {
        "model.repo": "Qwen/Qwen3-8B",
        "model.template_options.enable_thinking": False,
        "method.adapter.rank": 16,
        "method.adapter.alpha": 16,
        "method.adapter.dropout": 0.1,
        "method.epochs": 2,
        "method.max_steps": None,
        "method.batch_size": 4,
        "method.accumulation": 4,
        "method.optimizer.learning_rate": 2e-4,
        "data.filters.length.part": "answer",
        "data.filters.length.least": 30,
        "data.filters.length.most": 280,
        "data.filters.followers.least": 500,
        "data.filters.followers.most": 100_000,
        "data.filters.delay.least": 300,
        "decoding.temperature": 0.7,
        "decoding.top_p": 0.8,
        "decoding.top_k": 20,
        "decoding.max_new_tokens": 100,
    },
    "pocketguide_v3": {
        "method.adapter.rank": 32,
        "method.objective.max_length": 2048,
        "method.epochs": 5,
        "method.max_steps": None,
    },
    "pocketguide_v4": {
        "method.adapter.rank": 32,
        "method.objective.max_length": 2048,
        "method.epochs": 7,
        "method.max_steps": None,
    },
    "alignment": {
        "model.repo": "meta-llama/Meta-Llama-3-8B-Instruct",
        "data.repo": "Vaibhaav/alignment-instructions",
        "method.requires": "nf4",
        "hydra.sweeper.params.method": "qlora,grit",
    },
}
SMALL = (
    "data.split={train: 0.6, validation: 0.2, test: 0.2, seed: 42}",
    "method.max_steps=2",
    "method.evaluate_every=2",
    "method.batch_size=2",
    "method.accumulation=1",
    "decoding.max_new_tokens=6",
    "runtime.device=cpu",
)


@pytest.mark.parametrize("name", FIGURES)
def test_a_bundle_says_what_it_should(name: str, root: Path) -> None:
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        config = compose("config", overrides=[f"experiment={name}"], return_hydra_config=True)
    OmegaConf.set_readonly(config, False)
    assert {path: OmegaConf.select(config, path) for path in FIGURES[name]} == FIGURES[name]
    if name == "tweet_replies":
        assert list(config.data.filters) == ["length", "urls", "media", "followers", "delay"]


def test_two_guides_differ_in_their_epochs_alone(root: Path) -> None:
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        three, four = (
            OmegaConf.to_container(compose("config", overrides=[f"experiment=pocketguide_v{n}"])) for n in (3, 4)
        )
    assert isinstance(three, dict)
    three["method"]["epochs"] = 7
    assert three == four


@pytest.fixture
def run(compose_line: Any, tiny_engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a bundle's line on the embedded model, which is loaded once for all of them."""
    engines = {quantization: tiny_engine(quantization) for quantization in ("none", "nf4")}
    monkeypatch.setattr(Tiny, "load", lambda source, _: engines[source.quantization])
    datasets_cache = tmp_path / "cache"

    def execute(*overrides: str) -> Any:
        import datasets

        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", datasets_cache)
        lab, task = compose_line("model=tiny", *overrides, *SMALL, outputs=tmp_path / "outputs")
        task.execute(lab)
        return lab

    return execute


FEW = {each: f"eval.{each}.rows.max_rows=4" for each in ("perplexity", "text", "schema", "safety")}
MORE = {
    "cornell_banter": ("model.quantization=none", FEW["perplexity"], FEW["text"]),
    "tweet_replies": (FEW["perplexity"], FEW["text"]),
    "pocketguide_v3": (FEW["perplexity"], FEW["schema"]),
    "pocketguide_v4": (FEW["perplexity"], FEW["schema"]),
    "alignment": (FEW["perplexity"], FEW["safety"]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_bundle_runs_end_to_end(name: str, run: Any, corpora: dict[str, str]) -> None:
    line = [f"experiment={name}", corpora[name], *MORE[name]]
    lab = run(*line)
    report = (read_note(lab.artifact.place) or {})["report"]
    assert report["num_steps"] == 2
    for artifact in (lab.base, lab.artifact):
        assert all(read_note(lab.evaluation_folder(each, artifact)) for each in lab.evaluators)
    assert (lab.data_folder / "data_card.md").is_file()
    if name == "tweet_replies":
        assert {why: num for why, num in lab.dataset["dropped"].items() if ":" in why} == {
            "length: under 30 characters": 1,
            "urls: has a URL": 1,
            "media: has media": 1,
            "followers: followers under 500": 1,
            "followers: followers over 100000": 1,
            "delay: seconds_after under 300": 1,
        }
    if name == "alignment":  # the second arm of the sweep: the same rows and base, another artifact
        other = run(*line, "method=grit")
        assert other.data_folder == lab.data_folder
        assert other.base.key == lab.base.key
        assert read_note(other.artifact.place)
        assert other.artifact.key != lab.artifact.key
