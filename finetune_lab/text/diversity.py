"""How varied a set of texts is: distinct n-grams, and each text's likeness to the others (self-BLEU).

N the length of the longest n-grams, p_n a text's clipped precision of n-grams, c its length and r the length of the
other text that is nearest in length.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from math import exp, log

import regex

Gram = tuple[str, ...]
# scripts that are written without spaces: every sign is a word of its own, as else a sentence would be one
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[[\p{{L}}\p{{N}}_]--[{_UNSPACED}]]"
_WORD = regex.compile(
    rf"[{_UNSPACED}]\p{{M}}*|(?:{_LETTER}\p{{M}}*)+(?:['’](?:{_LETTER}\p{{M}}*)+)*|[^\s\p{{L}}\p{{N}}_]", regex.VERSION1
)


def words(text: str) -> list[str]:
    """Words and punctuation marks in lower case, in any script."""
    found: list[str] = _WORD.findall(text.casefold())
    return found


def grams(tokens: Sequence[str], num: int) -> list[Gram]:
    """All runs of `num` tokens."""
    return [tuple(tokens[start : start + num]) for start in range(len(tokens) - num + 1)]


def distinct(texts: Sequence[Sequence[str]], num: int) -> tuple[float | None, list[float | None]]:
    """The share of n-grams over all texts that are different ones, and the same with each text left out.

    None where no n-gram is left. It falls with the amount of text, so only sets of like size compare.
    Source: Li et al. (2016), arXiv 1510.03055.
    """
    counts = [Counter(grams(tokens, num)) for tokens in texts]
    whole: Counter[Gram] = Counter()
    for one in counts:
        whole.update(one)
    total = whole.total()
    left_out = []
    for one in counts:
        alone = sum(whole[gram] == count for gram, count in one.items())  # stand in no other text
        rest = total - one.total()
        left_out.append((len(whole) - alone) / rest if rest else None)
    return (len(whole) / total if total else None), left_out


def self_bleu(texts: Sequence[Sequence[str]], longest: int) -> list[float | None]:
    """The BLEU of each text against all others as references, 0 to 1; higher means less varied.

    exp(min(0, 1 − r/c)) · (Π p_n)^(1/N), n = 1 … N. An n-gram counts as often as it stands in the text, but no more
    than in the other text that has it most often. For n > 1 one is added to hits and total, so that a short text
    without a common 4-gram is not 0 at once. None for an empty text, or without others.
    Source: Papineni et al. (2002); smoothing: Lin & Och (2004), COLING; self-BLEU: Zhu et al. (2018), arXiv 1802.01886.
    """
    kept = [tokens for tokens in texts if tokens]
    if len(kept) < 2:
        return [None] * len(texts)
    tables = [_Clips(kept, num) for num in range(1, longest + 1)]
    lengths = sorted(len(tokens) for tokens in kept)
    places = iter(range(len(kept)))
    return [_bleu(tokens, next(places), tables, lengths) if tokens else None for tokens in texts]


class _Clips:
    """For every n-gram the two texts that have it most often: what clips a text is the most that another one has."""

    def __init__(self, texts: Sequence[Sequence[str]], num: int) -> None:
        self.num = num
        self._most: dict[Gram, tuple[int, int, int]] = {}  # (most, which text, second most)
        for place, tokens in enumerate(texts):
            for gram, count in Counter(grams(tokens, num)).items():
                most, holder, second = self._most.get(gram, (0, -1, 0))
                self._most[gram] = (count, place, most) if count > most else (most, holder, max(second, count))

    def elsewhere(self, gram: Gram, place: int) -> int:
        """The most times that `gram` stands in a text other than that at `place`."""
        most, holder, second = self._most[gram]
        return second if holder == place else most


def _bleu(tokens: Sequence[str], place: int, tables: Iterable[_Clips], lengths: list[int]) -> float:
    logs = []
    for table in tables:
        own = Counter(grams(tokens, table.num))
        hits = sum(min(count, table.elsewhere(gram, place)) for gram, count in own.items())
        smooth = table.num > 1
        if hits + smooth == 0:
            return 0.0
        logs.append(log((hits + smooth) / (own.total() + smooth)))
    gap = 1 - _nearest(len(tokens), lengths) / len(tokens)
    return exp(min(0.0, gap)) * exp(sum(logs) / len(logs))


def _nearest(length: int, lengths: list[int]) -> int:
    """The length in the sorted list that is nearest to one of its own, that one left out; the shorter of two."""
    own = bisect_left(lengths, length)
    others = [lengths[place] for place in (own - 1, own + 1) if 0 <= place < len(lengths)]
    return min(others, key=lambda other: (abs(other - length), other))
