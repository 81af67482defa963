"""Semantic duplicates by TF-IDF and by a real sentence-transformers model; blocks are no part of the identity."""

from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import WorldError
from finetune_lab.filter.semantic_duplicates import SemanticDuplicates
from finetune_lab.fingerprint import fingerprint

CHOICE = "filter@data.filters=[semantic_duplicates]"


@pytest.fixture
def chosen(lab: Any) -> Any:
    def make(*options: str) -> SemanticDuplicates:
        given = [f"data.filters.semantic_duplicates.{option}" for option in options]
        found: SemanticDuplicates = lab(CHOICE, *given).data.filters["semantic_duplicates"]
        return found

    return make


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence-transformers folder: a small BERT of random weights, and the mean of its states."""
    sentence = pytest.importorskip("sentence_transformers", reason="pip install .[embeddings]")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("embedder")
    vocabulary = {name: i for i, name in enumerate(["[PAD]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz"])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    fast.save_pretrained(folder / "inner")
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder / "inner")
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    parts = [Transformer(str(folder / "inner"), max_seq_length=32), Pooling(32, pooling_mode="mean")]
    sentence.SentenceTransformer(modules=parts, device="cpu").save_pretrained(str(folder / "whole"))
    return folder / "whole"


TEXTS = ["how do I cook rice in a pan", "in a pan, how do I cook rice?", "where is the station", "the station is where"]


def test_the_same_words_in_another_order(chosen: Any, candidate: Any) -> None:
    verdicts = chosen().keep([candidate(text=text) for text in TEXTS])
    assert [v.reason for v in verdicts] == [None, "semantic duplicate", None, "semantic duplicate"]
    assert verdicts[1].detail == "cosine 1.000 with rows.jsonl, line 1"


def test_kept_together(chosen: Any, candidate: Any) -> None:
    rows = [candidate(text=text) for text in TEXTS]
    verdicts = chosen("action=keep_together").keep(rows)
    assert [v.like for v in verdicts] == [None, rows[0].sample.id, None, rows[2].sample.id]


def test_blocks_change_no_verdict_and_no_identity(chosen: Any, candidate: Any) -> None:
    rows = [candidate(text=text) for text in TEXTS]
    assert chosen("block_rows=1").keep(rows) == chosen("block_rows=3").keep(rows)
    assert fingerprint(chosen("block_rows=1")) == fingerprint(chosen("block_rows=3"))
    assert fingerprint(chosen("above=0.8")) != fingerprint(chosen())


def test_an_embedder_of_ones_own(chosen: Any, candidate: Any, embedder: Path) -> None:
    one = chosen(f"embedder={embedder}", "above=0.999")
    texts = ["a b c d", "x y z", "A b, c d!", "a b c d"]
    verdicts = one.keep([candidate(text=text) for text in texts])
    assert [v.reason for v in verdicts][::3] == [None, "semantic duplicate"]
    assert fingerprint(one) != fingerprint(chosen("above=0.999"))


def test_an_embedder_is_its_content_and_not_its_place(chosen: Any, embedder: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(embedder, tmp_path / "copy")
    assert fingerprint(chosen(f"embedder={copy}")) == fingerprint(chosen(f"embedder={embedder}"))


def test_no_embedder_there(chosen: Any, candidate: Any, tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="no sentence-embedding model"):
        chosen(f"embedder={tmp_path}").keep([candidate(text="a")])
