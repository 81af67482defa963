"""How long the rows of a training are: counted where they were tokenised, bounded by their bytes where not."""

import heapq
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune_lab.training.order import row_order

# Bytes of text that a token stands for: hardly ever more over a whole row, and about so many in English.
MOST_BYTES_PER_TOKEN, USUAL_BYTES_PER_TOKEN = 6, 4


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Rows of a split, and the longest of them: at least, and about so many tokens. Equal where they were counted.

    `evaluation`: rows and length of the largest pass over validation rows, where they were counted.
    """

    num_rows: int
    shortest_guess: int
    longest: int
    mean: float
    evaluation: tuple[int, int] | None = None


def counted(lengths: Sequence[int]) -> Lengths:
    """Of rows that were tokenised."""
    longest = max(lengths, default=0)
    return Lengths(
        num_rows=len(lengths),
        shortest_guess=longest,
        longest=longest,
        mean=statistics.fmean(lengths) if lengths else 0.0,
    )


def guessed(path: Path, *, max_length: int) -> Lengths:
    """Of a prepared split on disk, by the bytes of its texts; rows that are surely too long are left out of training.

    Reads the file once, and parses only its longest lines.
    """
    total, num_rows = 0, 0
    longest: list[tuple[int, bytes]] = []
    with path.open("rb") as lines:
        for line in lines:
            total, num_rows = total + len(line), num_rows + 1
            entry = (len(line), line)
            if len(longest) < 8:
                heapq.heappush(longest, entry)
            else:
                heapq.heappushpop(longest, entry)
    sizes = [_text_bytes(line) for _, line in longest] or [0]
    beyond = max(sizes)
    return Lengths(
        num_rows=num_rows,
        shortest_guess=min(max_length, beyond // MOST_BYTES_PER_TOKEN),
        longest=min(max_length, beyond // USUAL_BYTES_PER_TOKEN + 1),
        mean=min(max_length, total / max(1, num_rows) / USUAL_BYTES_PER_TOKEN),
    )


def unknown(max_length: int) -> Lengths:
    """Before the data is prepared: anything up to the limit."""
    return Lengths(num_rows=0, shortest_guess=0, longest=max_length, mean=float(max_length))


def _text_bytes(line: bytes) -> int:
    row = json.loads(line)
    texts = [turn.get("content") or "" for turn in row.get("messages") or ()] or [row.get("text") or ""]
    return sum(len(str(text).encode("utf-8", "surrogatepass")) for text in texts)


@dataclass(frozen=True, kw_only=True)
class Passes:
    """The forward passes of one update: cells (rows × the longest of them) of each."""

    rows: tuple[int, ...]
    cells: tuple[int, ...]


def updates(lengths: Sequence[int], *, batch_size: int, accumulation: int, num_steps: int, seed: int) -> list[Passes]:
    """Every update of a training in its order, with the padding that it will have."""
    per_step = batch_size * accumulation
    order = row_order(lengths, batch_size=per_step, num_batches=num_steps, seed=seed)
    return [_passes(order[start : start + per_step], lengths, batch_size) for start in range(0, len(order), per_step)]


def _passes(rows: Sequence[int], lengths: Sequence[int], batch_size: int) -> Passes:
    cut = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    return Passes(rows=tuple(rows), cells=tuple(len(part) * max(lengths[row] for row in part) for part in cut))


def evaluation_passes(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """The rows of every pass over validation rows, which go from the short ones to the long."""
    order = sorted(range(len(lengths)), key=lambda row: lengths[row])
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def largest_evaluation(lengths: Sequence[int], batch_size: int) -> list[int]:
    """The rows of the pass with the most cells; the last one may be longer, and of few rows."""
    passes = evaluation_passes(lengths, batch_size)
    return max(passes, key=lambda rows: len(rows) * max(lengths[row] for row in rows), default=[])
