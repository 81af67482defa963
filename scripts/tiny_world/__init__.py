"""A small world in English, made from a seed: the text that the model `tiny` is trained on."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tiny_world.chats import conversation
from tiny_world.drills import DRILLS
from tiny_world.lines import LINES
from tiny_world.numbers import NUMBERS
from tiny_world.prose import PROSE
from tiny_world.scene import Scene

__all__ = ["document", "documents"]

BOS, EOS, END = "<|bos|>", "<|eos|>", "<|end|>"
#: Shares of documents; a conversation may hold any of the others in its turns.
_KINDS = (("prose", 0.40), ("chat", 0.35), ("numbers", 0.14), ("drills", 0.11))


def render(messages: list[dict[str, str]]) -> str:
    """The messages as the chat template writes them (a test holds the two together)."""
    return BOS + "".join(f"<|{message['role']}|>\n{message['content']}{END}\n" for message in messages)


def document(seed: int, index: int) -> str:
    """Document `index` of the corpus with this seed, with its special tokens."""
    rng = random.Random(f"tiny-{seed}-{index}")
    scene = Scene(rng, LINES)
    kind = rng.choices([name for name, _ in _KINDS], [share for _, share in _KINDS])[0]
    if kind == "chat":
        return render(conversation(scene))
    weights, makers = zip(*{"prose": PROSE, "numbers": NUMBERS, "drills": DRILLS}[kind], strict=True)
    return f"{BOS}{rng.choices(makers, weights)[0](scene)}{EOS}"


def documents(seed: int, count: int, start: int = 0) -> Iterator[str]:
    """Documents `start` to `start + count` of the corpus with this seed."""
    return (document(seed, index) for index in range(start, start + count))
