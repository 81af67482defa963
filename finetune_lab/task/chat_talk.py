"""One model's side of a conversation in the terminal, and the commands that change it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from finetune_lab.lab import Lab
from finetune_lab.records import Artifact, Decoding, Message

HELP = "/clear forgets what was said, /system TEXT, /thinking on|off, /quit (or the end of input)"


@dataclass
class Talk:
    """What was said to one artifact and what it has answered."""

    lab: Lab
    artifact: Artifact
    system: str | None
    turns: list[Message] = field(default_factory=list)
    written: str = ""

    def answer(self, said: str, decoding: Decoding, thinking: bool | None) -> Iterator[str]:
        """The answer to `said`, piece by piece. The model is switched over for its length."""
        from finetune_lab.inference.streaming import stream

        self.turns.append({"role": "user", "content": said})
        opening: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        self.written = ""
        using: AbstractContextManager[Any] = self.lab.using(self.artifact)
        with using as engine:
            chat = engine.chat
            if thinking is not None:
                chat = chat.with_options({"enable_thinking": thinking})
            prompt = chat.prompt([*opening, *self.turns])
            for piece in stream(engine, prompt, decoding, name=str(len(self.turns))):
                self.written += piece.text
                yield piece.text

    def close_turn(self) -> None:
        """Put what was written into the history; a question that got no answer leaves it."""
        if self.turns and self.turns[-1]["role"] == "user":
            if self.written:
                self.turns.append({"role": "assistant", "content": self.written})
            else:
                self.turns.pop()
        self.written = ""


def commanded(said: str, talks: list[Talk], thinking: bool | None, tell: Callable[[str], None]) -> bool | None:
    """Do what a line that begins with / asks for; gives the thinking switch as it is from now on."""
    name, _, rest = said.partition(" ")
    if name == "/clear":
        for talk in talks:
            talk.turns.clear()
        tell("forgotten")
    elif name == "/system":
        for talk in talks:
            talk.system = rest.strip() or None
            talk.turns.clear()
        tell(f"system message {'set' if rest.strip() else 'removed'}; the conversation begins anew")
    elif name == "/thinking" and rest.strip() in ("on", "off"):
        tell(f"thinking {rest.strip()}, where the template has such a switch")
        return rest.strip() == "on"
    else:
        tell(HELP)
    return thinking
