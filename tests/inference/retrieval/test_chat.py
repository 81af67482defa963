"""Examples before a prompt: whole or not there, within their room, never the row itself, and never scored."""

from dataclasses import replace

import pytest

from finetune_lab.errors import DataError
from finetune_lab.inference.retrieval.chat import ExampleChat, Shots, context_tokens, with_chat, with_examples
from finetune_lab.inference.retrieval.examples import examples_of
from finetune_lab.inference.retrieval.index import read_index, write_index
from finetune_lab.records import Decoding, Sample, Tokens
from finetune_lab.text.chat import Chat

SHOTS = Shots(
    num_examples=2,
    least_similarity=-1.0,
    order="nearest_last",
    budget_tokens=10_000,
    answer_tokens=10,
    context_tokens=None,
)


def row(asked, answer, system=None):
    opening = [{"role": "system", "content": system}] if system else []
    return Sample.of(messages=[*opening, {"role": "user", "content": asked}, {"role": "assistant", "content": answer}])


ROWS = [
    row("sail a red boat", "red"),
    row("sail a blue boat today", "blue" * 20),
    row("bake a brown bread", "brown"),
    row("bake a white bread", "white", system="be a baker"),
    row("sail a boat and bake a bread", "both"),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    write_index(folder, examples_of(ROWS), embed=None, width=64)
    return read_index(folder, embed=None, searcher="numpy")


@pytest.fixture
def chat(fake_model, index):
    """A chat with examples over the fake: `chat(num_examples=1)`."""
    return lambda **changes: ExampleChat(fake_model().chat, index, replace(SHOTS, **changes))


def asks(text, system=None):
    return row(text, "", system).prompt


def test_the_nearest_stand_before_the_prompt_and_behind_the_system_message(chat):
    own = chat()
    prompt = asks("sail a red boat now", system="be brief")
    assert own.prompt(prompt) == own.inner.prompt([prompt[0], *ROWS[1].messages, *ROWS[0].messages, prompt[1]])
    first = chat(order="nearest_first")
    assert first.prompt(prompt) == first.inner.prompt([prompt[0], *ROWS[0].messages, *ROWS[1].messages, prompt[1]])


def test_an_example_without_room_is_left_out_whole_and_told(chat):
    asked = asks("sail a blue boat")  # the nearest has 80 letters of an answer
    bare = len(chat().inner.prompt(asked))
    wide, tight = chat(budget_tokens=200), chat(budget_tokens=60)
    assert {one.sample for one in wide.chosen(asked)} == {ROWS[1].id, ROWS[0].id}
    assert [one.sample for one in tight.chosen(asked)] == [ROWS[0].id]
    assert len(tight.prompt(asked)) <= bare + 60
    (line,) = tight.told.lines(tight.shots)
    assert line.startswith("2 of 2 prompts have fewer than 2 examples: no more fit into 60 tokens")
    assert wide.told.lines(wide.shots) == []


def test_the_answer_keeps_its_room_and_the_prompt_is_never_cut(chat):
    asked = asks("sail a red boat now")
    bare = chat().inner.prompt(asked)
    for context in range(len(bare) - 5, len(bare) + 200, 7):
        own = chat(context_tokens=context)
        ids = own.prompt(asked)
        assert ids[-len(bare) + 1 :] == bare[1:]
        assert ids == bare or len(ids) + SHOTS.answer_tokens <= context


def test_the_row_itself_is_no_example_for_itself(chat):
    own = chat(num_examples=5)
    assert ROWS[0].id not in [one.sample for one in own.chosen(ROWS[0].prompt)]
    assert own.told.lines(own.shots) == [
        "1 examples were left out, since they ask the very question and hold its answer"
    ]


def test_what_is_less_alike_than_wanted_is_told(chat):
    own = chat(least_similarity=0.99)
    assert own.prompt(asks("fly a kite")) == own.inner.prompt(asks("fly a kite"))
    assert "no more are like them (a cosine of 0.99 or more)" in own.told.lines(own.shots)[0]


@pytest.mark.parametrize("turns", [1, 2])
def test_only_the_answers_of_the_row_itself_are_scored(chat, turns):
    own = chat()
    asked = row("sail a red boat now", "yes!", system="x")
    if turns == 2:
        asked = Sample.of(
            messages=[*asked.messages, {"role": "user", "content": "bake"}, {"role": "assistant", "content": "ok"}]
        )
    bare, tokens = own.inner.conversation(asked), own.conversation(asked)
    assert len(tokens.ids) > len(bare.ids)
    due = [token for token, target in zip(bare.ids, bare.targets, strict=True) if target]
    assert [token for token, target in zip(tokens.ids, tokens.targets, strict=True) if target] == due
    assert (tokens.sample, sum(tokens.targets)) == (asked.id, sum(bare.targets))
    prompt = own.inner.prompt(with_examples(asked.prompt, own.chosen(asked.prompt), "nearest_last"))
    assert list(tokens.ids) == [*prompt, *own.inner._bytes(asked.reference), 4]


def test_a_row_with_a_longer_answer_than_foreseen_has_fewer_examples(chat):
    asked = row("sail a red boat now", "y" * 300)
    bare = len(chat().inner.conversation(asked).ids)
    own = chat(context_tokens=bare + 60)
    assert len(own.chosen(asked.prompt)) == 2
    tokens = own.conversation(asked)
    assert bare < len(tokens.ids) <= bare + 60


def test_what_scores_the_question_too_and_plain_text_have_no_examples(chat):
    own, asked, text = chat(), row("sail a red boat now", "yes"), Sample.of(text="sail a red boat")
    assert own.everything(asked) == own.inner.everything(asked)
    assert own.conversation(text) == own.document(text) == own.inner.document(text)


def test_a_template_that_runs_answers_together_is_refused(chat):
    own = chat()

    class Together(type(own.inner)):
        def conversation(self, sample):
            ids = super().conversation(sample).ids
            return Tokens(sample=sample.id, ids=ids, targets=(False, *[True] * (len(ids) - 1)))

    with pytest.raises(DataError, match="runs answers together"):
        replace(own, inner=Together()).conversation(row("sail a red boat now", "yes"))


def test_every_reader_of_the_model_sees_the_examples_and_the_model_keeps_its_chat(fake_model, chat):
    model, own = fake_model(), chat()
    seen = with_chat(model, own)
    (answer,) = seen.generate({"a": asks("sail a red boat now")}, Decoding(max_new_tokens=50))
    assert answer.num_prompt_tokens == len(own.prompt(asks("sail a red boat now")))
    bare, told = (one.hidden({"a": asks("sail a red boat now")}, "mean") for one in (model, seen))
    assert not bare.equal(told)
    assert not isinstance(model.chat, ExampleChat)
    assert context_tokens(model) is None


def test_with_a_real_tokenizer_and_template(tiny_engine, index):
    engine = tiny_engine("none")
    own = ExampleChat(engine.chat, index, replace(SHOTS, context_tokens=context_tokens(engine)))
    assert own.shots.context_tokens == 2048
    asked = row("sail a red boat now", "a red one")
    tokens = own.conversation(asked)
    prompt = own.prompt(asked.prompt)
    assert list(tokens.ids[: len(prompt)]) == prompt
    assert own.decode([i for i, target in zip(tokens.ids, tokens.targets, strict=True) if target]) == "a red one"
    assert not any(tokens.targets[: len(prompt)])
    assert own.render(asked.prompt, answering=True).count("sail a red boat") == 2
    assert own.render(asked.prompt) == engine.chat.render(asked.prompt)
    assert own.end_tokens == engine.chat.end_tokens
    assert own.with_options({"enable_thinking": True}).inner.options == {"enable_thinking": True}
    (nll,) = with_chat(engine, own).nll([tokens])
    assert nll.num_tokens == sum(tokens.targets)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("tokenizer", "options"),
    [("llama3", {}), ("phi3_mini", {}), ("qwen3", {"enable_thinking": False}), ("qwen3", {"enable_thinking": True})],
)
def test_under_other_people_s_templates_only_the_own_answer_is_scored(realdata, index, tokenizer, options):
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(realdata / "tokenizers" / tokenizer)
    own = ExampleChat(Chat.of(loaded, None, options), index, SHOTS)
    asked = row("sail a red boat now", "a red one", system=None if tokenizer == "phi3_mini" else "be brief")
    tokens, bare = own.conversation(asked), own.inner.conversation(asked)
    scored, due = (
        own.decode([i for i, target in zip(found.ids, found.targets, strict=True) if target])
        for found in (tokens, bare)
    )
    assert scored.strip() == due.strip() == "a red one"
    prompt = own.prompt(asked.prompt)
    assert own.decode(prompt).count("sail a") == 3
    if not options.get("enable_thinking"):
        assert list(tokens.ids[: len(prompt)]) == prompt
