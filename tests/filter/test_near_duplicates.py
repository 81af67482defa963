"""Near duplicates: who goes, for whom, how sure; families share a split; a command line that does it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune_lab.errors import ConfigError
from finetune_lab.preparing.pipeline import read_split


@pytest.fixture
def chosen(lab: Any) -> Any:
    return lambda *options: lab("filter@data.filters=[near_duplicates]", *options).data.filters["near_duplicates"]


def sentences(num: int, *, length: int = 30) -> list[list[str]]:
    rng = np.random.default_rng(0)
    return [[f"w{word}" for word in rng.integers(0, 100_000, length)] for _ in range(num)]


def test_a_changed_word_at_the_end_is_near_and_three_in_the_middle_are_not(chosen: Any, candidate: Any) -> None:
    (base,) = sentences(1)
    end, middle = [*base[:-1], "other"], [*base[:5], "x", *base[6:15], "y", *base[16:25], "z", *base[26:]]
    verdicts = chosen().keep([candidate(prompt=" ".join(words), answer="a") for words in (base, end, middle)])
    assert [v.reason for v in verdicts] == [None, "near duplicate", None]
    # 31 words with the answer: 29 runs of three; the last word of the prompt stands in two of them
    assert verdicts[1].detail == f"Jaccard {27 / 31:.3f} with rows.jsonl, line 1"


def test_characters_find_what_words_do_not(chosen: Any, candidate: Any) -> None:
    signs = "".join(chr(0x3042 + 2 * number) for number in range(40))  # a sentence without spaces
    texts = [signs + end for end in ("\u65e5", "\u672c")]
    rows = [candidate(text=text) for text in texts]
    assert [v.reason for v in chosen().keep(rows)] == [None, None]
    options = [f"data.filters.near_duplicates.{o}" for o in ("unit=character", "size=2")]
    assert [v.reason for v in chosen(*options).keep(rows)] == [None, "near duplicate"]


def test_what_cannot_be_promised_is_told(chosen: Any) -> None:
    with pytest.raises(ConfigError, match="too few"):
        chosen("data.filters.near_duplicates.threshold=0.05")


def test_families_share_a_split_and_rows_added_later_move_none(lab: Any, tmp_path: Path) -> None:
    bases = sentences(60)
    rows = [" ".join([*base, extra]) for extra in ("one", "two", "three") for base in bases]
    line = ["data=jsonl", f"data.path={tmp_path / 'rows.jsonl'}", "filter@data.filters=[near_duplicates]"]
    line += ["data.filters.near_duplicates.action=keep_together"]
    line += ["data.split={train: 0.5, validation: 0.25, test: 0.25, seed: 1}"]

    def prepared(name: str, texts: list[str]) -> dict[str, str]:
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        (tmp_path / name).mkdir()
        note = lab(*line).data.prepare(tmp_path / name)
        assert note["dropped"] == {}
        return {r.text: s for s in ("train", "validation", "test") for r in read_split(tmp_path / name, s)}

    first, later = prepared("a", rows[:120]), prepared("b", rows)
    for base in bases:
        assert len({split for text, split in later.items() if text.startswith(" ".join(base))}) == 1
    assert first.items() <= later.items()


def test_a_command_line_drops_and_counts(lab: Any, tmp_path: Path) -> None:
    rows = [{"question": " ".join(base), "answer": f"{n}"} for base in sentences(40) for n in range(2)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = lab("data=jsonl", f"data.path={path}", "filter@data.filters=[near_duplicates]")
    (tmp_path / "out").mkdir()
    note = made.data.prepare(tmp_path / "out")
    assert note["dropped"] == {"near_duplicates: near duplicate": 40}
