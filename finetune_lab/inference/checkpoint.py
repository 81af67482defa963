"""What is to be loaded, as a value; and the chat templates that have names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune_lab.errors import ConfigError

# Written out here for models that come without one. Each ends an answer with a token that the tokenizer must have.
TEMPLATES = {
    "chatml": (
        "{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    ),
    "llama3": (
        "{{ bos_token }}{% for message in messages %}"
        "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] + '<|eot_id|>' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
    ),
    # Llama 2's, literally; its control tokens are <s> and </s>, and it has no place for a system message
    "llama2_inst": (
        "{% for message in messages %}{% if message['role'] == 'user' %}"
        "{{ '<s>[INST] ' + message['content'] + ' [/INST]' }}"
        "{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + '</s>' }}"
        "{% else %}{{ raise_exception('llama2_inst has no place for a message of the role ' + message['role']) }}"
        "{% endif %}{% endfor %}"
    ),
    # for base models without control tokens of their own: turns in plain text, each answer ended by the EOS
    "plain": (
        "{% for message in messages %}{% if message['role'] == 'assistant' %}"
        "{{ 'Answer: ' + message['content'] + eos_token + '\\n' }}"
        "{% else %}{{ 'Question: ' + message['content'] + '\\n' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'Answer:' }}{% endif %}"  # the space belongs to the next word's token
    ),
}


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Where weights come from and in which precision they are wanted.

    `source` is a folder or a hub name; `template` the text of a chat template in place of the tokenizer's own.
    """

    source: str
    revision: str | None = None
    quantization: str = "none"
    precision: str = "float32"
    template: str | None = None
    template_options: Mapping[str, Any] = field(default_factory=dict)
    trust_remote_code: bool = False


def template_text(name: str | None) -> str | None:
    """The text of a template by its name or by the path of a .jinja file; None stays None (the tokenizer's own)."""
    if name is None or name in TEMPLATES:
        return TEMPLATES[name] if name else None
    if name.endswith(".jinja"):
        if Path(name).is_file():
            return Path(name).read_text(encoding="utf-8")
        raise ConfigError(f"model.template: there is no file {name}")
    raise ConfigError(f"model.template: unknown name {name!r}; known: {', '.join(TEMPLATES)}, or a .jinja file")
