"""What the benchmarks share: the models, the rows, blocks in processes of their own, and the summary of ratios."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TINY = ROOT / "finetune_lab" / "assets" / "tiny"
POCKETGUIDE = ROOT / "finetune_lab" / "assets" / "pocketguide" / "rows.jsonl"
REALDATA = Path(os.environ.get("FINETUNE_LAB_REALDATA", ROOT.parent / "shared" / "data"))
ALPACA = REALDATA / "instructions" / "alpaca_en_demo.json"
TOKENIZER = REALDATA / "tokenizers" / "phi3_mini"

# name -> (which model, its quantization, the rows)
CASES = {
    "random20m": ("random20m", "none", ALPACA),
    "tiny": ("tiny", "none", POCKETGUIDE),
    "tiny-nf4": ("tiny", "nf4", POCKETGUIDE),
}


def model_folder(case: str, scratch: Path) -> Path:
    """The model of a case as a folder below `scratch`, made on first use; a copy, so that it stays what it was."""
    folder = scratch / CASES[case][0]
    if not folder.exists():
        if CASES[case][0] == "tiny":
            shutil.copytree(TINY, folder)
        else:
            _write_random(folder)
    return folder


def _write_random(folder: Path) -> None:
    """A Llama of 19.4 million random parameters under a tokenizer of 32,011 entries."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32064,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def conversations(case: str, start: int, stop: int) -> list[list[dict[str, str]]]:
    """Rows `start` to `stop` of the case's file, each a list of turns."""
    from finetune_lab.preparing.pipeline import convert
    from finetune_lab.preparing.reading import read_rows

    samples = convert(read_rows(CASES[case][2])).samples[start:stop]
    return [[dict(turn) for turn in sample.messages] for sample in samples]


def composed(*overrides: str) -> Any:
    """The composed config of a command line with these overrides."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", overrides=list(overrides))


def block(script: str, *arguments: str) -> dict[str, Any]:
    """Run one block in a process of its own; the last line that it prints is its result as JSON."""
    command = [sys.executable, "-W", "ignore", str(ROOT / "scripts" / script), *arguments]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def report(found: dict[str, Any]) -> None:
    """Print the result of a block, for the process that started it."""
    print(json.dumps(found), flush=True)


def quietly(work: Any) -> Any:
    """Do `work()` without what libraries write to the standard output."""
    with contextlib.redirect_stdout(io.StringIO()):
        return work()


def spread(values: Sequence[float], digits: int = 2) -> str:
    """`median (least to most)`."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def load_average() -> str:
    """How busy the machine is, for the record."""
    return ", ".join(f"{load:.1f}" for load in os.getloadavg())


def arguments(text: str, cases: Sequence[str]) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(cases), choices=list(CASES))
    parser.add_argument("--scratch", type=Path, default=ROOT / "outputs" / "benchmarks", help="may be deleted")
    parser.add_argument("--block", help="internal: do one block and print its result")
    return parser
