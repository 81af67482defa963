"""The file of decisions: lines that stay, mistakes by their place, agreement, and what becomes of a row."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError
from finetune_lab.preparing.decisions import (
    Decision,
    agreements,
    append_decision,
    applied,
    latest,
    read_decisions,
    settled,
)
from finetune_lab.records import Sample

TIME = "2026-01-01T00:00:00+00:00"
ROW = Sample.of(
    messages=[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], group="g", facts={"label": "x"}
)


def said(row: str, decision: Any, reviewer: str = "ada", **more: str) -> Decision:
    return Decision(row=row, decision=decision, reviewer=reviewer, time=TIME, **more)


def test_what_is_written_is_read_back_and_one_line_is_one_decision(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "decisions.jsonl"
    due = [said("1", "keep"), said("2", "edit", text="two\nlines \u00fc \u2028"), said("1", "relabel", label="y")]
    for one in due:
        append_decision(path, one)
    assert read_decisions(path) == due
    assert path.read_bytes().count(b"\n") == 3
    assert "text" not in json.loads(path.read_text().splitlines()[0])


def test_a_line_cut_by_a_kill_does_not_take_the_next_one_with_it(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    append_decision(path, said("1", "keep"))
    with path.open("ab") as stream:
        stream.write(b'{"row": "2", "deci')
    append_decision(path, said("3", "drop"))
    assert path.read_text().splitlines()[2] == json.dumps(
        {"decision": "drop", "reviewer": "ada", "row": "3", "time": TIME}
    )
    with pytest.raises(DataError, match=r"decisions\.jsonl, line 2"):
        read_decisions(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"decision": "maybe"}, "decision 'maybe' is not known; known: keep, drop, edit, relabel"),
        ({"decision": "edit"}, "'edit' needs the field 'text'"),
        ({"decision": "relabel"}, "'relabel' needs the field 'label'"),
        ({"reviewer": 3}, "'reviewer' should be text, got int"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_mistakes_are_told_by_file_and_line(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    path = tmp_path / "decisions.jsonl"
    whole = {"row": "1", "decision": "keep", "reviewer": "ada", "time": TIME}
    path.write_text("\n".join(json.dumps(line) for line in (whole, whole | change)))
    with pytest.raises(DataError, match=f"decisions.jsonl, line 2: {told}"):
        read_decisions(path)


def test_the_last_word_of_a_reviewer_counts() -> None:
    found = latest([said("1", "keep"), said("1", "drop", "bob"), said("1", "edit", text="t")])
    assert {name: one.decision for name, one in found["1"].items()} == {"ada": "edit", "bob": "drop"}


def test_agreement_of_two_is_cohens_kappa_over_all_kinds() -> None:
    """Cohen's own arithmetic by hand: 10 rows, p0 = 0.7, pe = 0.5 · 0.4 + 0.3 · 0.4 + 0.2 · 0.2 = 0.36."""
    both = ["kk"] * 4 + ["dd"] * 2 + ["ee"] + ["kd"] + ["de"] + ["ed"]
    kinds = {"k": {"decision": "keep"}, "d": {"decision": "drop"}, "e": {"decision": "edit", "text": "t"}}
    made = [
        Decision(row=str(n), reviewer=who, time=TIME, **kinds[sign])  # type: ignore[arg-type]
        for n, pair in enumerate(both)
        for who, sign in zip(("ada", "bob"), pair, strict=True)
    ]
    (one,) = agreements([*made, said("alone", "keep")])
    assert (one.reviewers, one.num_rows, one.differ) == (("ada", "bob"), 10, ("7", "8", "9"))
    assert one.share == pytest.approx(0.7)
    assert one.kappa.value == pytest.approx((0.7 - 0.36) / (1 - 0.36))
    assert one.kappa.interval.low < one.kappa.value < one.kappa.interval.high


def test_a_relabel_to_another_label_is_no_agreement() -> None:
    (one,) = agreements([said("1", "relabel", label="x"), said("1", "relabel", "bob", label="y")])
    assert one.share == 0


def test_what_all_say_holds_and_an_arbiter_settles_the_rest() -> None:
    keep, drop = said("1", "keep"), said("1", "drop", "bob")
    assert settled({"ada": keep, "carl": said("1", "keep", "carl")}, None) == keep
    assert settled({"ada": keep, "bob": drop}, None) is None
    assert settled({"ada": keep, "bob": drop}, "bob") == drop
    edits = {"ada": said("1", "edit", text="s"), "bob": said("1", "edit", "bob", text="t")}
    assert settled(edits, None) is None


def test_what_becomes_of_a_row() -> None:
    assert applied(ROW, said("1", "keep"), label="label") is ROW
    assert applied(ROW, said("1", "drop"), label="label") is None
    changed = applied(ROW, said("1", "edit", text="b"), label="label")
    assert changed is not None
    assert (changed.prompt, changed.reference, changed.group) == (ROW.prompt, "b", "g")
    named = applied(ROW, said("1", "relabel", label="y"), label="label")
    assert named is not None
    assert named.facts == {"label": "y"}
    assert len({ROW.id, changed.id, named.id}) == 3
    plain = applied(Sample.of(text="a"), said("1", "edit", text="b"), label="label")
    assert plain is not None
    assert plain.text == "b"
