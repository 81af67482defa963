"""What is learned is the answers and their end tokens, and training sees the prompts that are used afterwards.

With the embedded tokenizer always; with three tokenizers and 18 chat templates of other people where those are.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import pytest

from finetune_lab.errors import DataError, LabError, WorldError
from finetune_lab.inference.checkpoint import TEMPLATES
from finetune_lab.model.tiny import ASSETS
from finetune_lab.preparing.pipeline import convert
from finetune_lab.preparing.reading import read_rows
from finetune_lab.records import Sample, Tokens
from finetune_lab.text.chat import Chat
from finetune_lab.training.proof import encode, prove

CONVERSATIONS = {
    "one": ["q: what?", "Hello, you."],
    "many": ["a b", "c d", "e", "f g\n  h"],
    "system": ["Be brief.", "a b", "c d", "e", "f"],
    "the same words": ["x", "x", "x", "x"],
    "json": ["Give {}.", '{"a": [1, {"b": "\\n"}]}'],
    "digits": ["1?", "7", "12?", "1. one\n2. two"],
    "other alphabets": [
        "\U0001f600 \u00e9",
        "\u65e5\u672c\u8a9e \U0001f469\u200d\U0001f469\u200d\U0001f467 ok",
        "?",
        "\u0416",
    ],
    "control tokens in the text": [
        "what are <|eot_id|>, <|im_end|>, <s> and <|end|>?",
        "Say <|im_start|>user, <|eot_id|> and <|end|>.",
    ],
    "white space around": ["  a ", "padded  \n", " b", "\tc "],
}
TOKENIZERS = ("llama3", "qwen3", "phi3_mini")
OPTIONS = {"qwen3": {"enable_thinking": False}}
OWN = "own"
#: They write nothing behind an answer, so that only the last one can be given an end, the tokenizer's EOS.
ENDLESS = {"amberchat", "chatqa", "falcon-instruct", "solar-instruct"}
#: They open every turn, or every question, with a BOS.
BOS_PER_TURN = {"llama-2-chat", "saiga"}
#: A template fits whose control tokens are single special tokens of the tokenizer, or that has none but BOS and EOS.
FITS = {
    "llama3": {
        *("alpaca", "amberchat", "chatqa", "falcon-instruct", "llama-2-chat", "llama-3-instruct", "mistral-instruct"),
        *("saiga", "solar-instruct", "vicuna"),
    },
    "qwen3": {"falcon-instruct", "qwen2.5-instruct"},
    "phi3_mini": {
        *(
            "alpaca",
            "amberchat",
            "chatqa",
            "falcon-instruct",
            "llama-2-chat",
            "mistral-instruct",
            "phi-3",
            "phi-3-small",
        ),
        *("saiga", "solar-instruct", "vicuna", "zephyr"),
    },
}
PAIRS = [(tokenizer, template) for tokenizer, fitting in FITS.items() for template in (OWN, *sorted(fitting))]


def sample(turns: Sequence[str]) -> Sample:
    """Turns by user and assistant in alternation; an odd number of them begins with the system's."""
    roles = ["system"] * (len(turns) % 2) + ["user", "assistant"] * (len(turns) // 2)
    return Sample.of(messages=[{"role": role, "content": text} for role, text in zip(roles, turns, strict=True)])


@cache
def load(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def tiny() -> Any:
    return load(ASSETS)


def learned(chat: Chat, tokens: Tokens) -> list[tuple[int, ...]]:
    """The tokens of every stretch of targets."""
    pairs = zip(tokens.targets, tokens.ids, strict=True)
    return [tuple(token for _, token in run) for target, run in groupby(pairs, key=lambda pair: pair[0]) if target]


def packed(text: str) -> str:
    return re.sub(r"\s", "", text)


def check_row(chat: Chat, row: Sample) -> None:
    """Everything that `conversation`, `mask_by_difference` and `prompt` promise for a row."""
    tokens = chat.conversation(row)
    assert tokens.targets == chat.mask_by_difference(row)
    answers = [message["content"] for message in row.messages if message["role"] == "assistant"]
    stretches = learned(chat, tokens)
    assert len(stretches) == len(answers)
    for answer, stretch in zip(answers, stretches, strict=True):
        end = {stretch[-1]}
        assert end == chat.end_tokens
        assert end <= chat.special
        text = chat.tokenizer.decode(stretch, clean_up_tokenization_spaces=False)
        due = answer + chat.tokenizer.convert_ids_to_tokens(stretch[-1])
        # templates trim, tokenizers glue white space to control tokens: what is left must be the same to the letter
        assert packed(text) == packed(due)
        assert text.strip() == text.lstrip()
    prompt = chat.prompt(row.prompt)
    assert list(tokens.ids[: len(prompt)]) == prompt
    assert tokens.targets[len(prompt)]
    prove(chat, {"train": [row]}, {"train": encode(chat, [row], max_length=10_000)})


def check_bos(chat: Chat, row: Sample, *, most: int = 1) -> None:
    """As many BOS as the tokenizer puts there itself, or the template: one or none; `most` where each turn has one."""
    bos, ids = chat.tokenizer.bos_token_id, chat.conversation(row).ids
    if (chat.tokenizer.bos_token or "<none>") in str(row.messages):
        return  # what stands in the text as well cannot be counted
    by_itself = bos is not None and chat.tokenizer("a")["input_ids"][:1] == [bos]
    by_template = bos is not None and chat.tokenizer.bos_token in chat.render(row.messages)
    assert 0 < ids.count(bos) <= most if by_itself or by_template else bos not in ids
    assert (ids[0] == bos) == (by_itself or by_template)
    assert ids[1] != bos
    assert chat.bos == (bos if by_itself or by_template else None)


# The embedded tokenizer


@pytest.mark.parametrize("turns", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("template", [None, "plain"])
def test_embedded_tokenizer(template: str | None, turns: list[str], tiny: Any) -> None:
    chat = Chat.of(tiny, TEMPLATES[template] if template else None)
    check_row(chat, sample(turns))
    check_bos(chat, sample(turns))


def test_without_white_space_the_learned_text_is_exact(tiny: Any) -> None:
    chat = Chat.of(tiny)
    tokens = chat.conversation(sample(["a", " b\n", "c", "<|user|> d"]))
    assert [tiny.decode(stretch) for stretch in learned(chat, tokens)] == [" b\n<|end|>", "<|user|> d<|end|>"]


def test_answers_made_of_awkward_pieces(tiny: Any) -> None:
    random = Random(0)
    pieces = [
        " ",
        "  ",
        "\n",
        "\n\n",
        "{",
        "1",
        "12",
        "Z",
        "Q",
        "7",
        "\u00e9",
        "\U0001f600",
        "<|end|>",
        "<|user|>",
        "\u2e3a",
        ":",
        "word",
    ]
    chats = [Chat.of(tiny), Chat.of(tiny, TEMPLATES["plain"])]
    proved = 0
    for _ in range(150):
        turns = ["".join(random.choices(pieces, k=random.randint(1, 5))) for _ in range(2 * random.randint(1, 2))]
        try:
            check_row(random.choice(chats), sample(turns))
            proved += 1
        except DataError:  # refused with a reason, for instance white space that melts into the prompt
            continue
    assert proved > 120


def test_plain_text_is_learned_behind_its_bos(tiny: Any) -> None:
    chat = Chat.of(tiny)
    tokens = chat.conversation(Sample.of(text="a story <|end|>"))
    assert tokens.ids[0] == tiny.bos_token_id
    assert (
        tokens.targets
        == (False, *[True] * (len(tokens.ids) - 1))
        == chat.mask_by_difference(Sample.of(text="a story <|end|>"))
    )
    assert tiny.decode(tokens.ids[1:]) == "a story <|end|>"


def test_rows_over_the_length_are_left_out_whole_and_counted(tiny: Any) -> None:
    chat, rows = Chat.of(tiny), [sample(["q", "a"]), sample(["q", "long " * 50])]
    found = encode(chat, rows, max_length=20)
    assert [tokens.sample for tokens in found.tokens] == [rows[0].id]
    assert (found.num_too_long, found.num_tokens_lost, found.longest) == (
        1,
        found.longest,
        len(chat.conversation(rows[1]).ids),
    )
    proof = prove(chat, {"train": rows}, {"train": found})
    assert "1 rows over the length left out" in proof.lines()[0]
    with pytest.raises(DataError, match=r"split train: none of its 2 rows.*raise method\.objective\.max_length"):
        prove(chat, {"train": rows}, {"train": encode(chat, rows, max_length=3)})


# Templates that would teach something else


def turn(before: str, answer: str = "{{ m.content }}<|end|>", *, opening: str) -> str:
    """A template whose answers stand between `before` and `answer`; `opening` is what a prompt ends with."""
    user = "<|user|>\n{{ m.content }}<|end|>"
    return (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}" + before + answer + "{% else %}" + user
        + "{% endif %}{% endfor %}{% if add_generation_prompt %}" + opening + "{% endif %}"
    ).replace("\n", "{{ '\\n' }}")  # fmt: skip


REFUSED = {
    "opens otherwise": (
        turn("<|assistant|>\n", opening="<|assistant|>\nThink.\n"),
        "before the answer differ between training and use",
    ),
    "opens with nothing": (turn("<|assistant|>\n", opening=""), "before the answer differ between training and use"),
    "prompt ends within a word": (
        turn("<|assistant|>\n ", opening="<|assistant|>\n "),
        "before the answer differ|two ways",
    ),
    "no end": (
        turn("<|assistant|>\n", "{{ m.content }}\n", opening="<|assistant|>\n"),
        "does not end the assistant's turn 1",
    ),
    "ended by the next turn": (
        turn("<|assistant|>\n", "{{ m.content }}", opening="<|assistant|>\n"),
        "does not end the assistant's turn 1",
    ),
    "end is text": (
        turn("<|assistant|>\n", "{{ m.content }}<|im_end|>", opening="<|assistant|>\n"),
        "no control token|does not end",
    ),
    "rewrites": (
        turn("<|assistant|>\n", "{{ m.content | upper }}<|end|>", opening="<|assistant|>\n"),
        "rewrites an answer",
    ),
    "cuts": (turn("<|assistant|>\n", "{{ m.content[:3] }}<|end|>", opening="<|assistant|>\n"), "rewrites an answer"),
    "raises": (
        "{{ raise_exception('only strangers') }}",
        "refuses a conversation of user, assistant, user, assistant: only strangers",
    ),
    "is broken": ("{% for m in messages %}", "refuses a conversation"),
}


@pytest.mark.parametrize(("template", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_template_that_would_teach_something_else_is_refused(template: str, reason: str, tiny: Any) -> None:
    chat, row = Chat.of(tiny, template), sample(["question", "answer", "again", "words here"])
    with pytest.raises(DataError, match=reason):
        prove(chat, {"train": [row]}, {"train": encode(chat, [row], max_length=999)})


def test_the_same_template_without_the_mistake_is_taken(tiny: Any) -> None:
    check_row(Chat.of(tiny, turn("<|assistant|>\n", opening="<|assistant|>\n")), sample(CONVERSATIONS["many"]))


def test_an_end_that_is_no_control_token_is_refused_for_a_single_answer_too(tiny: Any) -> None:
    with pytest.raises(
        DataError, match=r"ends an answer with '<\|im_end\|>', which is no control token.*model\.template"
    ):
        Chat.of(tiny, TEMPLATES["chatml"]).conversation(sample(["q", "a"]))


def test_without_a_template_the_remedy_is_named(tiny: Any) -> None:
    import copy

    bare = copy.deepcopy(tiny)
    bare.chat_template = None
    with pytest.raises(WorldError, match=r"model\.template="):
        Chat.of(bare).prompt([{"role": "user", "content": "q"}])
    assert Chat.of(bare).document(Sample.of(text="a")).ids == tuple(tiny("a")["input_ids"])


def test_layout_of_a_template_is_no_text(tiny: Any) -> None:
    indented = (
        "{{ bos_token }}\n{% for m in messages %}\n    {% if m.role == 'assistant' %}\n"
        "        {{ ' ' + m.content + eos_token }}\n    {% else %}\n        {{ '[INST] ' + m.content + ' [/INST]' }}\n"
        "    {% endif %}\n{% endfor %}\n"
    )
    chat = Chat.of(tiny, indented)
    assert chat.render(sample(["q", "a"]).messages) == "<|bos|>[INST] q [/INST] a<|end|>"
    check_row(chat, sample(["q", "a"]))


# Other people's tokenizers and templates


def real_chat(realdata: Path, tokenizer: str, template: str) -> Chat:
    loaded = load(realdata / "tokenizers" / tokenizer)
    if template == OWN:
        return Chat.of(loaded, None, OPTIONS.get(tokenizer))
    return Chat.of(loaded, (realdata / "chat_templates" / f"{template}.jinja").read_text())


@pytest.mark.realdata
def test_what_fits_what(realdata: Path) -> None:
    for name in TOKENIZERS:
        tokenizer, found = load(realdata / "tokenizers" / name), set()
        for path in (realdata / "chat_templates").glob("*.jinja"):
            text = path.read_text()
            control = set(re.findall(r"<\|?[a-z_]+\|?>", text)) - {"<tools>", "<tool_call>", "<tool_response>"}
            control -= set(re.findall(r"<(?:function|args)[a-z-]*>", text))
            single = all(len(tokenizer.encode(token, add_special_tokens=False)) == 1 for token in control)
            if single and (tokenizer.bos_token is not None or "bos_token" not in text):
                found.add(path.stem)
        assert found == FITS[name], name


@pytest.mark.realdata
@pytest.mark.parametrize(("tokenizer", "template"), PAIRS)
def test_real_tokenizer_and_template(tokenizer: str, template: str, realdata: Path) -> None:
    chat = real_chat(realdata, tokenizer, template)
    for turns in CONVERSATIONS.values():
        row = sample(turns)
        if template in ENDLESS and len(turns) > 3:
            with pytest.raises(DataError, match="does not end the assistant's turn"):
                chat.conversation(row)
            continue
        check_row(chat, row)
        check_bos(chat, row, most=len(turns) if template in BOS_PER_TURN else 1)


@pytest.mark.realdata
@pytest.mark.parametrize(("tokenizer", "template"), [pair for pair in PAIRS if pair[1] not in ENDLESS])
def test_every_answer_stands_behind_the_prompt_that_asks_for_it(tokenizer: str, template: str, realdata: Path) -> None:
    chat, row = real_chat(realdata, tokenizer, template), sample(CONVERSATIONS["many"])
    ids = list(chat.conversation(row).ids)
    first, last = chat.prompt(row.messages[:1]), chat.prompt(row.messages[:3])
    assert ids[: len(last)] == last
    if (tokenizer, template) == ("qwen3", OWN):  # it takes the empty thoughts out of all answers but the last
        assert ids[: len(first)] != first
    else:
        assert ids[: len(first)] == first


@pytest.mark.realdata
def test_qwen3_answers_without_thinking_and_does_not_learn_the_empty_thoughts(realdata: Path) -> None:
    tokenizer = load(realdata / "tokenizers" / "qwen3")
    row = sample(["2 + 2?", "4"])
    chat = Chat.of(tokenizer, None, {"enable_thinking": False})
    assert tokenizer.decode(chat.prompt(row.prompt)).endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert [tokenizer.decode(run) for run in learned(chat, chat.conversation(row))] == ["4<|im_end|>"]
    thinking = Chat.of(tokenizer)
    with pytest.raises(DataError, match=r"differ between training and use.*model\.template_options"):
        prove(thinking, {"train": [row]}, {"train": encode(thinking, [row], max_length=99)})


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("tokenizer", "template"),
    [
        ("llama3", "llama3"),
        ("qwen3", "chatml"),
        ("llama3", "plain"),
        ("qwen3", "plain"),
        ("phi3_mini", "plain"),
        ("stories", "plain"),
    ],
)
def test_the_templates_that_have_names(tokenizer: str, template: str, realdata: Path) -> None:
    folder = realdata / "models" / "stories260k_hf" if tokenizer == "stories" else realdata / "tokenizers" / tokenizer
    chat = Chat.of(load(folder), TEMPLATES[template])
    for turns in CONVERSATIONS.values():
        check_row(chat, sample(turns))
        check_bos(chat, sample(turns))


@pytest.mark.realdata
def test_llama2s_literal_form_fits_its_tokens_and_no_others(realdata: Path) -> None:
    chat = Chat.of(load(realdata / "models" / "stories260k_hf"), TEMPLATES["llama2_inst"])
    assert (
        chat.render(sample(["Pick a lock?", "Ask first."]).messages) == "<s>[INST] Pick a lock? [/INST] Ask first.</s>"
    )
    for name in ("one", "many", "json", "the same words"):
        row = sample(CONVERSATIONS[name])
        check_row(chat, row)
        check_bos(chat, row, most=len(row.messages) // 2)
    with pytest.raises(DataError, match="llama2_inst has no place for a message of the role system"):
        chat.conversation(sample(CONVERSATIONS["system"]))
    for name in TOKENIZERS:  # none of them has Llama 2's control tokens
        other = Chat.of(load(realdata / "tokenizers" / name), TEMPLATES["llama2_inst"])
        with pytest.raises(DataError, match="which is no control token of this tokenizer"):
            other.conversation(sample(["q", "a"]))


# Other people's files


def dailydialog(realdata: Path, folder: Path) -> Path:
    """The dialogues as messages, users first; those that end with a question lose it."""
    rows = []
    for line in (realdata / "dialogues" / "dailydialog_dialogues_test.txt").read_text().splitlines():
        said = [turn.strip() for turn in line.split("__eou__") if turn.strip()]
        roles = ["user", "assistant"] * len(said)
        rows.append(
            {"messages": [{"role": r, "content": t} for r, t in zip(roles, said, strict=False)][: len(said) // 2 * 2]}
        )
    path = folder / "dialogues.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows if row["messages"]))
    return path


FILES: dict[str, tuple[Callable[[Path, Path], Path], str, int]] = {
    "alpaca": (lambda data, _: data / "instructions" / "alpaca_en_demo.json", "alpaca", 999),
    "identity": (lambda data, _: data / "instructions" / "identity.json", "alpaca", 91),
    "gsm8k": (lambda data, _: data / "instructions" / "gsm8k_train.jsonl", "question_answer", 7473),
    "dailydialog": (dailydialog, "messages", 2624),
}


@pytest.mark.realdata
@pytest.mark.parametrize(("path", "shape", "num_rows"), FILES.values(), ids=FILES)
def test_real_files_are_read_whole_and_proved(
    path: Any, shape: str, num_rows: int, realdata: Path, tmp_path: Path
) -> None:
    found = convert(read_rows(path(realdata, tmp_path)))
    assert found.shapes == {shape: num_rows}
    assert all(sample.reference for sample in found.samples)
    some = Random(0).sample(found.samples, 60)
    for tokenizer in TOKENIZERS:
        chat = real_chat(realdata, tokenizer, OWN)
        proof = prove(chat, {"train": some}, {"train": encode(chat, some, max_length=100_000)})
        assert proof.num_rows == {"train": len(some)}
        assert 0 < proof.supervised_share["train"] < 1


@pytest.mark.realdata
def test_real_files_cut_anywhere_are_never_shorter_files(realdata: Path, tmp_path: Path) -> None:
    content = (realdata / "instructions" / "identity.json").read_bytes()
    path = tmp_path / "cut.json"
    random = Random(0)
    for place in [random.randrange(1, len(content.rstrip())) for _ in range(60)]:
        path.write_bytes(content[:place])
        with pytest.raises(LabError, match="cut\\.json"):
            list(read_rows(path))
