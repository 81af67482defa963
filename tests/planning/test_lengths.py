"""Lengths before anything is tokenised, and the passes that a training will make."""

import json
from pathlib import Path

from finetune_lab.planning.lengths import guessed, largest_evaluation, updates
from finetune_lab.planning.outline import Outline
from finetune_lab.training.finetune import Schedule
from finetune_lab.training.order import row_order


def test_a_guess_by_bytes_holds_the_counted_length(lab, tmp_path):
    made = lab("data.max_rows=60")
    chat, rows = made.model.chat(), made.split("train")
    longest = max(len(chat.conversation(row).ids) for row in rows)
    found = guessed(made.data_folder / "train.jsonl", max_length=10_000)
    assert found.num_rows == len(rows)
    assert found.shortest_guess <= longest
    assert found.shortest_guess < found.longest
    assert guessed(made.data_folder / "train.jsonl", max_length=50).longest == 50


def test_a_row_of_text_and_strange_letters_is_measured_in_bytes(tmp_path: Path):
    row = {"id": "a", "messages": [], "text": "é" * 4000}
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert guessed(tmp_path / "train.jsonl", max_length=10_000).longest == 2001


def test_updates_are_the_batches_that_the_trainer_makes():
    lengths = [5, 9, 3, 7, 2, 8, 4, 6, 1, 10]
    found = updates(lengths, batch_size=2, accumulation=2, num_steps=5, seed=3)
    order = row_order(lengths, batch_size=4, num_batches=5, seed=3)
    assert [row for one in found for row in one.rows] == order
    for one in found:
        halves = one.rows[:2], one.rows[2:]
        assert one.cells == tuple(2 * max(lengths[row] for row in half) for half in halves)


def test_the_outline_counts_updates_as_the_training_does(lab):
    method = lab("method.max_steps=null", "method.epochs=1.5").method
    outline: Outline = method.outline()
    schedule = Schedule(**{name: getattr(method, name) for name in Schedule.__dataclass_fields__})
    assert [outline.num_steps(rows) for rows in (1, 8, 100)] == [schedule.num_steps(rows) for rows in (1, 8, 100)]


def test_the_largest_pass_over_validation_rows_need_not_be_the_last():
    assert largest_evaluation([3, 9, 4, 5, 2], 2) == [2, 3]  # 2 and 3, then 4 and 5, then 9 alone
    assert largest_evaluation([3, 90, 4, 5, 2], 2) == [1]
    assert largest_evaluation([], 2) == []
