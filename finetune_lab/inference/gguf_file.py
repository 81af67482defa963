"""A Llama with a byte-level BPE tokenizer as a GGUF file, by the package `gguf`.

Names and meanings follow llama.cpp's specification of the format. Rows of the query and key projections are put in
the order that its rotary embedding works in: pairs of neighbours instead of two halves.
"""

import json
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.text.chat import Chat

FILE = "model.gguf"
_OTHERS = (
    "give llama.cpp's own converter instead, which knows the other models: "
    "task.format.converter=…/llama.cpp/convert_hf_to_gguf.py"
)
# a tokenizer's pattern for splitting text -> what llama.cpp calls it
_PATTERNS = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+": "llama-bpe",
}


def check_writable(module: Any) -> None:
    """Raise ConfigError for a model that this writer does not know."""
    config = module.config
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if config.model_type != "llama" or rope != "default" or config.attention_bias or config.mlp_bias:
        raise ConfigError(
            f"a model of the kind {config.model_type} (rope {rope}) cannot be written as GGUF here; {_OTHERS}"
        )


def write_gguf(module: Any, chat: Chat, path: Path, precision: str) -> None:
    """Write weights, hyperparameters, tokenizer and template. `precision`: f32, f16 or bf16; norms stay f32."""
    import gguf

    check_writable(module)
    writer = gguf.GGUFWriter(path, "llama")
    try:
        _write_settings(writer, module.config, precision)
        _write_tokenizer(writer, chat, module)
        for name, weight in _tensors(module):
            kind = getattr(gguf.GGMLQuantizationType, "F32" if weight.ndim == 1 else precision.upper())
            data = gguf.quants.quantize(weight.numpy(), kind)
            writer.add_tensor(name, data, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _write_settings(writer: Any, config: Any, precision: str) -> None:
    import gguf

    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    kinds = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16"}
    writer.add_file_type(gguf.LlamaFileType[kinds[precision]])
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def _write_tokenizer(writer: Any, chat: Chat, module: Any) -> None:
    import gguf

    tokenizer = chat.tokenizer
    known = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = [f"[PAD{number}]" for number in range(module.config.vocab_size)]
    kinds = [gguf.TokenType.UNUSED] * len(tokens)
    for token, number in tokenizer.get_vocab().items():
        tokens[number], kinds[number] = token, gguf.TokenType.NORMAL
    for number, added in tokenizer.added_tokens_decoder.items():
        kinds[number] = gguf.TokenType.CONTROL if added.special else gguf.TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_pattern(known))
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in known["model"]["merges"]])
    for name, number in (("bos", tokenizer.bos_token_id), ("eos", tokenizer.eos_token_id)):
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    for number in sorted(chat.end_tokens)[:1]:
        writer.add_eot_token_id(number)
    writer.add_add_bos_token(False)  # the template writes it; two of them are another prompt
    template = chat.template or tokenizer.chat_template
    if isinstance(template, str):
        writer.add_chat_template(template)


def _pattern(known: Any) -> str:
    """What llama.cpp calls the way in which this tokenizer splits text before its merges."""
    if known["model"]["type"] != "BPE" or known["normalizer"]:
        kind = f"{known['model']['type']}{' with a normalizer' if known['normalizer'] else ''}"
        raise ConfigError(f"a tokenizer of the kind {kind} cannot be written as GGUF here; {_OTHERS}")
    splitter = known["pre_tokenizer"] or {}
    parts = splitter.get("pretokenizers", [splitter])
    if len(parts) == 1 and parts[0].get("type") == "ByteLevel" and parts[0].get("use_regex"):
        return "gpt-2"
    for part in parts:
        found = _PATTERNS.get(str(part.get("pattern", {}).get("Regex"))) if part.get("type") == "Split" else None
        if found:
            return found
    raise ConfigError(f"this tokenizer splits text in a way that is not known here; {_OTHERS}")


def _tensors(module: Any) -> Iterator[tuple[str, Tensor]]:
    """Every weight under llama.cpp's name, in float32."""
    import gguf

    config = module.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in module.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        place = names.get_name(name, try_suffixes=(".weight",))
        if place is None:
            raise ConfigError(f"the weight {name} has no place in a GGUF file of a Llama; {_OTHERS}")
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
        yield place, (neighbours(weight, heads) if heads else weight).contiguous().float()


def neighbours(weight: Tensor, num_heads: int) -> Tensor:
    """The rows of a projection [heads × width, in], of every head i and i + width/2 beside one another."""
    return weight.unflatten(0, (num_heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def read_gguf(path: Path) -> Any:
    """The model of a GGUF file as Transformers reads it, dequantised to float32."""
    from transformers import AutoModelForCausalLM

    try:
        with redirect_stderr(StringIO()):  # a bar of its own, which nothing switches off
            return AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    except (RuntimeError, ValueError, KeyError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WorldError(
            f"Transformers cannot read {path.name} back, so it cannot be set against what was scored: {reason}"
        ) from None
