"""Replies to posts, from exports of the X API v2 or of Apify: the post asks, the reply answers."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import file_digest
from finetune_lab.plugin import plugin
from finetune_lab.preparing.converted import Converted
from finetune_lab.preparing.filtering import Filters, described
from finetune_lab.preparing.licence import licence_beside
from finetune_lab.preparing.pipeline import write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.splitting import Split
from finetune_lab.preparing.tables import TABLES, read_table
from finetune_lab.preparing.turns import turn
from finetune_lab.preparing.tweets import Post, posts_of
from finetune_lab.records import Sample


@plugin
class Tweets:
    """`path` is a file (JSON, JSONL) or a folder of them; both shapes are recognised, post by post.

    Every post of the export is a row that was read: a reply whose post is in the export becomes a sample, all others
    are counted by reason. Filters see `followers` (of who replied), `seconds_after`, `likes`, `replies`, `reposts`,
    `media` (of both), `language`. Replies of one conversation or one author stay in one split. `system` (null: none)
    is said before every post.
    """

    path: Path
    mentions: bool
    system: str | None
    split: Split
    filters: Filters

    def identity(self) -> dict[str, Any]:
        """The content of the files, not their place."""
        files = sorted(file_digest(path) for path in self._files())
        own = {"files": files, "mentions": self.mentions, "system": self.system}
        return {**own, "split": self.split, **described(self.filters)}

    def check(self) -> None:
        """Raise WorldError when there is no file."""
        self._files()

    def prepare(self, folder: Path) -> dict[str, Any]:
        """Write the splits; raises DataError naming file and row."""
        posts = [post for path in self._files() for post in posts_of(read_table(path))]
        known = {post.id: post for post in posts}
        found, seen = Converted(), set()
        for post in posts:
            found.shapes[f"posts of {post.shape}"] += 1
            parent = known.get(post.answers or "")
            row = Row(fields=_facts(post, parent), place=post.place)
            reason = "stands twice" if post.id in seen else self._unfit(post, parent)
            seen.add(post.id)
            if reason or parent is None:
                found.drop(reason or "no post to it", row)
            else:
                found.add(self._sample(post, parent), row, keys=_keys(post))
        source = {"source": self.path.name, "licence": licence_beside(self.path)}
        return write_splits(folder, found, self.split, source, self.filters)

    def _unfit(self, post: Post, parent: Post | None) -> str | None:
        if post.is_repost:
            return "a repost"
        if post.answers is None:
            return "a post, no reply"
        if parent is None:
            return "its post is not in the export"
        if parent.author is not None and parent.author == post.author:
            return "a reply to oneself"
        empty = not post.said(mentions=self.mentions) or not parent.said(mentions=self.mentions)
        return "no text" if empty else None

    def _sample(self, post: Post, parent: Post) -> Sample:
        before = [turn("system", self.system)] if self.system else []
        asked, answered = parent.said(mentions=self.mentions), post.said(mentions=self.mentions)
        messages = [*before, turn("user", asked), turn("assistant", answered)]
        return Sample.of(messages=messages, group=_keys(post)[0])

    def _files(self) -> Sequence[Path]:
        if self.path.is_file():
            return [self.path]
        found = sorted(path for path in self.path.rglob("*") if path.suffix in TABLES) if self.path.is_dir() else []
        if not found:
            raise WorldError(f"data.path: there is no export at {self.path}")
        return found


def _keys(post: Post) -> tuple[str, ...]:
    """What must not fall into two splits: conversation and author, under names that tell neither."""
    conversation = f"conversation {post.conversation or post.answers}"
    names = [conversation, *([f"author {post.author}"] if post.author else [])]
    return tuple(sha256(name.encode()).hexdigest()[:16] for name in names)


def _facts(post: Post, parent: Post | None) -> dict[str, Any]:
    """What filters may ask about a reply, and its text for people to read."""
    seconds = (post.time - parent.time).total_seconds() if parent and post.time and parent.time else None
    return {
        "id": post.id,
        "text": post.text,
        "post": parent.text if parent else None,
        "followers": post.followers,
        "seconds_after": seconds,
        "likes": post.likes,
        "replies": post.replies,
        "reposts": post.reposts,
        "media": post.media + (parent.media if parent else 0),
        "language": post.language,
    }
