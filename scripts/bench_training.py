"""Target tokens per second of our training beside a plain TRL script: same rows, seed, steps, batch, LoRA and schedule.

python scripts/bench_training.py [--cases random20m tiny tiny-nf4] [--pairs 5] [--limit 1.8]

The exit code is 1 below the limit.
Every block is a training of its own in a process of its own; the sides take turns, and each pair of blocks gives one
ratio, so that whatever else the machine does falls on both. Timed is the loop: from the first batch to the end of the
last step, without loading, tokenising, evaluation and checkpoints. Target tokens are what a side itself learns. Both
adapters are scored afterwards on the same held-out rows by the same code. Packing is there for information.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench_parts import CASES, arguments, block, composed, conversations, load_average, model_folder, report, spread

ROWS, HELD_OUT, BATCH = 480, 80, 8
LEARNING_RATE, WARMUP_SHARE = 2e-4, 0.03  # as conf/optimizer/adamw.yaml and conf/method/lora.yaml have them
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass
class Watch:
    """Wall and processor seconds from the start of a training loop to the end of its last step."""

    started: tuple[float, float] = (0.0, 0.0)
    ended: tuple[float, float] = (0.0, 0.0)

    def callback(self) -> Any:
        from transformers import TrainerCallback

        watch = self

        class Callback(TrainerCallback):
            def on_train_begin(self, *_: Any, **__: Any) -> None:
                watch.started = time.perf_counter(), time.process_time()

            def on_step_end(self, *_: Any, **__: Any) -> None:
                watch.ended = time.perf_counter(), time.process_time()

        return Callback()

    def read(self) -> dict[str, float]:
        wall, processor = (after - before for before, after in zip(self.started, self.ended, strict=True))
        return {"seconds": wall, "processor": processor}


@dataclass
class Timed:
    """An objective whose trainer is watched."""

    objective: Any
    watch: Watch

    def encode(self, setting: Any) -> Any:
        return self.objective.encode(setting)

    def trainer(self, *positional: Any, callbacks: list[Any], **named: Any) -> Any:
        return self.objective.trainer(*positional, callbacks=[*callbacks, self.watch.callback()], **named)


def our_config(case: str, model: Path, steps: int) -> Any:
    """The command line that a user of ours would write."""
    return composed(
        "method=lora",
        "model=local",
        f"model.path={model}",
        f"model.quantization={CASES[case][1]}",
        "method.objective.max_length=4096",
        f"method.batch_size={BATCH}",
        "method.accumulation=1",
        f"method.max_steps={steps}",
        f"method.evaluate_every={steps}",
        f"method.optimizer.learning_rate={LEARNING_RATE}",
        f"method.warmup={WARMUP_SHARE}",
        "runtime.device=cpu",
        "tracker=none",
    )


def ours(case: str, model: Path, folder: Path, seed: int, steps: int) -> dict[str, Any]:
    """One training by our path."""
    from finetune_lab.config import build
    from finetune_lab.protocols import Job
    from finetune_lab.records import Sample

    source, method, runtime = build(our_config(case, model, steps), "model", "method", "runtime")
    watch = Watch()
    method = replace(method, objective=Timed(method.objective, watch))
    rows = tuple(Sample.of(messages=turns) for turns in conversations(case, 0, ROWS + HELD_OUT))
    job = Job(
        model=lambda: source.load(runtime),
        source=source,
        train=rows[:ROWS],
        validation=rows[ROWS:],
        folder=folder,
        seed=seed,
        runtime=runtime,
        listen=lambda step, metrics: None,
    )
    done = method.train(job)
    return watch.read() | {"targets": done.num_target_tokens, "adapter": str(folder / "adapter")}


def trl(case: str, model: Path, folder: Path, seed: int, steps: int, packing: bool = False) -> dict[str, Any]:
    """What a user of TRL would write."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, set_seed
    from trl import SFTConfig, SFTTrainer

    set_seed(seed)
    turns = conversations(case, 0, ROWS)
    rows = Dataset.from_list([{"prompt": row[:-1], "completion": row[-1:]} for row in turns])
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    module = AutoModelForCausalLM.from_pretrained(
        model, dtype=torch.float32, quantization_config=quantization if CASES[case][1] == "nf4" else None
    )
    watch = Watch()
    trainer = SFTTrainer(
        model=module,
        processing_class=AutoTokenizer.from_pretrained(model),
        train_dataset=rows,
        peft_config=LoraConfig(
            r=16, lora_alpha=32, lora_dropout=0.05, target_modules=PROJECTIONS, task_type="CAUSAL_LM"
        ),
        args=SFTConfig(
            output_dir=str(folder),
            # packs of 1,024 tokens hold about eight rows, so that a step stays about as large
            per_device_train_batch_size=1 if packing else BATCH,
            **({"num_train_epochs": 1, "packing": True} if packing else {"max_steps": steps, "max_length": None}),
            learning_rate=LEARNING_RATE,
            lr_scheduler_type="cosine",
            warmup_steps=WARMUP_SHARE,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            seed=seed,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        ),
        callbacks=[watch.callback()],
    )
    targets = sum(label != -100 for row in trainer.train_dataset["labels"] for label in row[1:])
    trainer.train()
    trainer.save_model(str(folder / "adapter"))
    share = 1 if packing else BATCH * steps / ROWS
    return watch.read() | {"targets": targets * share, "adapter": str(folder / "adapter")}


def packed(*positional: Any) -> dict[str, Any]:
    """The same with TRL's packing."""
    return trl(*positional, packing=True)


SIDES = {"ours": ours, "trl": trl, "packed": packed}


def held_out_loss(case: str, model: Path, adapters: list[str]) -> list[float]:
    """Nats per target token on the held-out rows, one number for each adapter, all by the same code."""
    from finetune_lab.config import build
    from finetune_lab.records import Sample

    source, runtime = build(our_config(case, model, 1), "model", "runtime")
    engine = source.load(runtime)
    samples = [Sample.of(messages=turns) for turns in conversations(case, ROWS, ROWS + HELD_OUT)]
    rows = [engine.chat.conversation(sample) for sample in samples]
    losses = []
    for adapter in adapters:
        with engine.with_adapter(Path(adapter)) if adapter else engine.as_base() as tuned:
            scored = tuned.nll(rows)
        losses.append(sum(row.sum_nats for row in scored) / sum(row.num_tokens for row in scored))
    return losses


def measure(case: str, asked: Any) -> list[dict[str, dict[str, Any]]]:
    """`pairs` rounds in which every side runs once, each in the other order than the last, with its own seed."""
    model_folder(case, asked.scratch)
    rounds = []
    for number in range(asked.pairs):
        sides = asked.sides if number % 2 == 0 else asked.sides[::-1]
        given = ("--cases", case, "--seed", str(number), "--steps", str(asked.steps), "--scratch", str(asked.scratch))
        found = {side: block("bench_training.py", "--block", side, *given) for side in sides}
        rates = ", ".join(f"{side} {one['targets'] / one['seconds']:.0f}" for side, one in found.items())
        print(f"{case:12} pair {number}: {rates} target tokens per second (load {load_average()})", flush=True)
        rounds.append(found)
    return rounds


def summarise(case: str, rounds: list[dict[str, dict[str, Any]]], scratch: Path) -> float:
    """Print rates, ratios and held-out losses of a case; return the median ratio to TRL."""
    rate = {side: [one[side]["targets"] / one[side]["seconds"] for one in rounds] for side in rounds[0]}
    for side, values in rate.items():
        print(f"{case:12} {side:8} {spread(values, 0)} target tokens per second")
    ratios: dict[str, list[float]] = {}
    for side in rate:
        if side != "ours":
            ratios[side] = [a / b for a, b in zip(rate["ours"], rate[side], strict=True)]
            print(f"{case:12} ours / {side:7} {spread(ratios[side])}")
    model = model_folder(case, scratch)
    base, *_ = held_out_loss(case, model, [""])
    print(f"{case:12} held-out loss before {base:.4f}")
    for side in rate:
        losses = held_out_loss(case, model, [one[side]["adapter"] for one in rounds])
        print(f"{case:12} held-out loss {side:8} mean {sum(losses) / len(losses):.4f}, {spread(losses, 4)}", flush=True)
    return sorted(ratios["trl"])[len(rounds) // 2]


def main() -> None:
    parser = arguments(__doc__ or "", list(CASES))
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--limit", type=float, default=1.8)
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=list(SIDES))
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.block:
        case = asked.cases[0]
        folder = asked.scratch / "training" / f"{case}-{asked.block}-{asked.seed}-{time.time_ns()}"
        folder.mkdir(parents=True)
        report(SIDES[asked.block](case, model_folder(case, asked.scratch), folder, asked.seed, asked.steps))
        return
    os.environ["HF_HUB_OFFLINE"] = "1"
    slowest = min(summarise(case, measure(case, asked), asked.scratch) for case in asked.cases)
    print(f"the least median ratio is {slowest:.2f} (limit {asked.limit})")
    sys.exit(slowest < asked.limit)


if __name__ == "__main__":
    main()
