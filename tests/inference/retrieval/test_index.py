"""The index: on disk and back, the same neighbours by FAISS and by numpy, and never the answer to the very question."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from finetune_lab.errors import DataError, WorldError
from finetune_lab.inference.retrieval import index as indexes
from finetune_lab.inference.retrieval.examples import examples_of
from finetune_lab.inference.retrieval.index import check_searcher, read_index, write_index
from finetune_lab.records import Sample

CITIES = ("Netherby", "Harrow", "Stonegate", "Milltown", "Overlea")
THEMES = ("birds", "trains", "bread", "bridges", "gardens", "songs")


def ask(text):
    return [{"role": "user", "content": text}]


@pytest.fixture
def examples():
    rows = [
        Sample.of(messages=[*ask(f"Plan a {theme} day in {city}"), {"role": "assistant", "content": f"{theme} {city}"}])
        for theme in THEMES
        for city in CITIES
    ]
    return examples_of(rows)


@pytest.fixture
def made(examples, tmp_path):
    """Make an index in a folder and read it: `made(width=8, searcher="numpy")`."""

    def make(*, width=8, searcher="numpy"):
        write_index(tmp_path, examples, embed=None, width=width)
        return read_index(tmp_path, embed=None, searcher=searcher)

    return make


@pytest.mark.parametrize("width", [8, 256])
def test_the_nearest_share_the_words(made, width):
    found, own = made(width=width).nearest(ask("We want a bread day in Harrow"), 3, -1.0)
    assert own == 0
    assert found[0].example.answer == "bread Harrow"
    assert [one.cosine for one in found] == sorted((one.cosine for one in found), reverse=True)


def test_the_very_question_is_left_out_and_counted(made, examples):
    index = made()
    found, own = index.nearest(ask("plan a bread  day in Harrow"), 3, -1.0)
    assert (len(found), own) == (3, 1)
    assert "bread Harrow" not in [one.example.answer for one in found]


def test_what_is_not_like_enough_is_no_example(made):
    index = made()
    assert index.nearest(ask("Quantum chromodynamics"), 3, 0.1) == ([], 0)
    found, _ = index.nearest(ask("Plan a bread day in Paris"), 30, 0.6)
    assert 0 < len(found) < 30
    assert min(one.cosine for one in found) >= 0.6


@pytest.mark.skipif(find_spec("faiss") is None, reason="pip install .[faiss]")
def test_faiss_finds_what_numpy_finds(made, examples, monkeypatch):
    asked = [ask(f"{theme} {city}") for theme in THEMES for city in (*CITIES, "Paris")]
    one, other = made(searcher="numpy"), made(searcher="faiss")
    monkeypatch.setattr(indexes, "_BLOCK_ROWS", 7)
    for messages in asked:
        by_numpy, by_faiss = one.nearest(messages, 7, -1.0), other.nearest(messages, 7, -1.0)
        assert by_numpy == by_faiss


def test_without_faiss_auto_is_numpy_and_asking_for_it_is_told(made, monkeypatch):
    before = made(searcher="numpy").nearest(ask("bread in Harrow"), 4, -1.0)
    monkeypatch.setattr(indexes, "find_spec", lambda name: None)
    assert made(searcher="auto").nearest(ask("bread in Harrow"), 4, -1.0) == before
    check_searcher("auto")
    with pytest.raises(WorldError, match="numpy finds the same"):
        check_searcher("faiss")


def test_the_files_hold_no_code_and_are_the_same_each_time(examples, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_index(tmp_path / name, examples, embed=None, width=8)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["directions.safetensors", "examples.jsonl", "vectors.safetensors", "words.json"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_embedder_is_opened_for_the_first_question_alone(examples, tmp_path):
    opened = []

    def opening():
        opened.append(1)
        return lambda texts: np.array([[len(text), 1.0] for text in texts], dtype=np.float32)

    write_index(tmp_path, examples, embed=opening, width=8)
    assert not (tmp_path / "words.json").exists()
    index = read_index(tmp_path, embed=opening, searcher="numpy")
    assert opened == [1]
    index.nearest(ask("a"), 2, -1.0)
    index.nearest(ask("b"), 2, -1.0)
    assert opened == [1, 1]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("vectors.safetensors", b"torn", "vectors.safetensors: cannot be read"),
        ("examples.jsonl", b"", "0 examples and 30 vectors"),
        ("examples.jsonl", b"{\n{}\n", "examples.jsonl, line 1: not JSON"),
        ("words.json", json.dumps(["a"]).encode(), "1 words and weights of"),
    ],
)
def test_a_torn_index_is_told(made, tmp_path, name, content, told):
    made()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_index(tmp_path, embed=None, searcher="numpy")
