"""How long a comparison of many runs takes: 200 runs × 1,000 samples × 10 metrics, and ten times as many runs.

python scripts/bench_compare.py [--runs 200 2000] [--samples 1000] [--resamples 9999]

Each size is compared in a process of its own, started cold, on one thread, over a store made for it: wall and
processor seconds with all imports, the peak of its memory, and whether torch was loaded.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # a checkout need not be installed

METRICS = (*(f"passed{number}" for number in range(4)), *(f"mean{number}" for number in range(4)), "ratio0", "ratio1")
MEASURE, BASE = "m" * 12, "base-b"


def main() -> None:
    options = _options()
    if options.compare:
        _compare(options.compare, options.resamples)
        return
    found = []
    for num_runs in options.runs:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            fill(Path(folder), num_runs, options.samples)
            made = time.perf_counter() - started
            found.append(_measured(Path(folder), options.resamples) | {"runs": num_runs, "store_seconds": made})
        print(json.dumps(found[-1]), flush=True)
    if len(found) == 2:
        one, two = (size["processor_seconds"] for size in found)
        print(f"{found[1]['runs'] / found[0]['runs']:g} times the runs: {two / one:.1f} times the processor time")


def fill(outputs: Path, num_runs: int, num_samples: int) -> None:
    """A store with one base and so many runs, each an arm of its own, scored on the same samples."""
    from finetune_lab.store.indexing import put
    from finetune_lab.store.store import Store

    store = Store(outputs / "lab.sqlite")
    samples = [
        {"measure": MEASURE, "position": number, "sample": f"{number:016x}", "cluster": f"{number:016x}"}
        for number in range(num_samples)
    ]
    with store._database.writing() as connection:
        put(connection, "measure", [{"measure": MEASURE, "evaluator": "bench"}])
        put(connection, "measure_sample", samples)
        for number, tables in enumerate(_subjects(num_runs, num_samples)):
            for table, rows in tables.items():
                if number or table not in ("run", "member"):  # the first subject is the base
                    put(connection, table, rows)
    store.close()


def _subjects(num_runs: int, num_samples: int) -> Iterator[dict[str, list[dict[str, Any]]]]:
    import numpy as np

    draw = np.random.default_rng(0)
    shared = draw.normal(size=(len(METRICS), num_samples))
    tokens = draw.integers(5, 40, num_samples)
    for number in range(num_runs + 1):
        key = f"{number:012x}" if number else BASE
        noise = 0.5 * shared + draw.normal(size=shared.shape) + 0.1 * (number > 0)
        columns = {name: noise[place] > 0 if place < 4 else noise[place].round(4) for place, name in enumerate(METRICS)}
        columns |= {"tokens": tokens}
        whose = {"subject": key, "measure": MEASURE}
        arrays = [whose | {"name": name, "array": json.dumps((1 * of).tolist())} for name, of in columns.items()]
        scores = [whose | _score(name, place, columns[name]) for place, name in enumerate(METRICS)]
        config = json.dumps({"method": {"learning_rate": number, "rank": 8}, "seed": 0})
        run = {
            "key": key,
            "base": BASE,
            "group_name": "g",
            "label": "sweep",
            "model": "tiny",
            "data": "d",
            "method": "m",
        }
        run |= {"seed": 0, "status": "done", "report": "{}", "config": config, "folder": f"runs/{key}"}
        member = {"group_name": "g", "run": key, "base": BASE, "label": "sweep", "model": "tiny"}
        member |= {"measures": json.dumps({"bench": MEASURE}), "joined": "2025-01-01T00:00:00+00:00"}
        yield {"run": [run], "member": [member], "column_values": arrays, "score": scores}


def _score(name: str, position: int, values: Any) -> dict[str, Any]:
    kind = {"kind": "ratio", "of": name, "per": "tokens"} if name.startswith("ratio") else {"kind": "mean", "of": name}
    about = {"evaluator": "bench", "name": name, "value": float(values.mean()), "higher_is_better": 1, "unit": ""}
    return about | {"statistic": json.dumps(kind), "position": position}


def _measured(outputs: Path, resamples: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--compare", str(outputs), "--resamples", str(resamples)]
    started = time.perf_counter()
    own = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # threads that wait for a busy core would count as work
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=own)
    return {"wall_seconds": round(time.perf_counter() - started, 2)} | json.loads(done.stderr.splitlines()[-1])


def _compare(outputs: Path, resamples: int) -> None:
    from finetune_lab.store.store import Store
    from finetune_lab.task.compare import Compare

    lab: Any = SimpleNamespace(store=Store(outputs / "lab.sqlite"), outputs=outputs, group="g", rules=None)
    task = Compare(
        confidence=0.95, resamples=resamples, seed=0, reference=None, primary=(), ranking=(), quality=None,
        target_loss=None, gate=False, format="table", track=False,
    )  # fmt: skip
    task.execute(lab)
    used = resource.getrusage(resource.RUSAGE_SELF)
    heavy = sorted({"torch", "transformers", "datasets", "pandas"} & set(sys.modules))
    found = {"processor_seconds": round(used.ru_utime + used.ru_stime, 2), "peak_mb": used.ru_maxrss // 1024}
    print(json.dumps(found | {"heavy": heavy}), file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=9999)
    parser.add_argument("--compare", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
