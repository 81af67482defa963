"""Weights and tokenizer from a folder or the hub into an engine."""

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from finetune_lab.errors import WorldError
from finetune_lab.inference.checkpoint import Checkpoint
from finetune_lab.inference.engine import Engine
from finetune_lab.text.chat import Chat

log = logging.getLogger(__name__)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_chat(checkpoint: Checkpoint) -> Chat:
    """The tokenizer with its template, without weights."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        checkpoint.source, revision=checkpoint.revision, trust_remote_code=checkpoint.trust_remote_code
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # only ever behind an attention mask
    return Chat.of(tokenizer, checkpoint.template, checkpoint.template_options)


def load_engine(checkpoint: Checkpoint, runtime: Any) -> Engine:
    """Load everything onto the runtime's device. Raises WorldError for what the user can mend."""
    device = runtime.resolved_device()
    if runtime.threads:
        torch.set_num_threads(runtime.threads)
    log.info(
        "loading  %s (%s, %s, %s)", Path(checkpoint.source).name, checkpoint.quantization, checkpoint.precision, device
    )
    module = _load_module(checkpoint, device, runtime.attention)
    module.eval()
    module.requires_grad_(False)
    return Engine(
        module=module,
        chat=load_chat(checkpoint),
        device=device,
        max_batch_rows=runtime.inference_batch_rows,
        max_batch_tokens=runtime.inference_batch_tokens,
    )


def _load_module(checkpoint: Checkpoint, device: str, attention: str) -> nn.Module:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    options: dict[str, Any] = {
        "dtype": DTYPES[checkpoint.precision],
        "revision": checkpoint.revision,
        "trust_remote_code": checkpoint.trust_remote_code,
        "use_safetensors": True,  # a pickle can run code
        "device_map": {"": device},
    }
    if attention != "auto":
        options["attn_implementation"] = attention
    if checkpoint.quantization != "none":
        options["quantization_config"] = _quantization(checkpoint)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = AutoModelForCausalLM.from_pretrained(checkpoint.source, **options)
    except ImportError as error:
        remedy = "install it, or set runtime.attention=sdpa" if attention == "flash_attention_2" else "install it"
        raise WorldError(f"{checkpoint.source} needs a package that is not here ({error}); {remedy}") from None
    _check_quantised(module, checkpoint, device)
    return module


def _quantization(checkpoint: Checkpoint) -> Any:
    from transformers import BitsAndBytesConfig

    if checkpoint.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[checkpoint.precision],
    )


def _check_quantised(module: nn.Module, checkpoint: Checkpoint, device: str) -> None:
    if checkpoint.quantization != "nf4":
        return
    import bitsandbytes

    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, bitsandbytes.nn.Linear4bit)}
    if not layers:
        raise WorldError(f"{checkpoint.source}: nothing in it could be quantised to nf4; use model.quantization=none")
    odd = [f"{name} ({layer.out_features})" for name, layer in layers.items() if layer.out_features % 32]
    if device == "cpu" and odd:
        raise WorldError(
            f"nf4 on the CPU needs output features divisible by 32, which {odd[0]} and {len(odd) - 1} more are not; "
            "use model.quantization=none with method=lora"
        )
    for layer in layers.values():
        # With AVX512-BF16 the first forward without gradients repacks the weights, and every backward after it is
        # silently wrong (bitsandbytes 0.50): an evaluation in the middle of a training would ruin the rest of it.
        layer.support_avx512bf16_for_cpu = False
