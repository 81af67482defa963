"""Near-duplicates beside datasketch, on a million rows, and semantic duplicates block by block: speed, memory, truth.

    python scripts/bench_duplicates.py planted                # recall and precision on pairs planted at J = 0.8
    python scripts/bench_duplicates.py beside --rows 100000   # beside datasketch (pip install datasketch)
    python scripts/bench_duplicates.py million                # 1,000,000 short rows: time and peak memory
    python scripts/bench_duplicates.py blocks --rows 50000    # cosine > 0.9 in blocks, and the whole matrix

One thread: set OMP_NUM_THREADS=1. Precision is that of pairs under their exact Jaccard similarity, computed here anew
from words; datasketch is used at its best: one prototype for all permutations, update_batch, insertion sessions, the
same bands as ours, and without a check of its candidates, which would cost it more time.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.maths.blockwise import alike_pairs, unit_rows  # noqa: E402
from finetune_lab.text.minhash import Banding, near_families, tuned  # noqa: E402
from finetune_lab.text.shingles import shingles  # noqa: E402

THRESHOLD, SIZE = 0.8, 3
WORDS = 50_000


def rows_of_words(num_rows: int, *, length: int, seed: int) -> Iterator[str]:
    """Rows of random words, of which every fifth is planted: the row before it with its end changed to J = 0.8.

    A row of n words has n − 2 runs of three; changing the last m words changes m runs, so J = (n − 2 − m)/(n − 2 + m),
    which is 0.8 for n − 2 = 9 m.
    """
    draw = Random(seed)
    vocabulary = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(WORDS)]
    changed = max(1, round((length - 2) / 9))
    before: list[str] = []
    for number in range(num_rows):
        row = draw.choices(vocabulary, k=9 * changed + 2)
        if number % 5 == 4:
            row[:-changed] = before[:-changed]
        yield " ".join(row)
        before = row


def planted_pairs(num_rows: int) -> NDArray[np.int64]:
    """The later rows of the planted pairs; the earlier stands before each."""
    return np.arange(4, num_rows, 5)


def plain_jaccard(one: str, other: str) -> float:
    """The similarity from the words themselves."""
    left, right = ({tuple(w[i : i + SIZE]) for i in range(len(w) - SIZE + 1)} for w in (one.split(), other.split()))
    return len(left & right) / len(left | right)


def ours(texts: list[str], banding: Banding) -> NDArray[np.int64]:
    """For every row the name of its family."""
    sets = shingles(texts, unit="word", size=SIZE)
    return near_families(sets, threshold=THRESHOLD, banding=banding, seed=0).labels


def datasketch_pairs(texts: list[str], params: tuple[int, int] | None) -> set[tuple[int, int]]:
    """Candidate pairs of datasketch; `params`: bands and values in each, None: its own choice for 128 permutations."""
    from datasketch import MinHash, MinHashLSH

    num = params[0] * params[1] if params else 128
    lsh = MinHashLSH(threshold=THRESHOLD, num_perm=num, **({"params": params} if params else {}))
    prototype = MinHash(num_perm=num)
    found, made = set(), []
    with lsh.insertion_session() as session:
        for number, text in enumerate(texts):
            words = text.split()
            one = prototype.copy()
            one.update_batch({" ".join(words[i : i + SIZE]).encode() for i in range(len(words) - SIZE + 1)})
            session.insert(number, one, check_duplication=False)
            made.append(one)
    for number, one in enumerate(made):
        found |= {(other, number) for other in lsh.query(one) if other < number}
    return found


def planted(num_rows: int, length: int) -> tuple[float, float]:
    """Recall of planted pairs, and the share of pairs within families that are true (or planted) pairs."""
    texts = list(rows_of_words(num_rows, length=length, seed=1))
    labels = ours(texts, tuned(THRESHOLD, recall=0.99, num_permutations=64))
    later = planted_pairs(num_rows)
    recall = float(np.mean(labels[later] == labels[later - 1]))
    order = np.argsort(labels, kind="stable")
    together = [(a, b) for a, b in pairwise(order.tolist()) if labels[a] == labels[b]]
    true = sum(plain_jaccard(texts[a], texts[b]) >= THRESHOLD - 1e-9 for a, b in together)
    return recall, true / len(together)


def beside(num_rows: int, length: int, rounds: int) -> None:
    """Interleaved rounds of ours and of datasketch, each in its two forms."""
    texts = list(rows_of_words(num_rows, length=length, seed=2))
    banding = tuned(THRESHOLD, recall=0.99, num_permutations=64)
    ours(texts[:100], banding)
    later = planted_pairs(num_rows)
    params = (banding.num_bands, banding.num_values)
    forms = {"datasketch, same bands": params, "datasketch, its own bands (128 permutations)": None}
    ratios: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(rounds):
        started = time.process_time()
        labels = ours(texts, banding)
        own = time.process_time() - started
        print(
            f"ours: {own:.2f} s of processor time, recall {np.mean(labels[later] == labels[later - 1]):.4f}", flush=True
        )
        for name, chosen in forms.items():
            started = time.process_time()
            found = datasketch_pairs(texts, chosen)
            spent = time.process_time() - started
            ratios[name].append(spent / own)
            recall = np.mean([(row - 1, row) in found for row in later.tolist()])
            print(f"{name}: {spent:.2f} s, {spent / own:.1f} times ours, recall {recall:.4f}", flush=True)
    for name, each in ratios.items():
        print(f"{name}: {np.median(each):.1f} times as slow (median of {rounds})")


def million(num_rows: int, length: int) -> None:
    """Short rows, streamed; only hashes and labels are held. Run in a process of its own for its peak."""
    started = time.process_time()
    before = _peak_bytes()
    labels = ours_streamed(num_rows, length)
    later = planted_pairs(num_rows)
    recall = np.mean(labels[later] == labels[later - 1])
    print(
        f"{num_rows} rows of about {length} words: {time.process_time() - started:.1f} s of processor time with making "
        f"them, recall {recall:.4f}, peak {_peak_bytes() / 2**30:.2f} GiB (before: {before / 2**30:.2f})"
    )


def ours_streamed(num_rows: int, length: int) -> NDArray[np.int64]:
    """The same from an iterator of rows."""
    sets = shingles(rows_of_words(num_rows, length=length, seed=3), unit="word", size=SIZE)
    banding = tuned(THRESHOLD, recall=0.99, num_permutations=64)
    return near_families(sets, threshold=THRESHOLD, banding=banding, seed=0).labels


def _peak_bytes() -> int:
    """The most memory since `_forget_peak`, or since the start where the system cannot forget."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def _forget_peak() -> None:
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")


def directions(num_rows: int, width: int, *, seed: int) -> NDArray[np.float32]:
    """Unit rows in bunches, so that cosines of all sizes occur, some of them near 0.9."""
    draw = np.random.default_rng(seed)
    centres = draw.standard_normal((num_rows // 8, width), dtype=np.float32)
    noise = draw.uniform(0.05, 0.6, num_rows).astype(np.float32)[:, None]
    rows = centres[draw.integers(0, len(centres), num_rows)]
    return unit_rows(rows + noise * draw.standard_normal((num_rows, width), dtype=np.float32))


def whole_matrix(vectors: NDArray[np.float32], above: float) -> set[tuple[int, int]]:
    """The pairs from the whole matrix of cosines in float64, a strip of full rows at a time (20 GB otherwise)."""
    exact = vectors.astype(np.float64)
    found = set()
    for start in range(0, len(exact), 500):
        rows, columns = np.nonzero(exact[start : start + 500] @ exact.T > above)
        found |= {(r + start, c) for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if r + start < c}
    return found


def blocks(num_rows: int, width: int, *, compare: bool) -> bool:
    """Whether the blockwise pairs are those of the whole matrix; prints how many there are, time and peak memory."""
    vectors = directions(num_rows, width, seed=4)
    _forget_peak()
    before, started = _peak_bytes(), time.process_time()
    found = {
        pair
        for ones, others in alike_pairs(vectors, above=0.9, block_rows=2048)
        for pair in zip(ones.tolist(), others.tolist(), strict=True)
    }
    spent, peak = time.process_time() - started, _peak_bytes()
    print(
        f"{num_rows} embeddings of {width}: {len(found)} pairs with cosine > 0.9 in {spent:.1f} s of processor time; "
        f"peak {peak / 2**30:.2f} GiB, {(peak - before) / 2**30:.2f} more than before "
        f"(the whole matrix: {num_rows**2 * 4 / 2**30:.1f})",
        flush=True,
    )
    if not compare:
        return True
    due = whole_matrix(vectors, 0.9)
    print(f"the whole matrix, strip by strip in float64: {len(due)} pairs, {len(due ^ found)} different")
    return due == found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["planted", "beside", "million", "blocks"])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--length", type=int, help="words in a row")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--here", action="store_true", help="million: in this process")
    options = parser.parse_args()
    if options.what == "planted":
        for length in (11, 20, 47, 200):
            recall, precision = planted(options.rows or 20_000, length)
            print(f"rows of {length} words: recall {recall:.4f}, precision {precision:.4f}", flush=True)
    elif options.what == "beside":
        beside(options.rows or 100_000, options.length or 47, options.rounds)
    elif options.what == "million" and options.here:
        million(options.rows or 1_000_000, options.length or 11)
    elif options.what == "million":
        return subprocess.run([sys.executable, *sys.argv, "--here"], check=False).returncode
    else:
        return 0 if blocks(options.rows or 50_000, options.width, compare=True) else 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
