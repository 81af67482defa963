"""A chat template as Ollama writes it, found by rendering small conversations and proved on longer ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from finetune_lab.errors import ConfigError, DataError
from finetune_lab.records import Decoding, Message
from finetune_lab.text.chat import Chat

_MARKS = ("Ⓐ", "Ⓑ", "Ⓒ", "Ⓓ")  # stand for what is said


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """What a template writes around every turn: at the start, before and after a turn by its role, and at the end."""

    start: str
    around: Mapping[str, tuple[str, str]]
    cue: str  # opens the answer that is due

    def render(self, messages: Sequence[Message]) -> str:
        """A conversation whose answer is due."""
        turns = (self.around[m["role"]][0] + m["content"] + self.around[m["role"]][1] for m in messages)
        return self.start + "".join(turns) + self.cue


def modelfile(chat: Chat, decoding: Decoding, weights: str) -> str:
    """The text of an Ollama Modelfile for the GGUF file `weights` beside it.

    Raises ConfigError where the template does more than to put something around every turn.
    """
    ends = [chat.tokenizer.convert_ids_to_tokens(token) for token in sorted(chat.end_tokens)]
    settings = {
        "temperature": decoding.temperature,
        "num_predict": decoding.max_new_tokens,
        "repeat_penalty": decoding.repetition_penalty,
        "top_p": decoding.top_p,
        "seed": decoding.seed,
    } | ({"top_k": decoding.top_k} if decoding.top_k else {})
    lines = [f"FROM ./{weights}", f'TEMPLATE """{_template(_pieces(chat))}"""']
    lines += [f'PARAMETER stop "{end}"' for end in ends]
    return "\n".join([*lines, *(f"PARAMETER {name} {value}" for name, value in settings.items())]) + "\n"


def _pieces(chat: Chat) -> Pieces:
    """Find the pieces, and prove them on a conversation with every role that the template takes."""
    asked, answered, system = ({"role": role, "content": _MARKS[0]} for role in ("user", "assistant", "system"))
    bos = chat.tokenizer.bos_token or ""
    opened = chat.render([asked])
    start = bos if bos and opened.startswith(bos) else ""
    before, after = opened[len(start) :].split(_MARKS[0])
    cue = chat.render([asked], answering=True)[len(opened) :]
    around = {"user": (before, after)}
    answer_before, answer_after = chat.render([asked, answered])[len(opened) :].split(_MARKS[0])
    around["assistant"] = (answer_before, answer_after)
    try:
        whole = chat.render([system, asked])[len(start) :]
    except DataError:
        whole = ""  # a template without system messages
    if whole.endswith(opened[len(start) :]):
        system_before, system_after = whole[: len(whole) - len(opened) + len(start)].split(_MARKS[0])
        around["system"] = (system_before, system_after)
    pieces = Pieces(start=start, around=around, cue=cue)
    roles = [*(["system"] if "system" in around else []), "user", "assistant", "user"]
    talk = [{"role": role, "content": mark} for role, mark in zip(roles, _MARKS, strict=False)]
    if pieces.render(talk) != chat.render(talk, answering=True) or _braces(pieces):
        raise ConfigError(
            "this chat template does more than to put something around every turn, so it cannot be written for Ollama "
            "automatically; export@task.format=gguf keeps it as it is, for llama.cpp's own server"
        )
    return pieces


def _braces(pieces: Pieces) -> bool:
    """Whether a piece would be read as an instruction of a Go template, or as the end of the text."""
    texts = [pieces.start, pieces.cue, *(text for pair in pieces.around.values() for text in pair)]
    return any("{{" in text or '"""' in text for text in texts)


def _template(pieces: Pieces) -> str:
    branches = [
        f'{"if" if number == 0 else "else if"} eq .Role "{role}" }}}}{before}{{{{ .Content }}}}{after}{{{{ '
        for number, (role, (before, after)) in enumerate(pieces.around.items())
    ]
    return f"{pieces.start}{{{{ range .Messages }}}}{{{{ {''.join(branches)}end }}}}{{{{ end }}}}{pieces.cue}"
