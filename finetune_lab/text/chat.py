"""Conversations to tokens by one template, the same in training, evaluation and serving; and which tokens are learned.

The mask is found by two independent routes. `Chat.conversation` renders the conversation with a marker in place of
each answer, so that it knows the characters that an answer takes, and maps them to tokens by the tokenizer's offsets.
`Chat.mask_by_difference` never looks at characters: it encodes the conversation again with one answer exchanged and
takes the tokens that changed. Where the two differ, a template or tokenizer does something that nobody has thought of.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from typing import Any

from finetune_lab.errors import DataError, WorldError
from finetune_lab.records import Message, Sample, Tokens

_MARK = "\u2e3a{}\u2e3a"  # not in any text of ours, and no template looks for it
_SPACE_TOKENS = ("\u2581", "\u0120")  # a space of its own, as SentencePiece and byte-level tokenizers spell it


@dataclass(frozen=True)
class Span:
    """The characters of one assistant turn: its answer, and the end token that follows it (`stop` is after it)."""

    start: int
    end: int
    stop: int


@dataclass(frozen=True)
class Chat:
    """A tokenizer with its chat template. `options` go to the template as they are (Qwen3's enable_thinking)."""

    tokenizer: Any
    template: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, tokenizer: Any, template: str | None = None, options: Mapping[str, Any] | None = None) -> "Chat":
        """Make a chat; a template that is indented for reading is taken without its layout.

        Many published templates are written over several lines whose breaks would become part of the text. Taken as
        they are, the tokens before an answer would differ between training and use, or white space would stand in
        front of everything, and that is how one knows them.
        """
        chat = cls(tokenizer, template, dict(options or {}))
        text = template or getattr(tokenizer, "chat_template", None)
        if not isinstance(text, str) or "\n" not in text or (chat._agrees() and not chat._starts_with_white_space()):
            return chat
        compact = cls(tokenizer, text.replace("    ", "").replace("\n", ""), chat.options)
        return compact if compact._agrees() else chat

    def _agrees(self) -> bool:
        """Whether a small conversation begins with its own prompt."""
        row = Sample.of(messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
        try:
            tokens, prompt = self.conversation(row), self.prompt(row.prompt)
        except (DataError, WorldError):
            return False
        learned = tokens.targets[len(prompt) : len(prompt) + 1]
        return list(tokens.ids[: len(prompt)]) == prompt and not any(tokens.targets[: len(prompt)]) and any(learned)

    def _starts_with_white_space(self) -> bool:
        return self.render([{"role": "user", "content": "a"}], answering=True)[:1].isspace()

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens that a model is given to answer `messages`: what training puts before the answer, exactly."""
        return self._ids(self.render(messages, answering=True))

    def conversation(self, sample: Sample) -> Tokens:
        """The tokens of a row; targets are the tokens of every assistant turn and of the end token behind it.

        Raises DataError where the template rewrites an answer or does not end an assistant's turn.
        """
        if sample.text is not None:
            return self.document(sample)
        text, spans = self._spans(sample)
        ids, offsets = self._encode(text)
        targets = [False] * len(ids)
        number = 0
        for turn, span in zip(self._answers(sample), spans, strict=True):
            span = self._opened(span, text, sample.messages[:turn])
            while number < len(ids) and offsets[number][1] <= span.start:
                number += 1
            while number < len(ids) and offsets[number][0] < span.stop:
                # a control token that swallowed the white space in front of an answer is not part of it
                targets[number] = offsets[number][0] >= span.start or ids[number] not in self.special
                number += 1
        return Tokens(sample=sample.id, ids=tuple(ids), targets=tuple(targets))

    def mask_by_difference(self, sample: Sample) -> tuple[bool, ...]:
        """The targets of `conversation`, found without looking at characters."""
        if sample.text is not None:
            return self.document(sample).targets
        text, _ = self._spans(sample)
        ids = self._encode(text)[0]
        targets = [False] * len(ids)
        for number in self._answers(sample):
            other = self._encode(self._exchanged(sample, number))[0]
            start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ids, other, strict=False)))
            behind = zip(reversed(ids[start:]), reversed(other[start:]), strict=False)
            stop = len(ids) - sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], behind))
            start -= self._opens_with_space(ids, start, sample.messages[:number])
            end = next((n for n in range(stop, len(ids)) if ids[n] in self.special), len(ids) - 1)
            targets[start : end + 1] = [True] * (end + 1 - start)
        return tuple(targets)

    def document(self, sample: Sample) -> Tokens:
        """Plain text behind the tokenizer's own BOS; every token but the BOS is a target."""
        ids = self._ids(sample.text or "")
        if self.bos is not None and ids[:1] != [self.bos]:
            ids = [self.bos, *ids]
        given = [False] if self.bos is not None else []
        return Tokens(sample=sample.id, ids=tuple(ids), targets=(*given, *[True] * (len(ids) - len(given))))

    def everything(self, sample: Sample) -> Tokens:
        """The tokens of a row; every token behind the first is a target."""
        row = self.conversation(sample)
        return replace(row, targets=(False, *[True] * len(row.ids))[: len(row.ids)])

    def with_options(self, options: Mapping[str, Any]) -> "Chat":
        """The same with further options for the template."""
        return replace(self, options={**self.options, **options})

    def decode(self, ids: Sequence[int]) -> str:
        """Text of generated tokens, without special tokens; nothing tidied, since schemas count characters."""
        return self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    @cached_property
    def bos(self) -> int | None:
        """The BOS that the tokenizer or the template puts first; None for models without (Qwen)."""
        return self.tokenizer.bos_token_id if self._adds_bos or self._template_adds_bos else None

    @cached_property
    def special(self) -> frozenset[int]:
        """The control tokens: what may end a turn."""
        added = self.tokenizer.added_tokens_decoder
        return frozenset({n for n, token in added.items() if token.special} | set(self.tokenizer.all_special_ids))

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """The tokens that end an assistant's turn under this template, found by rendering one."""
        turn = Sample.of(messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
        tokens = self.conversation(turn)
        return frozenset({tokens.ids[max(n for n, target in enumerate(tokens.targets) if target)]})

    def render(self, messages: Sequence[Message], *, answering: bool = False) -> str:
        """The text of `messages` by the template; `answering` adds what opens the assistant's turn."""
        turns = [dict(message) for message in messages]
        if self.template is None and not getattr(self.tokenizer, "chat_template", None):
            raise WorldError("this model has no chat template; name one: model.template=chatml (or a .jinja file)")
        try:
            return self.tokenizer.apply_chat_template(
                turns, chat_template=self.template, tokenize=False, add_generation_prompt=answering, **self.options
            )
        except Exception as error:  # templates raise whatever their authors wrote; only the message is of use
            if type(error).__module__.startswith("jinja2"):
                roles = ", ".join(turn["role"] for turn in turns)
                raise DataError(f"the chat template refuses a conversation of {roles}: {error}") from None
            raise

    def _encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Tokens and their places in `text`, with exactly the BOS that the tokenizer defines."""
        coded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ids, offsets = list(coded["input_ids"]), list(coded["offset_mapping"])
        if self._lacks_bos(ids):
            return [self.tokenizer.bos_token_id, *ids], [(0, 0), *offsets]
        return ids, offsets

    def _ids(self, text: str) -> list[int]:
        """The tokens alone, which is quicker for long texts."""
        ids = list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
        return [self.tokenizer.bos_token_id, *ids] if self._lacks_bos(ids) else ids

    def _lacks_bos(self, ids: Sequence[int]) -> bool:
        """Whether the tokenizer would put a BOS in front of `ids`; a template may bring its own."""
        return self._adds_bos and self.tokenizer.bos_token_id not in ids[:2]

    @cached_property
    def _adds_bos(self) -> bool:
        bos = self.tokenizer.bos_token_id
        return bos is not None and list(self.tokenizer("a")["input_ids"])[:1] == [bos]

    @cached_property
    def _template_adds_bos(self) -> bool:
        if self.template is None and not getattr(self.tokenizer, "chat_template", None):
            return False
        bos = self.tokenizer.bos_token
        return bos is not None and self.render([{"role": "user", "content": "a"}]).startswith(bos)

    def _opened(self, span: Span, text: str, before: Sequence[Message]) -> Span:
        """Begin `span` where the prompt ends: the template's space before an answer is the model's to write."""
        spaced = before and text[span.start - 1 : span.start] == " "
        if spaced and text[: span.start - 1] == self.render(before, answering=True):
            return replace(span, start=span.start - 1)
        return span

    def _opens_with_space(self, ids: list[int], start: int, before: Sequence[Message]) -> bool:
        """Whether the token before `start` is a space of its own that is not the prompt's."""
        if not before or self.tokenizer.convert_ids_to_tokens(ids[start - 1]) not in _SPACE_TOKENS:
            return False
        return ids[: start - 1] == self.prompt(before)

    @staticmethod
    def _answers(sample: Sample) -> list[int]:
        return [n for n, message in enumerate(sample.messages) if message["role"] == "assistant"]

    def _spans(self, sample: Sample) -> tuple[str, list[Span]]:
        """The rendered text and the span of every assistant turn in it."""
        numbers = self._answers(sample)
        marked = [dict(message) for message in sample.messages]
        for number in numbers:
            marked[number]["content"] = _MARK.format(number)
        frame, text = self.render(marked), self.render(sample.messages)
        for trim in (str, str.strip, str.rstrip, str.lstrip):
            pieces = list(self._pieces(frame, numbers, sample, trim))
            if "".join(pieces) == text:
                return self._ended(pieces, sample)
        raise DataError(f"row {sample.id}: the chat template rewrites an answer, so what is learned would not be it")

    @staticmethod
    def _pieces(frame: str, numbers: list[int], sample: Sample, trim: Any) -> Iterator[str]:
        """What the template wrote and what the answers are, in turn: frame, answer, frame, …, frame."""
        for number in numbers:
            before, mark, frame = frame.partition(_MARK.format(number))
            yield before
            yield trim(sample.messages[number]["content"]) if mark else ""
        yield frame

    def _ended(self, pieces: list[str], sample: Sample) -> tuple[str, list[Span]]:
        """Find the end token behind every answer, the same for all; where the last has none, the EOS."""
        place, spans, due = 0, [], ""
        if len(pieces) > 1:
            pieces[-1] = self._with_end(pieces[-1], sample)
            due = self._end_token(pieces[-1]).strip()
        for number, piece in enumerate(pieces):
            if number % 2:
                end = self._end_token(pieces[number + 1])
                if not end or end.strip() != due:  # another control token opens the next turn, and ends nothing
                    raise DataError(f"row {sample.id}: the chat template does not end the assistant's turn {number}")
                spans.append(Span(place, place + len(piece), place + len(piece) + len(end)))
            place += len(piece)
        return "".join(pieces), spans

    def _with_end(self, behind: str, sample: Sample) -> str:
        """What stands behind the last answer, from its end token on."""
        if self._end_token(behind):
            return behind
        if behind.strip():  # it would be learned as text, and written out in use
            raise DataError(
                f"row {sample.id}: the chat template ends an answer with {behind.strip()[:40]!r}, which is no control "
                "token of this tokenizer; choose another template (model.template)"
            )
        return self.tokenizer.eos_token or ""

    def _end_token(self, behind: str) -> str:
        """The text up to and with the control token that `behind` opens with (after white space), or nothing."""
        token = behind.lstrip()
        name = next((text for text in self._special_texts if token.startswith(text)), "")
        return behind[: len(behind) - len(token)] + name if name else ""

    @cached_property
    def _special_texts(self) -> list[str]:
        texts = {self.tokenizer.convert_ids_to_tokens(number) for number in self.special}
        return sorted(texts - {self.tokenizer.bos_token}, key=len, reverse=True)

    def _exchanged(self, sample: Sample, number: int) -> str:
        """The rendered text with answer `number` replaced by a letter that it neither begins nor ends with."""
        answer = sample.messages[number]["content"].strip()
        letter = next(c for c in "ZQ7" if c not in (answer[:1], answer[-1:]))
        messages = [dict(message) for message in sample.messages]
        messages[number]["content"] = letter
        pieces_text, _ = self._spans(Sample.of(messages=messages))
        return pieces_text
