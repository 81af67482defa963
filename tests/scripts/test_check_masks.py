"""The real files and templates, a few rows of each; scripts/check_masks.py takes all of them. And it finds mistakes."""

import importlib.util
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.records import Sample, Tokens
from finetune_lab.text.chat import Chat

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_masks.py"


@cache
def script() -> Any:
    spec = importlib.util.spec_from_file_location("check_masks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_masks"] = module
    spec.loader.exec_module(module)
    return module


#: What templates say to conversations that they were not made for; nothing else may be refused.
KNOWN = (
    *("the chat template refuses a conversation", "the chat template rewrites an answer"),
    *("does not end the assistant's turn", "no control token"),
)


@pytest.mark.realdata
@pytest.mark.parametrize("tokenizer", ["llama3", "qwen3", "phi3_mini"])
def test_what_is_learned_of_real_files_is_the_answers_and_their_ends(tokenizer: str, realdata: Path) -> None:
    made = script()
    for template in (made.OWN, *made.fitting(realdata, tokenizer)):
        chat = made.load_chat(realdata, tokenizer, template)
        for name in made.FILES if template == made.OWN else ("identity", "tool calls", "DPO"):
            rows = made.some(made.load_rows(realdata, name), 5 if template == made.OWN else 1)
            found = made.check(chat, rows)
            assert not found.wrong, f"{template}, {name}: {found.wrong}"
            assert found.num_rows + found.refused.total() == len(rows)
            assert found.refused.total() == 0 or template != made.OWN, found.refused
            assert all(any(part in why for part in KNOWN) for why in found.refused), found.refused


@dataclass(frozen=True)
class Shifted(Chat):
    """Learns one token too many at the start of every answer."""

    def conversation(self, sample: Sample) -> Tokens:
        tokens = super().conversation(sample)
        targets = tuple(one or two for one, two in zip(tokens.targets, (*tokens.targets[1:], False), strict=True))
        return replace(tokens, targets=targets)

    def mask_by_difference(self, sample: Sample) -> tuple[bool, ...]:
        return self.conversation(sample).targets


def test_a_mask_that_is_off_by_one_is_found(lab: Any) -> None:
    chat = lab().model.chat()
    row = Sample.of(messages=[{"role": "user", "content": "a b"}, {"role": "assistant", "content": "c d"}])
    assert script().check(chat, [row]).wrong == []
    shifted = Shifted(chat.tokenizer, chat.template, chat.options)
    assert len(script().check(shifted, [row]).wrong) == 1
