"""A slice of the broken files, and proof that the check would see a loss."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> Any:
    sys.path.insert(0, str(ROOT / "scripts"))
    import check_mutations

    yield check_mutations
    sys.path.remove(str(ROOT / "scripts"))


def test_no_broken_file_gives_a_traceback_or_loses_a_row(script: ModuleType) -> None:
    verdicts, failures = script.check(range(100), seed=1)
    assert failures == []
    assert verdicts["told"] > 20
    assert verdicts["prepared"] > 20


def test_every_break_is_drawn(script: ModuleType) -> None:
    done = " ".join(script.broken(number, 0).done for number in range(600))
    for kind in (*script.ROW_BREAKS, *script.BYTE_BREAKS, *script.FORM_BREAKS):
        assert kind.__name__ in done


def test_a_loss_is_seen(script: ModuleType, tmp_path: Path) -> None:
    for name in ("train", "validation", "test", "dropped"):
        (tmp_path / f"{name}.jsonl").touch()
    assert script._counted({"rows_read": 1, "dropped": {}}, tmp_path, None)[0] == "FAILED"
    assert script._counted({"rows_read": 0, "dropped": {}}, tmp_path, 3)[0] == "FAILED"
    assert script._told("something is wrong", "rows.csv")[0] == "FAILED"
