"""distinct-n and self-BLEU: their definitions, their limits, words of any script, and sacrebleu as a second opinion."""

from random import Random

import pytest

from finetune_lab.text.diversity import distinct, grams, self_bleu, words

TEXTS = [
    "the cat sat on the mat",
    "the dog sat on the rug",
    "a bird sang",
    "the cat sat on the mat today and slept",
    "rain",
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It's naïve, isn't it?", ["it's", "naïve", ",", "isn't", "it", "?"]),
        ("我喜欢 tea。", ["我", "喜", "欢", "tea", "。"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("a_b 12.5", ["a_b", "12", ".", "5"]),
        (" \n", []),
    ],
)
def test_words_of_any_script(text, found):
    assert words(text) == found


def test_distinct_is_the_share_of_different_ngrams():
    texts = [words(text) for text in TEXTS]
    everything = [gram for tokens in texts for gram in grams(tokens, 2)]
    value, left_out = distinct(texts, 2)
    assert value == pytest.approx(len(set(everything)) / len(everything))
    for place in range(len(texts)):
        assert left_out[place] == pytest.approx(distinct(texts[:place] + texts[place + 1 :], 2)[0])


def test_where_no_ngram_is_left_distinct_is_unknown():
    assert distinct([[], ["one"]], 2) == (None, [None, None])
    assert distinct([["a", "b"], []], 2)[1] == [None, 1.0]


def test_self_bleu_is_one_for_copies_and_nought_for_strangers():
    assert self_bleu([words("a b c d e")] * 3, 4) == pytest.approx([1.0, 1.0, 1.0])
    assert self_bleu([words("a b c d e"), words("f g h i j")], 4) == [0.0, 0.0]
    assert self_bleu([words("a b"), []], 4) == [None, None]
    assert self_bleu([], 4) == []


def test_self_bleu_is_what_sacrebleu_finds():
    metrics = pytest.importorskip("sacrebleu.metrics")
    random = Random(0)
    texts = [words(text) for text in TEXTS]
    texts += [[random.choice("abcdef") for _ in range(random.randint(1, 25))] for _ in range(30)]
    found = self_bleu(texts, 4)
    metric = metrics.BLEU(smooth_method="add-k", smooth_value=1, tokenize="none", effective_order=False)
    for place, tokens in enumerate(texts):
        others = [" ".join(other) for number, other in enumerate(texts) if number != place]
        assert found[place] == pytest.approx(metric.sentence_score(" ".join(tokens), others).score / 100, abs=1e-9)
