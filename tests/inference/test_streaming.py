"""Texts written token by token are those that the engine's batches write, alone or beside others."""

import pytest

from finetune_lab.inference.streaming import Conversations, _Text, say, stream
from finetune_lab.records import Decoding

ASKED = ["hello", "Plan a day for two in the harbour town, please.", "What is a lantern?", "Count from one to five."]
PROMPTS = {str(n): [{"role": "user", "content": text}] for n, text in enumerate(ASKED)}
GREEDY = Decoding(max_new_tokens=24)


@pytest.fixture(scope="module")
def engine(tiny_engine):
    return tiny_engine("none")


def expected(engine, decoding):
    """Each answered alone, so that no padding is in it."""
    return {name: next(iter(engine.generate({name: turns}, decoding))) for name, turns in PROMPTS.items()}


def written(pieces):
    found = {}
    for piece in pieces:
        found.setdefault(piece.name, []).append(piece)
    return {name: "".join(piece.text for piece in listed) for name, listed in found.items()}, {
        name: listed[-1] for name, listed in found.items()
    }


@pytest.mark.parametrize(
    "decoding",
    [
        GREEDY,
        Decoding(max_new_tokens=12, temperature=0.9, top_p=0.9, top_k=40, seed=3),
        Decoding(max_new_tokens=24, repetition_penalty=1.3, no_repeat_ngram=2),
    ],
    ids=["greedy", "sampled", "penalised"],
)
def test_one_text_is_what_the_engine_writes(engine, decoding):
    for name, answer in expected(engine, decoding).items():
        texts, last = written(stream(engine, engine.chat.prompt(PROMPTS[name]), decoding, name))
        assert texts[name] == answer.text
        assert (last[name].num_tokens, last[name].finish) == (answer.num_tokens, answer.finish)
        assert last[name].num_prompt_tokens == answer.num_prompt_tokens


def test_texts_join_while_others_are_written(engine):
    due = expected(engine, GREEDY)
    texts, pieces = Conversations(engine), []
    waiting = dict(PROMPTS)
    while waiting or len(texts):
        if waiting:  # one more at every third step: shorter and longer ones than those that are there
            name = next(iter(waiting))
            pieces.append(texts.join(name, engine.chat.prompt(waiting.pop(name)), GREEDY))
        for _ in range(3):
            pieces += texts.step()
    assert written(pieces)[0] == {name: answer.text for name, answer in due.items()}


def test_one_that_leaves_changes_nothing_for_the_others(engine):
    due = expected(engine, GREEDY)
    texts = Conversations(engine)
    pieces = [texts.join(name, engine.chat.prompt(turns), GREEDY) for name, turns in PROMPTS.items()]
    pieces += texts.step()
    texts.leave("1")  # the longest, so that padding goes with it
    assert len(texts) == 3
    while len(texts):
        pieces += texts.step()
    found, last = written(pieces)
    assert last["1"].finish is None
    assert {name: found[name] for name in "023"} == {name: due[name].text for name in "023"}
    assert texts.step() == []


def test_pieces_never_split_a_character(engine):
    chat = engine.chat
    sentence = "héllo – 日本 🦉!"
    ids = chat.tokenizer(sentence, add_special_tokens=False)["input_ids"]

    text = _Text("a", [0], 1, Decoding(max_new_tokens=len(ids)), [])
    pieces = []
    for token in ids:
        text.take(token, frozenset())
        pieces.append(text.piece(chat).text)
    assert "".join(pieces) == sentence
    assert all("\ufffd" not in piece for piece in pieces)
    assert len([piece for piece in pieces if piece]) > 5


def test_say_gives_the_text(engine):
    assert "".join(say(engine, PROMPTS["0"], GREEDY)) == expected(engine, GREEDY)["0"].text
