"""The files of the embedded model `tiny`: tokenizer, configuration, weights and loss curve."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from tiny_card import Curve, Facts, write_card
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "finetune_lab" / "assets" / "tiny"
SCRATCH = ROOT / "outputs" / "pretrain_tiny"
FIRST_EXPORT_STEP = 500
SPECIAL = ("<|bos|>", "<|eos|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>")
VOCABULARY, POSITIONS = 2048, 2048
CHAT_TEMPLATE = (
    "{{- bos_token }}"
    "{%- for message in messages %}"
    "{{- '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|assistant|>\\n' }}{%- endif %}"
)


def load_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """The tokenizer of the scratch folder; trained on the texts if there is none yet."""
    folder = SCRATCH / "tokenizer"
    if not folder.exists():
        train_tokenizer(texts).save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE with the pre-tokenizer of GPT-2, which llama.cpp knows by that name."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((_for_merging(text) for text in texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|bos|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        additional_special_tokens=["<|eos|>", "<|user|>", "<|assistant|>", "<|system|>"],
        chat_template=CHAT_TEMPLATE,
        model_max_length=POSITIONS,
        clean_up_tokenization_spaces=False,
    )


def _for_merging(text: str) -> str:
    # neighbouring digits are parted, so that no merge joins them and every number is read digit by digit
    return re.sub(r"(?<=\d)(?=\d)", "\n", re.sub(r"<\|\w+\|>", "", text))


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained model; all widths are multiples of 64, the matrices' inputs of 256."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, curve: Curve, facts: Facts) -> None:
    """Writes all files of the model; the weights as float16."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    half = LlamaForCausalLM(model.config)
    half.load_state_dict(model.state_dict())
    half.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=[tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|eos|>")],
        pad_token_id=tokenizer.pad_token_id,
    )
    half.to(torch.float16).save_pretrained(ASSETS)
    tokenizer.save_pretrained(ASSETS)
    write_curve(curve)
    # the card's samples come from the weights as they are stored
    write_card(ASSETS, half.float().eval(), tokenizer, curve, facts)
    total = sum(path.stat().st_size for path in ASSETS.iterdir())
    print(f"wrote {os.path.relpath(ASSETS, ROOT)}: {total:,} bytes", flush=True)


def write_curve(curve: Curve) -> None:
    """The loss curve as a table."""
    with (ASSETS / "loss_curve.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("step", "tokens", "train_loss", "held_out_loss", "seconds"))
        writer.writerows((s, t, f"{a:.4f}", f"{b:.4f}", f"{c:.0f}") for s, t, a, b, c in curve)
