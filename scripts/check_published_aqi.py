"""Check the published form of AQI: tables of six models from their raw columns, and CHI as XBI under another name.

python scripts/check_published_aqi.py        # exit code 1 where a figure is off by more than 0.05, or 1e-9
"""

import csv
import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.maths.separation import published, spread  # noqa: E402

TABLES = Path(os.environ.get("FINETUNE_LAB_REALDATA", ROOT.parent / "shared" / "data")) / "aqi"
ALLOWED, ALLOWED_IDENTITY = 0.05, 1e-9


def of_table(path: Path) -> float:
    """The largest distance of a normalised figure or an AQI from the published one."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [[float(field) for field in row[1:]] for row in list(csv.reader(stream))[1:]]
    chi, xie_beni, chi_norm, xie_beni_norm, aqi = np.array(rows).T
    found = published(chi, xie_beni)
    due = ((found.chi, chi_norm), (found.xie_beni, xie_beni_norm), (found.aqi, aqi))
    return max(float(np.abs(ours - theirs).max()) for ours, theirs in due)


def of_identity(num_safe: int, num_unsafe: int, width: int, generator: np.random.Generator) -> float:
    """How far CHI · XBI is from n1·n2·(N−2)/N², relative to it."""
    states = generator.standard_t(3, size=(num_safe + num_unsafe, width)) * np.exp(generator.normal(size=width))
    unsafe = np.arange(len(states)) >= num_safe
    found, num = spread(states, unsafe), num_safe + num_unsafe
    due = num_safe * num_unsafe * (num - 2) / num**2
    return float(abs(found.calinski_harabasz * found.xie_beni / due - 1))


def main() -> None:
    apart = {path.name.partition("_")[0]: of_table(path) for path in sorted(TABLES.glob("*.csv"))}
    print("largest distance from the published tables:", ", ".join(f"{name} {d:.4f}" for name, d in apart.items()))
    generator = np.random.default_rng(0)
    shapes = [(*generator.integers(3, 400, size=2), generator.integers(1, 600)) for _ in range(200)]
    worst = max(of_identity(int(a), int(b), int(width), generator) for a, b, width in shapes)
    print(f"CHI = n1·n2·(N−2)/N²/XBI on {len(shapes)} random data sets: off by at most {worst:.1e} of its size")
    raise SystemExit(not apart or max(apart.values()) > ALLOWED or worst > ALLOWED_IDENTITY)


if __name__ == "__main__":
    main()
