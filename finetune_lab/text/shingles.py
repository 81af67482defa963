"""Texts as sets of hashed shingles: runs of words or of characters, made for many texts at once.

Case, punctuation, spacing and Unicode's compatibility forms do not count. A hash has 44 bits, so that a row's number
and a hash fit into one 64-bit integer and sorting those integers sorts and compares all sets together.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Unit = Literal["word", "character"]
Hashes = NDArray[np.uint64]
Counts = NDArray[np.int64]

HASH_BITS = 44
ROW_BITS = 64 - HASH_BITS
_BLOCK_CHARACTERS = 100_000  # at once; what is made of a block stays within the processor's cache or near it
_END = "\0"  # behind every text of a block; no word holds it
_LETTER = 0x9E3779B97F4A7C15  # odd, like all multipliers here: what is multiplied by it can be divided by it
_LETTER_INVERSE = pow(_LETTER, -1, 1 << 64)
_RUN = np.uint64(0xD1342543DE82EF95)


@dataclass(frozen=True, kw_only=True)
class Shingles:
    """The sets of all texts, one behind another: `hashes[starts[i]:starts[i + 1]]` is the sorted set of text i."""

    hashes: Hashes
    starts: Counts

    @property
    def counts(self) -> Counts:
        """How many shingles each text has."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1


def shingles(texts: Iterable[str], *, unit: Unit, size: int) -> Shingles:
    """The sets of runs of `size` words or characters.

    A text with fewer than `size` units has one shingle, made of all it has; one without any (no letter, no digit)
    has an empty set. Memory beside the result is that of a block of texts.
    """
    made = [_of_block(block, unit, size) for block in _blocks(texts)]
    counts = np.concatenate([np.zeros(1, dtype=np.int64), *(counts for _, counts in made)])
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *(hashes for hashes, _ in made)])
    return Shingles(hashes=hashes, starts=np.cumsum(counts))


def mixed(values: Hashes) -> Hashes:
    """Every bit of the result depends on every bit of `values`; one to one.

    Source: the finaliser of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA, 453).
    """
    found = values ^ (values >> np.uint64(30))
    found *= np.uint64(0xBF58476D1CE4E5B9)
    found ^= found >> np.uint64(27)
    found *= np.uint64(0x94D049BB133111EB)
    found ^= found >> np.uint64(31)
    return found


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    num_characters = 0
    for text in texts:
        block.append(text)
        num_characters += len(text)
        if num_characters >= _BLOCK_CHARACTERS or len(block) == 1 << ROW_BITS:
            yield block
            block, num_characters = [], 0
    if block:
        yield block


def _of_block(texts: Sequence[str], unit: Unit, size: int) -> tuple[Hashes, Counts]:
    """The sets of one block as sorted hashes in a row, and how many each text has."""
    codes = _codes(texts)
    in_word = _is_word()[codes]
    values, rows = (_words if unit == "word" else _characters)(codes, in_word)
    keys = _runs(values, rows, size)
    keys.sort()
    keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
    counts = np.bincount((keys >> np.uint64(HASH_BITS)).astype(np.int64), minlength=len(texts))
    return keys & np.uint64((1 << HASH_BITS) - 1), counts


def _codes(texts: Sequence[str]) -> NDArray[np.uint32]:
    """The characters of all texts as numbers, each text closed by `_END`."""
    whole = _END.join([text.replace(_END, " ") if _END in text else text for text in texts]) + _END
    if not whole.isascii() and not unicodedata.is_normalized("NFKC", whole):
        whole = unicodedata.normalize("NFKC", whole)
    # half a character, which no file can hold but a JSON escape can say, is a character like any other here
    return np.frombuffer(whole.casefold().encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@cache
def _is_word() -> NDArray[np.bool_]:
    """For every code point whether it is part of words: letters, digits, and marks that stand on or in letters."""
    wanted = ("L", "N", "M")
    return np.array([unicodedata.category(chr(code))[0] in wanted for code in range(0x110000)])


def _words(codes: NDArray[np.uint32], in_word: NDArray[np.bool_]) -> tuple[Hashes, Counts]:
    """A hash for every word, and the number of the text that it stands in."""
    before = np.empty_like(in_word)
    before[0], before[1:] = False, in_word[:-1]
    starts = np.flatnonzero(in_word & ~before)
    if not len(starts):
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    ends = np.flatnonzero(before & ~in_word)  # every word ends, since every text does
    powers = _powers(_LETTER, len(codes))
    sums = np.cumsum(codes * powers)  # a word's own part of it, divided by its first power, does not know its place
    hashes = mixed(
        (sums[ends - 1] - sums[starts] + codes[starts] * powers[starts]) * _powers(_LETTER_INVERSE, len(codes))[starts]
    )
    bounds = np.searchsorted(starts, np.flatnonzero(codes == 0))
    return hashes, np.repeat(np.arange(len(bounds)), np.diff(bounds, prepend=0))


def _characters(codes: NDArray[np.uint32], in_word: NDArray[np.bool_]) -> tuple[Hashes, Counts]:
    """A hash for every character of the words and for the one gap behind each word; and the text it stands in."""
    kept = in_word.copy()
    kept[1:] |= in_word[:-1]
    rows = (np.cumsum(codes == 0) - (codes == 0))[kept]
    shown = np.where(in_word[kept], codes[kept], np.uint32(ord(" ")))
    return mixed(shown * np.uint64(_LETTER)), rows.astype(np.int64)


def _powers(base: int, num: int) -> Hashes:
    """base⁰, base¹, … modulo 2⁶⁴, at least `num` of them."""
    return _table_of_powers(base, max(2 * _BLOCK_CHARACTERS, num))[:num]


@lru_cache(maxsize=2)
def _table_of_powers(base: int, num: int) -> Hashes:
    found = np.full(num, base, dtype=np.uint64)
    found[0] = 1
    return np.multiply.accumulate(found)


def _runs(values: Hashes, rows: Counts, size: int) -> Hashes:
    """For every run of `size` values within a row: the row's number above the run's hash."""
    num = len(values)
    total, whole = np.zeros(num, dtype=np.uint64), np.ones(num, dtype=bool)
    for step in range(size):
        same = np.zeros(num, dtype=bool)
        same[: max(0, num - step)] = rows[step:] == rows[: max(0, num - step)]
        part = np.zeros(num, dtype=np.uint64)
        part[: max(0, num - step)] = values[step:]
        total = total * _RUN + part * same
        whole &= same
    opens = np.ones(num, dtype=bool)
    opens[1:] = rows[1:] != rows[:-1]
    kept = whole | opens  # a row that is shorter than a run is one run
    return (rows[kept].astype(np.uint64) << np.uint64(HASH_BITS)) | (mixed(total[kept]) >> np.uint64(ROW_BITS))
