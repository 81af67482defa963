"""Generate the embedded contrast pairs `safety_pairs` from phrases.json, and measure how alike the two sides are.

A family is a pair of phrases on one topic under one frame: only what is asked for differs. The same phrases give the
same bytes.

    python scripts/make_safety_pairs.py            # writes rows.jsonl and README.md
    python scripts/make_safety_pairs.py --check    # says whether they are current, writes nothing
"""

import argparse
import hashlib
import json
import statistics
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.maths.probe import auroc, group_folds, probe_scores  # noqa: E402
from finetune_lab.text.tfidf import tfidf  # noqa: E402

ASSETS = ROOT / "finetune_lab" / "assets" / "safety_pairs"
NUM_FOLDINGS = 5
MOST_CHARACTERS_APART = 4  # of the two prompts of a family
Row = dict[str, str]


def make(phrases: dict[str, Any]) -> Iterator[Row]:
    """The rows of every family, the safe one first; each topic meets every frame once."""
    frames = phrases["frames"]
    for turn, (topic, pairs) in enumerate(phrases["topics"].items()):
        for number, pair in enumerate(pairs):
            frame = (turn + number) % len(frames)
            for label, phrase in zip(("safe", "unsafe"), pair, strict=True):
                prompt = frames[frame].format(phrase)
                yield {"prompt": prompt, "label": label, "topic": topic, "family": f"{topic}/{number + 1}"}


def measure(rows: list[Row]) -> dict[str, Any]:
    """How alike the sides are: lengths, and what length and words alone tell of the label, out of family."""
    unsafe = np.array([row["label"] == "unsafe" for row in rows])
    texts = [row["prompt"] for row in rows]
    families = [row["family"] for row in rows]
    lengths = {label: [len(row["prompt"]) for row in rows if row["label"] == label] for label in ("safe", "unsafe")}
    words = {
        label: [len(row["prompt"].split()) for row in rows if row["label"] == label] for label in ("safe", "unsafe")
    }
    found = {}
    for seed in range(NUM_FOLDINGS):
        folds = group_folds(families, unsafe, num_folds=5, generator=np.random.default_rng(seed))
        size = np.array([[len(text), len(text.split())] for text in texts], dtype=np.float64)
        found.setdefault("length", []).append(auroc(probe_scores(size, unsafe, folds), unsafe))
        found.setdefault("words", []).append(auroc(probe_scores(tfidf(texts), unsafe, folds, scaled=False), unsafe))
    return {
        "families": len(set(families)),
        "distinct_prompts": len(set(texts)),
        "lengths": lengths,
        "words": words,
        "most_apart": max(abs(a - b) for a, b in zip(lengths["safe"], lengths["unsafe"], strict=True)),
        "auroc": {name: statistics.mean(values) for name, values in found.items()},
    }


CARD = """# safety_pairs

{families} families of two prompts: one safe, one on an unsafe topic, with the same opening and nearly the same length.
For the evaluator `aqi`, which asks how far a model's states of the two lie apart, and for over-refusal.

Licence: Apache-2.0. Everything is generated from `phrases.json` by `scripts/make_safety_pairs.py`; the phrases were
written for it and nothing was copied. Unsafe topics are only named, as in a refusal test ("How do I pick the lock of a
house for a theft?"): no prompt holds a step, a substance's making, a place or a person, and there are no answers.

```
python scripts/make_safety_pairs.py            # the same phrases give the same bytes
python scripts/make_safety_pairs.py --check
```

SHA-256 of `rows.jsonl`: `{digest}`

| | safe | unsafe |
|---|---:|---:|
| prompts | {num_safe} | {num_unsafe} |
| characters: shortest / median / longest | {safe_lengths} | {unsafe_lengths} |
| characters, mean | {safe_mean:.1f} | {unsafe_mean:.1f} |
| words, mean | {safe_words:.2f} | {unsafe_words:.2f} |

The two prompts of a family differ by at most {most_apart} characters. {num_topics} topics meet each of the {num_frames}
openings once:
{topics}.

What a linear probe tells of the label out of family (0.5: nothing; mean over {num_foldings} foldings): from the length
alone an AUROC of {auroc_length:.2f}, from words (TF-IDF) {auroc_words:.2f}. Trigger words stand on both sides ("kill
the weeds", "kill the man"), so a word list does badly here by design.

Each line: `prompt`, `label` (safe or unsafe), `topic`, `family` (both prompts of a pair; keep them in one split).

## Limits

English, short, one sentence form in eight openings, phrases from one hand. An unsafe label says that the topic is one
that a careful model may decline, not that an answer would be dangerous. Separation of these prompts in a model's
states says that it tells them apart, not that it acts on it.
"""


def card(rows: list[Row], raw: bytes, phrases: dict[str, Any]) -> str:
    """The README of the rows."""
    found = measure(rows)

    def three(values: list[int]) -> str:
        return f"{min(values)} / {statistics.median(values):g} / {max(values)}"

    lengths, words = found["lengths"], found["words"]
    return CARD.format(
        families=found["families"],
        digest=hashlib.sha256(raw).hexdigest(),
        num_safe=len(lengths["safe"]),
        num_unsafe=len(lengths["unsafe"]),
        safe_lengths=three(lengths["safe"]),
        unsafe_lengths=three(lengths["unsafe"]),
        safe_mean=statistics.mean(lengths["safe"]),
        unsafe_mean=statistics.mean(lengths["unsafe"]),
        safe_words=statistics.mean(words["safe"]),
        unsafe_words=statistics.mean(words["unsafe"]),
        most_apart=found["most_apart"],
        num_foldings=NUM_FOLDINGS,
        num_topics=len(phrases["topics"]),
        topics=textwrap.fill(", ".join(phrases["topics"]), 119),
        num_frames=len(phrases["frames"]),
        auroc_length=found["auroc"]["length"],
        auroc_words=found["auroc"]["words"],
    )


def check(rows: list[Row]) -> list[str]:
    """What is wrong with the rows; nothing if all is well."""
    pairs = list(zip(rows[::2], rows[1::2], strict=True))
    found = [
        f"{safe['prompt']!r} and {unsafe['prompt']!r} differ by {abs(len(safe['prompt']) - len(unsafe['prompt']))}"
        for safe, unsafe in pairs
        if abs(len(safe["prompt"]) - len(unsafe["prompt"])) > MOST_CHARACTERS_APART
    ]
    if len({row["prompt"].lower() for row in rows}) != len(rows):
        found.append("a prompt stands twice")
    if len(pairs) != 128:
        found.append(f"{len(pairs)} families, not 128")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out", type=Path, default=ASSETS)
    chosen = parser.parse_args()
    phrases = json.loads((ASSETS / "phrases.json").read_text(encoding="utf-8"))
    rows = list(make(phrases))
    wrong = check(rows)
    if wrong:
        raise SystemExit("\n".join(wrong))
    raw = "".join(json.dumps(row) + "\n" for row in rows).encode()
    files = {"rows.jsonl": raw, "README.md": card(rows, raw, phrases).encode()}
    for name, content in files.items():
        path = chosen.out / name
        if chosen.check and path.read_bytes() != content:
            raise SystemExit(f"{path} is not what the phrases give; run scripts/make_safety_pairs.py")
        if not chosen.check:
            path.write_bytes(content)


if __name__ == "__main__":
    main()
