"""Replies on disk: one folder for each judge, one line for each reply, written when it arrives."""

import json
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune_lab.fingerprint import describe, fingerprint
from finetune_lab.inference.clients.exchange import Client, Reply, Request, Token
from finetune_lab.once import write_atomically
from finetune_lab.store.folders import append_json_line, read_json_lines

_NUMBER = re.compile(r"\s*\d+\s*")


def folder_of(client: Client, place: Path) -> Path:
    """Where the replies of this model, endpoint and parameters are."""
    name = re.sub(r"[^a-z0-9]+", "_", client.name.lower()).strip("_")[:40]
    return place / f"{name}-{fingerprint(client)}"


class Kept:
    """The replies of one judge. One process at a time adds to it (once.held); within it, many threads."""

    def __init__(self, client: Client, place: Path) -> None:
        self.folder = folder_of(client, place)
        self._client = client
        self._lock = threading.Lock()
        self._path = self.folder / "replies.jsonl"
        self._replies: dict[str, Reply] = {}

    def read(self) -> None:
        """Read what is there; what another process has added since the last time, too."""
        self._replies = {row["key"]: Reply.from_json(row) for row in read_json_lines(self._path)}

    def get(self, request: Request) -> Reply | None:
        return self._replies.get(request.key)

    def all(self) -> list[Reply]:
        return list(self._replies.values())

    def add(self, request: Request, reply: Reply) -> None:
        """Keep a reply: on disk before anybody reads it."""
        slim = _slim(reply, request)
        with self._lock:
            if not self._replies and not (self.folder / "judge.json").exists():
                write_atomically(self.folder / "judge.json", json.dumps(self._about(), indent=2))
            append_json_line(self._path, {"key": request.key, **slim.to_json()})
            self._replies[request.key] = slim

    def _about(self) -> Mapping[str, Any]:
        return {"name": self._client.name, "identity": describe(self._client)}


def _slim(reply: Reply, request: Request) -> Reply:
    """The reply with the alternatives of those tokens only that may be scores: of the rest there are megabytes."""
    wanted = set(request.scale)
    tokens = tuple(
        one if one.text.strip() in wanted or _NUMBER.fullmatch(one.text) else Token(text=one.text)
        for one in (reply.tokens if wanted else ())
    )
    return Reply(**{**vars(reply), "tokens": tokens})
