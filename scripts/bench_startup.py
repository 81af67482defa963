"""How long `--help` takes beside a ten-line Hydra program, and whether anything heavy was imported for it.

python scripts/bench_startup.py [--runs 15] [--limit 1.3]; exit code 1 when slower than the limit or too heavy.
The two programs run in turn, so that whatever else the machine does falls on both. The ratio is of the medians of
processor seconds (user and system), which a busy machine disturbs less than the wall clock; both are printed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("pydantic", "torch", "transformers", "datasets", "wandb", "scipy", "numpy", "pandas", "peft", "trl")

PROGRAM = """\
import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=".", config_name="config")
def main(config: DictConfig) -> None:
    print(config)


main()
"""
CONFIG = "rate: 0.1\nsteps: 100\nseed: 0\n"

SPY = """\
import atexit, runpy, sys
heavy = {heavy!r}
atexit.register(lambda: print("HEAVY", *[name for name in heavy if name in sys.modules], file=sys.stderr))
sys.argv = ["finetune_lab", *{arguments!r}]
runpy.run_module("finetune_lab", run_name="__main__")
"""


def seconds(command: list[str], folder: Path) -> tuple[float, float]:
    """The processor seconds and the wall seconds of one run."""
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    wall, after = time.perf_counter() - started, os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system, wall


def heavy_imports(*arguments: str) -> list[str]:
    """Which heavy packages one command line of ours imports."""
    spy = SPY.format(heavy=HEAVY, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", spy], cwd=ROOT, check=True, capture_output=True, text=True)
    return next(line for line in done.stderr.splitlines() if line.startswith("HEAVY")).split()[1:]


def measure(runs: int) -> dict[str, list[tuple[float, float]]]:
    """Run both programs in turn, `runs` times after one run that warms the caches."""
    found: dict[str, list[tuple[float, float]]] = {"ten lines": [], "finetune_lab": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "program.py").write_text(PROGRAM)
        (folder / "config.yaml").write_text(CONFIG)
        programs = (
            ("ten lines", [sys.executable, "program.py", "--help"], folder),
            ("finetune_lab", [sys.executable, "-m", "finetune_lab", "--help"], ROOT),
        )
        for number in range(runs + 1):
            for label, command, where in programs:
                took = seconds(command, where)
                if number:
                    found[label].append(took)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--limit", type=float, default=1.3)
    asked = parser.parse_args()
    middles = {}
    for label, taken in measure(asked.runs).items():
        cpu, wall = (statistics.median(column) for column in zip(*taken, strict=True))
        middles[label] = cpu
        print(f"{label:14} {cpu:.3f} s of processor, {wall:.3f} s of wall clock (medians of {asked.runs})")
    ratio = middles["finetune_lab"] / middles["ten lines"]
    print(f"ratio          {ratio:.2f} (limit {asked.limit})")
    heavy = {line: heavy_imports(*line.split()) for line in ("--help", "--version", "--cfg job")}
    for line, names in heavy.items():
        print(f"{line:14} heavy imports: {', '.join(names) or 'none'}")
    raise SystemExit(int(ratio > asked.limit or any(heavy.values())))


if __name__ == "__main__":
    main()
