"""Ollama's template says what the chat template says, or is refused."""

import re
from dataclasses import replace

import pytest

from finetune_lab.errors import ConfigError
from finetune_lab.inference.checkpoint import TEMPLATES
from finetune_lab.records import Decoding
from finetune_lab.text.ollama import modelfile

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is a quay?"},
    {"role": "assistant", "content": "A place for boats."},
    {"role": "user", "content": "And\na {jetty}?"},
]


@pytest.fixture
def chat(lab):
    return lab("model.quantization=none").model.chat()


def rendered(text, messages):
    """What Go makes of the one kind of template that we write."""
    template = re.search(r'TEMPLATE """(.*?)"""', text, re.S).group(1)
    start, loop, cue = re.fullmatch(
        r"(.*?)\{\{ range .Messages \}\}(.*)\{\{ end \}\}\{\{ end \}\}(.*)", template, re.S
    ).groups()
    turns = r'if eq .Role "(\w+)" \}\}(.*?)\{\{ .Content \}\}(.*?)(?=\{\{ else|\Z)'
    around = {role: (before, after) for role, before, after in re.findall(turns, loop, re.S)}
    return start + "".join(around[m["role"]][0] + m["content"] + around[m["role"]][1] for m in messages) + cue


def test_a_conversation_is_the_same_by_both(chat):
    text = modelfile(chat, Decoding(max_new_tokens=40), "model.gguf")
    assert rendered(text, TALK) == chat.render(TALK, answering=True)
    assert rendered(text, TALK[1:2]) == chat.render(TALK[1:2], answering=True)


def test_ends_and_settings_stand_in_it(chat):
    text = modelfile(chat, Decoding(max_new_tokens=40, temperature=0.7, top_k=20), "model.gguf")
    lines = text.splitlines()
    assert lines[0] == "FROM ./model.gguf"
    assert {
        'PARAMETER stop "<|end|>"',
        "PARAMETER temperature 0.7",
        "PARAMETER num_predict 40",
        "PARAMETER top_k 20",
    } <= set(lines)


def test_plain_turns_are_written_too(chat):
    plain = replace(chat, template=TEMPLATES["plain"])
    asked = [message for message in TALK if message["role"] != "system"]
    assert rendered(modelfile(plain, Decoding(max_new_tokens=4), "m.gguf"), asked) == plain.render(
        asked, answering=True
    )


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages %}{{ loop.index }}{{ m['role'] }}:{{ m['content'] }}{{ eos_token }}{% endfor %}a:",
        "{% for m in messages %}{{ m['role'] }}{{ '{{ x }}' }}{{ m['content'] }}{{ eos_token }}{% endfor %}",
    ],
    ids=["counts turns", "holds braces"],
)
def test_what_a_go_template_could_not_say_is_refused(chat, template):
    with pytest.raises(ConfigError, match="does more than"):
        modelfile(replace(chat, template=template), Decoding(max_new_tokens=4), "m.gguf")
