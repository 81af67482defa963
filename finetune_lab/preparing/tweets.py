"""Exports of posts and replies, in the shapes of the X API v2 and of Apify's scrapers, as posts of one form."""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from finetune_lab.errors import DataError
from finetune_lab.preparing.reading import Row

_APIFY_TIME = "%a %b %d %H:%M:%S %z %Y"  # Fri Nov 24 17:49:36 +0000 2023
_MENTIONS = re.compile(r"^(?:@\w{1,30}(?:\s+|$))+")


@dataclass(frozen=True, kw_only=True)
class Post:
    """One post. What an export does not say is None, which is not zero."""

    id: str
    text: str
    author: str | None
    answers: str | None  # the id of the post that it answers
    conversation: str | None
    time: datetime | None
    is_repost: bool
    followers: float | None
    likes: float | None
    replies: float | None
    reposts: float | None
    media: int
    language: str | None
    shape: str
    place: str

    def said(self, *, mentions: bool) -> str:
        """The text as people see it: signs that the export escapes, and the names that a reply begins with unless
        `mentions` says to keep them.
        """
        text = html.unescape(self.text).strip()
        return text if mentions else _MENTIONS.sub("", text).strip()


def posts_of(rows: Iterable[Row]) -> Iterator[Post]:
    """The posts of an export: a row is a post, or a page of the API with its posts in `data`.

    The posts that a page brings along in `includes` come too. Raises DataError with the row's place for other rows.
    """
    for row in rows:
        data = row.fields.get("data")
        if data is None and "meta" in row.fields:
            continue  # a page without posts
        if data is None:
            yield _apify(row) if _is_apify(row.fields) else _x(row.fields, {}, {}, row.place)
            continue
        included = _mapping(row.fields.get("includes"), row, "includes")
        users = {str(user.get("id")): user for user in _objects(included.get("users"), row, "includes.users")}
        others = _objects(included.get("tweets"), row, "includes.tweets")
        for number, post in enumerate(_objects(data, row, "data"), start=1):
            yield _x(post, users, included, f"{row.place}, post {number}")
        for number, post in enumerate(others, start=1):
            yield _x(post, users, included, f"{row.place}, included post {number}")


def _is_apify(fields: Mapping[str, Any]) -> bool:
    return isinstance(fields.get("author"), Mapping) or "fullText" in fields or "inReplyToId" in fields


def _x(post: Mapping[str, Any], users: Mapping[str, Any], included: Mapping[str, Any], place: str) -> Post:
    metrics = _inner(post.get("public_metrics"))
    author = _name(post.get("author_id"))
    user = _inner(users.get(author or "")) or _inner(post.get("author"))
    references = post.get("referenced_tweets")
    references = [_inner(one) for one in references] if isinstance(references, list) else []
    kinds = {str(one.get("type")): _name(one.get("id")) for one in references}
    media = _inner(post.get("attachments")).get("media_keys")
    long = _inner(post.get("note_tweet")).get("text")
    return Post(
        id=_id(post, place),
        text=_text(long if isinstance(long, str) else post.get("text"), place),
        author=author,
        answers=kinds.get("replied_to"),
        conversation=_name(post.get("conversation_id")),
        time=_iso_time(post.get("created_at")),
        is_repost="retweeted" in kinds,
        followers=_number(_inner(user.get("public_metrics")).get("followers_count")),
        likes=_number(metrics.get("like_count")),
        replies=_number(metrics.get("reply_count")),
        reposts=_number(metrics.get("retweet_count")),
        media=len(media) if isinstance(media, list) else 0,
        language=_name(post.get("lang")),
        shape="X API v2",
        place=place,
    )


def _apify(row: Row) -> Post:
    post, place = row.fields, row.place
    author = _inner(post.get("author"))
    media = post.get("media") or _inner(post.get("extendedEntities")).get("media")
    return Post(
        id=_id(post, place),
        text=_text(post.get("fullText", post.get("text")), place),
        author=_name(author.get("id") or author.get("userName")),
        answers=_name(post.get("inReplyToId") or post.get("inReplyToStatusId")),
        conversation=_name(post.get("conversationId")),
        time=_apify_time(post.get("createdAt")),
        is_repost=bool(post.get("isRetweet")),
        followers=_number(author.get("followers", author.get("followersCount"))),
        likes=_number(post.get("likeCount")),
        replies=_number(post.get("replyCount")),
        reposts=_number(post.get("retweetCount")),
        media=len(media) if isinstance(media, list) else 0,
        language=_name(post.get("lang")),
        shape="Apify",
        place=place,
    )


def _id(post: Mapping[str, Any], place: str) -> str:
    found = _name(post.get("id"))
    if found is None:
        raise DataError(f"{place}: a post should have an 'id'; the row has: {', '.join(map(str, post))[:200]}")
    return found


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{place}: a post should have its text in 'text' (or 'fullText'), got {type(value).__name__}")
    if re.search("[\ud800-\udfff]", value):
        raise DataError(f"{place}: the text holds half of a character (a lone surrogate, \\ud800 to \\udfff)")
    return value


def _objects(value: Any, row: Row, name: str) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise DataError(f"{row.place}: field {name!r} should be a list of objects")
    return value


def _mapping(value: Any, row: Row, name: str) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise DataError(f"{row.place}: field {name!r} should be an object, got {type(value).__name__}")
    return value or {}


def _inner(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _name(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value) else None


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _iso_time(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _apify_time(value: Any) -> datetime | None:
    try:
        return datetime.strptime(str(value), _APIFY_TIME)
    except ValueError:
        return _iso_time(value)
