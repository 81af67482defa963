"""Proof before step 0: what is learned is the answers and their end tokens, and nothing else.

The commonest silent failures of fine-tuning are a wrong label mask, a template that differs between training and use,
a second BOS, and an end token that is never learned. Each is checked on every row here; a failure stops the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finetune_lab.errors import DataError
from finetune_lab.records import Sample, Tokens
from finetune_lab.text.chat import Chat


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The tokenised rows of a split, and what was lost on the way to them."""

    tokens: tuple[Tokens, ...]
    num_too_long: int
    num_tokens_lost: int
    longest: int


def encode(chat: Chat, samples: Sequence[Sample], *, max_length: int) -> Rows:
    """Tokenise `samples`; rows over `max_length` are left out whole, since a cut row never learns to end."""
    kept: list[Tokens] = []
    lost = longest = 0
    for sample in samples:
        tokens = chat.conversation(sample)
        longest = max(longest, len(tokens.ids))
        if len(tokens.ids) <= max_length and any(tokens.targets):
            kept.append(tokens)
        else:
            lost += len(tokens.ids)
    return Rows(tokens=tuple(kept), num_too_long=len(samples) - len(kept), num_tokens_lost=lost, longest=longest)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was found; `example` is one row decoded, learned tokens in brackets."""

    supervised_share: dict[str, float]
    num_rows: dict[str, int]
    num_too_long: dict[str, int]
    num_tokens_lost: dict[str, int]
    end_token: str
    bos: str | None
    example: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """Three lines for people."""
        shares = ", ".join(f"{100 * share:.0f} % of {name}" for name, share in self.supervised_share.items())
        lost = sum(self.num_too_long.values())
        left_out = (
            f"; {lost} rows over the length left out ({sum(self.num_tokens_lost.values())} tokens)" if lost else ""
        )
        bos = f"one {self.bos} in front" if self.bos else "no BOS, as the tokenizer has it"
        return [
            f"proof    learned tokens: {shares}{left_out}",
            f"proof    two routes agree on every mask; {self.end_token} is learned; {bos}; prompts as in use",
            f"proof    {self.example}",
        ]


def prove(chat: Chat, samples: Mapping[str, Sequence[Sample]], rows: Mapping[str, Rows]) -> Proof:
    """Check every row of every split; raises DataError naming the row and what is wrong with it."""
    ends: set[int] = set()
    for name, split in rows.items():
        if not split.tokens:
            raise DataError(
                f"split {name}: none of its {len(samples[name])} rows is within the maximum length (the longest has "
                f"{split.longest} tokens); raise method.objective.max_length"
            )
        by_id = {sample.id: sample for sample in samples[name]}
        for tokens in split.tokens:
            ends.add(_check(chat, by_id[tokens.sample], tokens))
    named = sorted(chat.tokenizer.convert_ids_to_tokens(end) for end in ends)
    return Proof(
        supervised_share={name: _share(split.tokens) for name, split in rows.items()},
        num_rows={name: len(split.tokens) for name, split in rows.items()},
        num_too_long={name: split.num_too_long for name, split in rows.items()},
        num_tokens_lost={name: split.num_tokens_lost for name, split in rows.items()},
        end_token=", ".join(named[:3]),
        bos=chat.tokenizer.convert_ids_to_tokens(chat.bos) if chat.bos is not None else None,
        example=_example(chat, rows["train"].tokens[0]),
    )


def _check(chat: Chat, sample: Sample, tokens: Tokens) -> int:
    """The row's last learned token; raises DataError where one of the proofs fails."""
    if tokens.targets != chat.mask_by_difference(sample):
        raise DataError(f"row {sample.id}: two ways to find the answer's tokens disagree; {_example(chat, tokens)}")
    last = max(number for number, target in enumerate(tokens.targets) if target)
    if sample.text is not None:
        return tokens.ids[last]
    if tokens.ids[last] not in chat.special:
        raise DataError(f"row {sample.id}: its answer does not end in an end token; {_example(chat, tokens)}")
    if chat.bos is not None and tokens.ids[:2].count(chat.bos) != 1:
        raise DataError(f"row {sample.id}: {tokens.ids[:2].count(chat.bos)} BOS in front where one is due")
    prompt = chat.prompt(sample.prompt)
    if list(tokens.ids[: len(prompt)]) != prompt or not tokens.targets[len(prompt)]:
        raise DataError(
            f"row {sample.id}: the tokens before the answer differ between training and use; "
            "the chat template opens an answer otherwise than it writes one (model.template, model.template_options)"
        )
    return tokens.ids[last]


def _share(rows: Sequence[Tokens]) -> float:
    return sum(sum(row.targets) for row in rows) / sum(len(row.ids) for row in rows)


def _example(chat: Chat, row: Tokens, *, most: int = 60) -> str:
    """The end of the prompt and both ends of what is learned, on one line; learned text stands in ⟦ ⟧."""
    first = row.targets.index(True) if any(row.targets) else len(row.ids)
    learned = [token for token, target in zip(row.ids, row.targets, strict=True) if target]
    before = chat.tokenizer.decode(row.ids[:first])[-most:]
    text = chat.tokenizer.decode(learned)
    shown = text if len(text) <= 2 * most else f"{text[:most]} … {text[-most:]}"
    return f"{before}⟦{shown}⟧".replace("\n", "⏎")
