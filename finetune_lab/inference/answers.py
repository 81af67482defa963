"""Answers on disk: appended as they are written, so that a kill loses none and the next run asks only the rest."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from finetune_lab.once import write_atomically
from finetune_lab.protocols import LanguageModel
from finetune_lab.records import Answer, Decoding, Sample
from finetune_lab.store.folders import append_json_line, read_json_lines
from finetune_lab.text.thoughts import said

_FILE = "answers.jsonl"


def write_answers(
    folder: Path,
    opened: Callable[[], AbstractContextManager[LanguageModel]],
    rows: Sequence[Sample],
    decoding: Decoding,
) -> dict[str, Any]:
    """Answer the rows that `folder` has no answer to yet; return counts and seconds of this process for the note."""
    path = folder / _FILE
    kept = {row["sample"]: row for row in read_json_lines(path)}
    write_atomically(path, "".join(json.dumps(row) + "\n" for row in kept.values()))  # without a torn last line
    missing = {row.id: row.prompt for row in rows if row.id not in kept}
    started, num_tokens = time.monotonic(), 0
    with opened() as model:
        for answer in model.generate(missing, decoding):
            append_json_line(path, asdict(answer))
            num_tokens += answer.num_tokens
    return {"num": len(rows), "seconds": time.monotonic() - started, "num_tokens": num_tokens}


def read_answers(folder: Path, rows: Sequence[Sample]) -> tuple[Answer, ...]:
    """The answers to `rows`, in their order; thoughts before an answer stay in the file."""
    found = {row["sample"]: replace(Answer(**row), text=said(row["text"])) for row in read_json_lines(folder / _FILE)}
    return tuple(found[row.id] for row in rows)
