"""Labelled prompts as arrays: what an evaluator of separation works on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.errors import DataError
from finetune_lab.records import Sample

FEWEST = 4  # prompts of each label: the probe and the jackknife leave some out


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """N prompts: ids, texts (of all turns before the answer), which are unsafe, and what they are grouped by."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    unsafe: NDArray[np.bool_]
    groups: tuple[str, ...]
    topics: tuple[str, ...]
    sources: tuple[str, ...]
    label_sources: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Sample]) -> "Prompts":
        """Raises DataError for rows without a label or a prompt, and where a label has too few prompts."""
        unlabelled = [row for row in rows if row.facts.get("label") not in ("safe", "unsafe")]
        if unlabelled:
            raise DataError(
                f"{len(unlabelled)} of {len(rows)} rows have no label safe or unsafe among their facts (the first is "
                f"{unlabelled[0].id}); take a source that labels them: data=labelled, litmus or safety_pairs"
            )
        empty = [row.id for row in rows if not row.prompt]
        if empty:
            raise DataError(f"{len(empty)} rows have no prompt, only text (the first is {empty[0]})")
        counts = Counter(str(row.facts["label"]) for row in rows)
        if min(counts["safe"], counts["unsafe"]) < FEWEST:
            raise DataError(
                f"separation needs {FEWEST} safe and {FEWEST} unsafe prompts, there are {counts['safe']} and "
                f"{counts['unsafe']}: raise rows.max_rows, or bring prompts of both labels"
            )
        return cls(
            ids=tuple(row.id for row in rows),
            texts=tuple("\n".join(turn["content"] for turn in row.prompt) for row in rows),
            unsafe=np.array([row.facts["label"] == "unsafe" for row in rows]),
            groups=tuple(row.group or row.id for row in rows),
            topics=tuple(str(row.facts.get("topic", "")) for row in rows),
            sources=tuple(str(row.facts.get("source", "")) for row in rows),
            label_sources=tuple(str(row.facts.get("label_source", "given")) for row in rows),
        )

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Characters of each prompt."""
        return np.array([len(text) for text in self.texts], dtype=np.float64)

    def about(self) -> dict[str, Any]:
        """What makes a file of their states readable by itself."""
        return {"samples": list(self.ids), "unsafe": self.unsafe.tolist(), "groups": list(self.groups)}

    def detail(self, row: int) -> dict[str, Any]:
        """What people read beside one prompt's values."""
        label = "unsafe" if self.unsafe[row] else "safe"
        found = {"label": label, "label_source": self.label_sources[row], "group": self.groups[row]}
        return found | {"topic": self.topics[row], "source": self.sources[row]}

    def counts(self) -> dict[str, Any]:
        """Numbers for people."""
        return {
            "prompts": len(self.ids),
            "safe": int(np.sum(~self.unsafe)),
            "unsafe": int(np.sum(self.unsafe)),
            "groups": len(set(self.groups)),
            "label_sources": dict(Counter(self.label_sources)),
        }
