"""Replies out of a file, as another judge was given them: for looking again, for tests, and for those without a key."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.inference.clients.exchange import Reply, Request, Trouble
from finetune_lab.plugin import plugin
from finetune_lab.store.folders import read_json_lines


@plugin
class Replay:
    """`path` is a file as outputs/judgements/<judge>/replies.jsonl: questions are found by what they ask.

    A question that the file does not hold has no reply; nobody is asked.
    """

    is_free: ClassVar[bool] = True
    temperature: ClassVar[float | None] = None
    max_tokens: ClassVar[int] = 1  # nothing is generated
    path: Path
    label: str
    family: str | None

    def identity(self) -> dict[str, Any]:
        """The content of the file."""
        self.check()
        return {"replies": file_digest(self.path)}

    @property
    def name(self) -> str:
        """The label of the config."""
        return self.label

    def check(self) -> None:
        """Raise WorldError when the file is not there."""
        if not self.path.is_file():
            raise WorldError(f"client.path: there is no file {self.path}; judges leave them below outputs/judgements")

    @contextmanager
    def open(self, runtime: Any) -> Iterator["_Replies"]:
        """The file, read once."""
        self.check()
        yield _Replies({row["key"]: Reply.from_json(row) for row in read_json_lines(self.path)})


class _Replies:
    rows_at_once = 1
    most_at_a_time: int | None = 1

    def __init__(self, replies: dict[str, Reply]) -> None:
        self._replies = replies

    def complete(self, requests: Sequence[Request]) -> list[Reply]:
        absent = [one.key for one in requests if one.key not in self._replies]
        if absent:
            raise Trouble("refused", "the file holds no reply to this question")
        return [self._replies[one.key] for one in requests]
