"""Three lines on anyone's model: plain Transformers, TRL, a loop of their own; torch and peft are enough."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune_lab.training.grit import create_grit_optimizer

OPTIONS: dict[str, Any] = {"wide_rank": 8, "burn_in_tokens": 100, "collect_every": 2, "refresh_every": 2}


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    def __init__(self, small: Any) -> None:
        ids = torch.cat([small.rows(step)["input_ids"] for step in range(8)])
        self.rows = [{"input_ids": row, "labels": row} for row in ids]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self.rows[place]


def used(optimizer: Any) -> None:
    """It was stepped, heard tokens, turned to what it measured."""
    assert optimizer._progress["refreshes"] > 1
    assert float(optimizer._statistics.state["tokens"].min()) > 100
    assert not optimizer._collecting or optimizer._progress["step"] > 0


def test_a_loop_of_ones_own(small: Any) -> None:
    model = small.make_model()
    optimizer = create_grit_optimizer(model, lr=1e-2, **OPTIONS)
    before = small.trained(model)
    small.train(model, optimizer, range(6))
    used(optimizer)
    assert all(not torch.equal(weight, before[name]) for name, weight in small.trained(model).items())


@pytest.mark.parametrize("shrink", [False, True])
def test_plain_transformers_with_checkpoints_and_the_best_of_them(small: Any, tmp_path: Path, shrink: bool) -> None:
    """Accumulation, a kill after half the steps, a rank that falls in between, and the best checkpoint at the end."""
    from transformers import Trainer, TrainingArguments, get_scheduler

    more: dict[str, Any] = {"reproject_every": 4, "share": 0.9, "floor": 2, "shrink_after": 6} if shrink else {}

    def trainer(folder: Path, steps: int) -> tuple[Any, Any]:
        model = small.started(small.make_model())
        optimizer = create_grit_optimizer(model, lr=1e-2, **OPTIONS, **more)
        arguments = TrainingArguments(
            output_dir=str(folder),
            max_steps=steps,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            eval_strategy="steps",
            save_strategy="steps",
            eval_steps=4,
            save_steps=4,
            load_best_model_at_end=True,
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            logging_steps=100,
        )
        schedule = get_scheduler("constant", optimizer)
        rows = Rows(small)
        made = Trainer(model, arguments, train_dataset=rows, eval_dataset=rows, optimizers=(optimizer, schedule))
        return made, optimizer

    whole, optimizer = trainer(tmp_path / "whole", 12)
    whole.train()
    used(optimizer)
    half, _ = trainer(tmp_path / "half", 8)
    half.train()
    resumed, again = trainer(tmp_path / "half", 12)
    resumed.train(resume_from_checkpoint=str(tmp_path / "half" / "checkpoint-8"))
    used(again)
    for name, weight in small.trained(whole.model).items():
        assert torch.equal(weight, small.trained(resumed.model)[name]), name
    if shrink:
        stored = (tmp_path / "whole" / "checkpoint-12" / "adapter_model.safetensors").stat().st_size
        assert stored < (tmp_path / "whole" / "checkpoint-4" / "adapter_model.safetensors").stat().st_size


def test_the_best_checkpoint_may_be_larger_than_the_last(small: Any, tmp_path: Path) -> None:
    model = small.started(small.make_model())
    optimizer = create_grit_optimizer(model, 1e-2, reproject_every=1, share=0.8, floor=1, **OPTIONS)
    model.save_pretrained(tmp_path)
    before = small.trained(model)
    small.train(model, optimizer, range(4))
    assert any(layer.rank < 4 for layer in optimizer._layers)
    model.load_adapter(tmp_path, "default", is_trainable=True)  # as Transformers does at the end of a training
    assert all(torch.equal(weight, before[name]) for name, weight in small.trained(model).items())


def test_trl(small: Any, tmp_path: Path) -> None:
    from datasets import Dataset
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    words = {f"w{number}": number for number in range(62)} | {"<pad>": 62, "<eos>": 63}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="w0")), pad_token="<pad>", eos_token="<eos>"
    )
    rows = Dataset.from_list([{"input_ids": row["input_ids"].tolist()} for row in Rows(small).rows])
    model = small.make_model()
    optimizer = create_grit_optimizer(model, lr=1e-2, **OPTIONS)
    arguments = SFTConfig(
        output_dir=str(tmp_path),
        max_steps=6,
        per_device_train_batch_size=4,
        report_to=[],
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
        save_strategy="no",
        dataset_kwargs={"skip_prepare_dataset": True},
        gradient_checkpointing=True,
    )
    trainer = SFTTrainer(model, arguments, train_dataset=rows, processing_class=tokenizer, optimizers=(optimizer, None))
    trainer.train()
    used(optimizer)


def test_it_imports_torch_and_peft_and_nothing_else(root: Path) -> None:
    code = (
        "import sys, torch, peft, safetensors.torch\n"
        "before = set(sys.modules)\n"
        "import finetune_lab.training.grit\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "['finetune_lab']"
