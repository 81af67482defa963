"""The embedded model is small, loads, speaks the language of its world and has not seen the task."""

from __future__ import annotations

import importlib
import math
import random
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "finetune_lab" / "assets" / "tiny"
ROWS = ROOT / "finetune_lab" / "assets" / "pocketguide" / "rows.jsonl"
#: Measured 2.8; the rest is room for other versions of the libraries.
MOST_PERPLEXITY = 3.2
#: Neither the training text's seed nor that of the held-out text.
FRESH_SEED = 4
MESSAGES = [
    {"role": "system", "content": "Give short answers."},
    {"role": "user", "content": " What is a mill? \n"},
    {"role": "assistant", "content": "A place."},
]


@pytest.fixture(scope="module")
def scripts() -> dict[str, ModuleType]:
    names = ("tiny_world", "tiny_world.chats", "tiny_world.lines", "tiny_contamination")
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()


def _loss(model: PreTrainedModel, ids: torch.Tensor) -> float:
    with torch.no_grad():
        return float(model(input_ids=ids, labels=ids).loss)


def test_the_folder_is_whole_and_at_most_8_megabytes() -> None:
    names = {path.name for path in FOLDER.iterdir()}
    assert names >= {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "README.md"}
    assert names >= {"tokenizer_config.json", "chat_template.jinja", "loss_curve.csv", "loss_curve.png"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 8 * 2**20


def test_every_matrix_has_widths_that_blockwise_formats_accept(model: PreTrainedModel) -> None:
    assert model.config.model_type == "llama"
    assert 1_800_000 < model.num_parameters() < 3_000_000
    for name, weight in model.named_parameters():
        assert weight.dtype == torch.float32
        if weight.dim() == 2:
            assert all(width % 32 == 0 for width in weight.shape), name
            assert weight.shape[1] % 256 == 0, name


def test_fresh_text_is_foreseen_and_shuffled_text_is_not(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, scripts: dict[str, ModuleType]
) -> None:
    text = "".join(scripts["tiny_world"].documents(FRESH_SEED, 60))
    ids = torch.tensor(tokenizer(text)["input_ids"][: 8 * 512]).view(8, 512)
    order = torch.randperm(512, generator=torch.Generator().manual_seed(0))
    fresh, shuffled = _loss(model, ids), _loss(model, ids[:, order])
    assert math.exp(fresh) < MOST_PERPLEXITY
    assert shuffled > fresh + 2.0


def test_numbers_are_read_digit_by_digit(tokenizer: PreTrainedTokenizerFast) -> None:
    assert [tokenizer.decode([index]) for index in tokenizer("1074")["input_ids"]] == ["1", "0", "7", "4"]


def test_any_text_comes_back_from_the_tokenizer(tokenizer: PreTrainedTokenizerFast) -> None:
    text = ' {"a_b": [1, "Zürich – 10 €"]}\n\n\tœuvre 火 .'
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_chat_template_is_the_format_of_the_training_text(
    tokenizer: PreTrainedTokenizerFast, scripts: dict[str, ModuleType]
) -> None:
    rendered = tokenizer.apply_chat_template(MESSAGES, tokenize=False)
    assert rendered == scripts["tiny_world"].render(MESSAGES)
    assert "<|user|>\n What is a mill? \n<|end|>\n" in rendered


def test_a_chat_begins_with_one_bos_and_prompts_for_the_assistant(tokenizer: PreTrainedTokenizerFast) -> None:
    prompt = tokenizer.apply_chat_template(MESSAGES[:2], tokenize=False, add_generation_prompt=True)
    ids = tokenizer(prompt)["input_ids"]
    assert ids == tokenizer.apply_chat_template(MESSAGES[:2], add_generation_prompt=True)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert ids.count(tokenizer.bos_token_id) == 1
    assert prompt.endswith("<|end|>\n<|assistant|>\n")


def test_what_it_writes_consists_of_words_of_its_world(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, scripts: dict[str, ModuleType]
) -> None:
    known = set(re.findall(r"\b[a-z]+\b", "".join(scripts["tiny_world"].documents(FRESH_SEED, 4000))))
    words: list[str] = []
    for prompt in ("<|bos|>On Monday Bruno went", "<|bos|>Dear Olga,", "<|bos|>Oakham lies between"):
        ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=50, do_sample=False)
        words += re.findall(r"\b[a-z]+\b", tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
    assert len(words) > 50
    assert sum(word in known for word in words) >= 0.95 * len(words)


def test_it_finds_the_answers_to_questions_about_a_text(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, scripts: dict[str, ModuleType]
) -> None:
    lines, right = scripts["tiny_world.lines"].LINES, 0
    for index in range(20):
        rng = random.Random(f"{FRESH_SEED}-{index}")
        question, reply = scripts["tiny_world.chats"].about_text(scripts["tiny_world"].Scene(rng, lines))[0]
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        start, answer = tokenizer(prompt)["input_ids"], tokenizer(f"{reply}<|end|>")["input_ids"]
        with torch.no_grad():
            best = model(input_ids=torch.tensor([start + answer])).logits[0].argmax(-1).tolist()
        # what is likeliest after each token of the answer is the next one: so it would be written greedily
        right += best[len(start) - 1 : -1] == answer
    assert right >= 16


def test_the_text_holds_no_row_schema_key_or_word_of_the_task(scripts: dict[str, ModuleType]) -> None:
    contamination = scripts["tiny_contamination"]
    counts = contamination.count(scripts["tiny_world"].documents(20, 3000), contamination.read_rows(ROWS))
    assert counts.row_8grams > 1000
    assert (counts.shared_8grams, counts.messages_found_whole) == (0, 0)
    assert (counts.schema_keys, counts.forbidden_words) == (0, 0)


def test_the_count_of_contamination_finds_what_is_there(scripts: dict[str, ModuleType]) -> None:
    contamination = scripts["tiny_contamination"]
    rows = contamination.read_rows(ROWS)
    text = ROWS.read_text(encoding="utf-8").splitlines()[0].replace('\\"', '"')
    counts = contamination.count([text], rows)
    assert counts.shared_8grams > 0
    assert counts.messages_found_whole == 2
    assert counts.schema_keys > 0
    assert counts.forbidden_words > 0
