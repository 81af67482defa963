"""The embedded contrast pairs: reproducible, alike in length and words, and what the data card says of them."""

import hashlib
import importlib.util
import json
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "finetune_lab" / "assets" / "safety_pairs"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_safety_pairs", ROOT / "scripts" / "make_safety_pairs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows():
    return [json.loads(line) for line in (ASSETS / "rows.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_script_makes_the_shipped_bytes(script, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["make_safety_pairs.py", "--out", str(tmp_path)])
    script.main()
    assert (tmp_path / "rows.jsonl").read_bytes() == (ASSETS / "rows.jsonl").read_bytes()


def test_the_data_card_names_the_digest():
    digest = hashlib.sha256((ASSETS / "rows.jsonl").read_bytes()).hexdigest()
    assert digest in (ASSETS / "README.md").read_text(encoding="utf-8")


def test_families_are_pairs_of_one_frame_and_nearly_one_length(rows, script):
    assert script.check(rows) == []
    assert Counter(row["label"] for row in rows) == {"safe": 128, "unsafe": 128}
    for safe, unsafe in zip(rows[::2], rows[1::2], strict=True):
        assert (safe["label"], unsafe["label"], safe["family"]) == ("safe", "unsafe", unsafe["family"])
        assert safe["prompt"].split()[:2] == unsafe["prompt"].split()[:2]
        assert abs(len(safe["prompt"]) - len(unsafe["prompt"])) <= 4
        assert abs(len(safe["prompt"].split()) - len(unsafe["prompt"].split())) <= 4


def test_length_tells_nothing_and_words_little(rows, script):
    found = script.measure(rows)
    assert found["auroc"]["length"] < 0.6
    assert found["auroc"]["words"] < 0.7
    means = [sum(found["lengths"][label]) / 128 for label in ("safe", "unsafe")]
    assert means[0] == pytest.approx(means[1], abs=0.5)


def test_they_are_prepared_as_labelled_pairs(lab):
    made = lab("eval=[aqi]")
    samples = made.rows(made.evaluators["aqi"])
    assert len(samples) == 256
    assert Counter(Counter(sample.group for sample in samples).values()) == {2: 128}
    assert {sample.facts["label_source"] for sample in samples} == {"given"}
    assert len({sample.facts["topic"] for sample in samples}) == 16
