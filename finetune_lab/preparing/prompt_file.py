"""Prompts out of a file: rows in the shapes that people keep, or plain text with a prompt on every line."""

from pathlib import Path

from finetune_lab.errors import DataError, WorldError
from finetune_lab.preparing.pipeline import convert
from finetune_lab.preparing.reading import read_rows, read_text
from finetune_lab.records import Sample


def read_prompts(path: Path) -> tuple[Sample, ...]:
    """The prompts of a file, each once; answers that rows hold stay beside them as references.

    Raises WorldError where there is no file, DataError for one without prompts.
    """
    if not path.is_file():
        raise WorldError(f"task.prompts: there is no file {path}")
    if path.suffix in (".json", ".jsonl"):
        rows = convert(read_rows(path), unanswered="keep", undesirable="keep").samples
    else:
        lines = [line.strip() for line in read_text(path).splitlines()]
        rows = [Sample.of(messages=[{"role": "user", "content": line}]) for line in lines if line]
    found = {row.id: row for row in rows if row.prompt}
    if not found:
        raise DataError(f"{path} holds no prompts: give it rows with messages, or a prompt on every line")
    return tuple(found.values())
