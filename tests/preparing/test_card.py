"""The data card says what happened to every row, and what rows say opens nothing in it."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from finetune_lab.preparing.figures import bars, histogram
from finetune_lab.preparing.licence import UNKNOWN, licence_beside
from finetune_lab.preparing.pipeline import convert, write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.splitting import Split

SPLIT = Split(train=0.5, validation=0.25, test=0.25, seed=3)
EVIL = "![x](http://evil/x.png) | <script>alert(1)</script> `code` \x1b[31m # head\n| a | b |"


def rows() -> list[Row]:
    fields = [{"question": f"q {n % 20}", "answer": "a" * (n + 1), "label": "ab"[n % 2]} for n in range(40)]
    fields += [{"question": "q 1", "answer": "aa", "label": "b"}, {"question": EVIL, "answer": EVIL, "label": EVIL}]
    return [Row(fields=one, place=f"line {n}") for n, one in enumerate(fields)]


@pytest.fixture
def card(tmp_path: Path) -> str:
    write_splits(tmp_path, convert(rows(), facts=("label",)), SPLIT, {"source": "rows | <b>", "licence": "cc0-1.0"})
    return (tmp_path / "data_card.md").read_text(encoding="utf-8")


def test_it_says_what_was_read_dropped_and_kept(card: str, tmp_path: Path) -> None:
    assert "| reading | 42 | 41 | 1 stands twice |" in card
    assert "- licence: cc0\\-1\\.0" in card or "- licence: cc0\\-1.0" in card
    kept = {
        name: len((tmp_path / f"{name}.jsonl").read_text().splitlines()) for name in ("train", "validation", "test")
    }
    for name, num in kept.items():
        assert f"| {name} | {num} | " in card
    assert re.search(r"\| label \| a \| 20 \| 48\.8% \|", card)
    assert "20 rows repeat an earlier one" in card
    assert card.count("answer, characters") == 3


def test_what_rows_say_opens_nothing(card: str) -> None:
    bare = re.sub(r"(`+) .*? \1(?!`)", "", card)  # what stands in code opens nothing
    assert "<script" not in bare
    assert "](http" not in bare
    assert "\x1b" not in card
    assert all(
        line.count("|") - line.count("\\|") in (0, 5, 6, 7) for line in bare.splitlines() if line.startswith("|")
    )
    assert "rows \\| &lt;b\\>" in bare


def test_figures_are_svg_with_every_row_in_a_bar(card: str, tmp_path: Path) -> None:
    assert card
    for name in ("lengths.svg", "labels.svg"):
        tree = ElementTree.fromstring((tmp_path / name).read_text())
        titles = [int(one.text or 0) for one in tree.iter("{http://www.w3.org/2000/svg}title")]
        assert sum(titles) == {"lengths.svg": 2 * 41, "labels.svg": 41}[name]


@pytest.mark.parametrize("values", [[], [0], [1, 1, 1], [5, 10_000_000]])
def test_figures_of_odd_lengths(values: list[int]) -> None:
    text = histogram({"a": values, "b": values}, title="<t>", unit="x")
    titles = [int(one.text or 0) for one in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}title")]
    assert sum(titles) == 2 * len(values)
    ElementTree.fromstring(bars({}, title="none"))


def test_the_same_rows_in_another_folder_have_the_same_card_and_digest(tmp_path: Path) -> None:
    notes, cards = [], []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        notes.append(write_splits(tmp_path / name, convert(rows(), facts=("label",)), SPLIT, {"source": "x"}))
        cards.append((tmp_path / name / "data_card.md").read_text())
    assert notes[0] == notes[1]
    assert cards[0] == cards[1]
    assert f"- digest: {notes[0]['digest']}" in cards[0]
    changed = [*rows()[:-1], Row(fields={**rows()[-1].fields, "answer": EVIL + "."}, place="x")]
    other = write_splits(tmp_path, convert(changed, facts=("label",)), SPLIT, {"source": "x"})
    assert other["digest"] != notes[0]["digest"]
    assert json.dumps(notes[0])


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"README.md": "---\nlicense: mit\n---\n"}, "mit"),
        ({"README.md": "---\npretty_name: x\nlicense:\n- cc-by-4.0\n---\n"}, "cc-by-4.0"),
        ({"README.md": "# license: mit\n", "LICENSE": "\nMIT License\n"}, "MIT License"),
        ({"README.md": "---\nx: y\n---\nlicense: mit\n"}, UNKNOWN),
        ({"README.md": "---\nlicense:"}, UNKNOWN),
        ({}, UNKNOWN),
    ],
)
def test_the_licence_is_what_files_beside_the_data_say(files: dict[str, str], found: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert licence_beside(tmp_path / "rows.jsonl") == found
