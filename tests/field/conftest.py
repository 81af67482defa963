"""Simulated logs whose effect is known, by the same worlds as scripts/check_field.py."""

import csv
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def script() -> Any:
    """The module scripts/check_field.py."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import check_field

    yield check_field
    sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture
def make_rows(script: Any) -> Any:
    """Rows of a log as a file holds them, from a world: the outcome is called likes."""

    def make(seed: int = 0, **world: Any) -> list[dict[str, Any]]:
        log = script.World(**world).log(np.random.default_rng(seed))
        return [
            {
                "arm": log.arms[log.arm[n]],
                "time": datetime.fromtimestamp(1.77e9 + log.seconds[n], UTC).isoformat(),
                "post_id": f"p{log.post[n]}",
                "topic": log.topics[log.topic[n]],
                "original_engagement": int(log.engagement[n]),
                "likes": int(log.outcomes["y0"][n]),
            }
            for n in range(log.num_rows)
        ]

    return make


@pytest.fixture
def write_csv(tmp_path: Path) -> Any:
    """Write rows as a CSV."""

    def write(rows: list[dict[str, Any]], name: str = "log.csv") -> Path:
        path = tmp_path / name
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write
