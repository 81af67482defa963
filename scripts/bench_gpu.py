"""What GRIT costs beside QLoRA at the size people train: step time, tokens per second, utilisation, peak memory.

python scripts/bench_gpu.py [--lengths 512 1024 2048 4096] [--rounds 5] [--json FILE]

A randomly initialised Llama-3-8B, its linear layers in NF4, adapters of rank 16 on all of them, one row a step,
gradients checkpointed. Both sides train the same base in turns: the adapter is taken off and another put on in between.
Utilisation counts 4 operations a weight and token (forward, and the backward pass to the inputs; what is computed again
is not counted) against the device's peak in bfloat16 (--peak-tflops). Without a GPU, --small runs the same code on a
model of two narrow layers in float32, so that the script is known to work; its figures say nothing of the other case.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch

SIDES = ("qlora", "grit")
RANK, ALPHA = 16, 32
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LLAMA_3_8B = {
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},
}
SMALL = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}


def random_model(small: bool, device: str) -> Any:
    """Layer by layer on the device: made in bfloat16, its linear layers then turned to NF4."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    if small:
        return LlamaForCausalLM(LlamaConfig(**SMALL)).to(device)
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(LlamaConfig(**LLAMA_3_8B))
        torch.set_default_dtype(torch.float32)
    quantized(model)
    return model


def quantized(model: Any) -> None:
    """Put bitsandbytes' 4-bit layers in place of the projections, as loading a model in NF4 does."""
    import bitsandbytes as bnb

    for name, layer in list(model.named_modules()):
        parent_name, _, last = name.rpartition(".")
        if last in PROJECTIONS:
            made = bnb.nn.Linear4bit(
                layer.in_features,
                layer.out_features,
                bias=False,
                compute_dtype=torch.bfloat16,
                compress_statistics=True,
                quant_type="nf4",
                device="meta",
            )
            made.weight = bnb.nn.Params4bit(
                layer.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True
            ).to(layer.weight.device)
            setattr(model.get_submodule(parent_name), last, made)
    model.is_loaded_in_4bit = True


def side(model: Any, name: str) -> tuple[Any, Any]:
    """The model with fresh adapters, and its optimizer."""
    from peft import LoraConfig, get_peft_model

    from finetune_lab.training.grit import create_grit_optimizer

    torch.manual_seed(1)
    tuned = get_peft_model(
        model, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=PROJECTIONS, task_type="CAUSAL_LM")
    )
    tuned.enable_input_require_grads()
    tuned.gradient_checkpointing_enable({"use_reentrant": False})
    tuned.train()
    if name == "grit":
        return tuned, create_grit_optimizer(tuned, 1e-4, burn_in_tokens=0)
    weights = [weight for weight in tuned.parameters() if weight.requires_grad]
    return tuned, torch.optim.AdamW(weights, lr=1e-4, fused=True)


def measured(model: Any, name: str, length: int, steps: int, device: str, vocabulary: int) -> dict[str, float]:
    """Seconds a step over `steps` steps behind a warm-up that holds a measurement and a turn, and peak bytes."""
    tuned, optimizer = side(model, name)
    generator = torch.Generator().manual_seed(length)
    gpu = device == "cuda"

    def step() -> None:
        ids = torch.randint(0, vocabulary, (1, length), generator=generator).to(device)
        with torch.autocast(device, torch.bfloat16, enabled=gpu):
            tuned(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(tuned.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(2):
        step()
    if gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated() if gpu else 0
    started = time.perf_counter()
    for _ in range(steps):
        step()
    if gpu:
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - started) / steps
    peak = torch.cuda.max_memory_allocated() if gpu else 0
    tuned.unload()
    return {"seconds": seconds, "peak_bytes": peak, "above_bytes": peak - before}


def summary(length: int, rounds: list[dict[str, dict[str, float]]], weights: int, peak_tflops: float) -> dict[str, Any]:
    """Medians of both sides and of their ratio."""
    found: dict[str, Any] = {"length": length}
    for name in SIDES:
        seconds = statistics.median(one[name]["seconds"] for one in rounds)
        found[name] = {
            "step_seconds": seconds,
            "tokens_per_second": length / seconds,
            "utilisation": 4 * weights * length / seconds / (peak_tflops * 1e12) if peak_tflops else None,
            "peak_bytes": max(one[name]["peak_bytes"] for one in rounds),
        }
    found["time_ratio"] = statistics.median(one["grit"]["seconds"] / one["qlora"]["seconds"] for one in rounds)
    if found["qlora"]["peak_bytes"]:
        found["memory_ratio"] = found["grit"]["peak_bytes"] / found["qlora"]["peak_bytes"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", nargs="+", type=int, default=[512, 1024, 2048, 4096])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="of each side in a round; whole turns of 20 are fair")
    parser.add_argument("--peak-tflops", type=float, default=0.0, help="of the device in bfloat16, without sparsity")
    parser.add_argument("--small", action="store_true", help="a model of two narrow layers, also without a GPU")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not asked.small:
        raise SystemExit("no GPU here, and 8 billion parameters are not for a CPU; --small tries the script itself")
    model = random_model(asked.small, device)
    config = SMALL if asked.small else LLAMA_3_8B
    shape = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"], config["vocab_size"]
    per_head = shape[0] * config["num_key_value_heads"] // config["num_attention_heads"]
    weights = shape[2] * (2 * shape[0] ** 2 + 2 * shape[0] * per_head + 3 * shape[0] * shape[1]) + shape[0] * shape[3]
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {weights / 1e9:.2f} billion weights in the matrix products")
    rows = []
    for length in asked.lengths:
        rounds = []
        for number in range(asked.rounds):
            sides = SIDES if number % 2 == 0 else SIDES[::-1]
            rounds.append({s: measured(model, s, length, asked.steps, device, config["vocab_size"]) for s in sides})
        rows.append(summary(length, rounds, weights, asked.peak_tflops))
        print(json.dumps(rows[-1]), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps({"device": name, "torch": torch.__version__, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
