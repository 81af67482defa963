"""Exports of two shapes become the same rows; every post is accounted for; authors and conversations stay together."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import DataError, WorldError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.preparing.pipeline import read_split
from finetune_lab.preparing.splitting import SPLITS

ALL = "data.split={train: 1, validation: 0, test: 0, seed: 0}"


def x_post(id: str, author: str, text: str, answers: str | None = None, minute: int = 0, **more: Any) -> dict[str, Any]:
    metrics = {"like_count": 3, "reply_count": 1, "retweet_count": 0, "quote_count": 0}
    referenced = {"referenced_tweets": [{"type": "replied_to", "id": answers}]} if answers else {}
    made = {"id": id, "author_id": author, "text": text, "conversation_id": "1", "lang": "en"}
    return {
        **made,
        "created_at": f"2025-03-01T12:{minute:02d}:00.000Z",
        "public_metrics": metrics,
        **referenced,
        **more,
    }


def apify(post: dict[str, Any]) -> dict[str, Any]:
    """The same post as Apify's scraper gives it."""
    answers = next((one["id"] for one in post.get("referenced_tweets", ()) if one["type"] == "replied_to"), None)
    minute = post["created_at"][14:16]
    made = {
        "type": "tweet",
        "id": post["id"],
        "text": post["text"],
        "author": {
            "id": post["author_id"],
            "userName": f"u{post['author_id']}",
            "followers": FOLLOWERS[post["author_id"]],
        },
        "likeCount": 3,
        "replyCount": 1,
        "retweetCount": 0,
        "createdAt": f"Sat Mar 01 12:{minute}:00 +0000 2025",
        "lang": "en",
        "conversationId": "1",
        "isRetweet": any(one["type"] == "retweeted" for one in post.get("referenced_tweets", ())),
    }
    media = {"media": ["a"]} if "attachments" in post else {}
    return {**made, **media, **({"isReply": True, "inReplyToId": answers} if answers else {})}


FOLLOWERS = {"a": 5000, "b": 800, "c": 10, "d": 900, "e": 900}
POSTS = [
    x_post("1", "a", "Tea &amp; cake?"),
    x_post("2", "b", "@ua @uc Yes, please &lt;3", "1", minute=6),
    x_post("3", "c", "@ua too few followers", "1", minute=7),
    x_post("4", "d", "@ua first!", "1", minute=1),
    x_post("5", "e", "@ua look", "1", minute=9, attachments={"media_keys": ["m"]}),
    x_post("6", "e", "its post is missing", "99", minute=9),
    x_post("7", "a", "@ua my own", "1", minute=9),
    x_post("8", "b", "RT", referenced_tweets=[{"type": "retweeted", "id": "1"}]),
    x_post("9", "e", "@ua @ub", "1", minute=10),
    x_post("2", "b", "@ua @uc Yes, please &lt;3", "1", minute=6),
]
PAGE = {
    "data": POSTS[1:],
    "includes": {
        "tweets": POSTS[:1],
        "users": [
            {"id": k, "username": f"u{k}", "public_metrics": {"followers_count": n}} for k, n in FOLLOWERS.items()
        ],
    },
    "meta": {"result_count": 9},
}


@pytest.fixture
def source(lab: Any, tmp_path: Path) -> Any:
    def make(rows: Any, *options: str, name: str = "export.jsonl") -> Any:
        path = tmp_path / name
        lines = json.dumps(rows) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows)
        path.write_text(lines, encoding="utf-8")
        return lab("data=tweets", f"data.path={path}", ALL, *options).data

    return make


FILTERS = "filter@data.filters=[followers,delay,media]"


@pytest.mark.parametrize(
    ("rows", "name"),
    [([{"meta": {"result_count": 0}}, PAGE], "x.jsonl"), ([apify(post) for post in POSTS], "apify.json")],
    ids=["x", "apify"],
)
def test_both_shapes_give_the_same_rows_and_reasons(rows: Any, name: str, source: Any, tmp_path: Path) -> None:
    note = source(rows, FILTERS, "data.system=Be kind.", name=name).prepare(tmp_path)
    (row,) = read_split(tmp_path, "train")
    assert [turn["content"] for turn in row.messages] == ["Be kind.", "Tea & cake?", "Yes, please <3"]
    assert note["rows_read"] == 10
    assert note["dropped"] == {
        "a post, no reply": 1,
        "its post is not in the export": 1,
        "a reply to oneself": 1,
        "a repost": 1,
        "no text": 1,
        "stands twice": 1,
        "followers: followers under 500": 1,
        "delay: seconds_after under 300": 1,
        "media: has media": 1,
    }
    assert "ub" not in row.group


def test_names_in_front_may_stay(source: Any, tmp_path: Path) -> None:
    source([PAGE], "data.mentions=true").prepare(tmp_path)
    assert read_split(tmp_path, "train")[0].messages[-1]["content"] == "@ua @uc Yes, please <3"


def test_neither_a_conversation_nor_an_author_falls_into_two_splits(source: Any, tmp_path: Path) -> None:
    posts = [x_post(f"p{n}", "a", f"post {n}", conversation_id=f"c{n}") for n in range(60)]
    posts += [
        x_post(f"r{n}", f"w{n * 7 % 90}", f"reply {n}", f"p{n % 60}", minute=n % 60, conversation_id=f"c{n % 60}")
        for n in range(200)
    ]
    note = source(posts, "data.split={train: 0.6, validation: 0.2, test: 0.2, seed: 1}").prepare(tmp_path)
    splits = {row.messages[-1]["content"]: name for name in SPLITS for row in read_split(tmp_path, name)}
    for keys in ([n % 60 for n in range(200)], [n * 7 % 90 for n in range(200)]):
        for key in set(keys):
            assert len({splits[f"reply {n}"] for n in range(200) if keys[n] == key and f"reply {n}" in splits}) <= 1
    assert len(splits) + sum(note["dropped"].values()) == note["rows_read"] == 260
    assert len(splits) > 50


def test_it_is_known_by_its_content(source: Any) -> None:
    one, other = source([PAGE], name="a.jsonl"), source([PAGE], name="b.jsonl")
    assert fingerprint(one) == fingerprint(other) != fingerprint(source([PAGE, PAGE], name="c.jsonl"))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"data": "x"}, "line 1: field 'data' should be a list of objects"),
        ({"data": [{"text": "x"}]}, "line 1, post 1: a post should have an 'id'; the row has: text"),
        ({"data": [{"id": "1", "text": None}]}, "line 1, post 1: a post should have its text"),
        ({"data": [], "includes": []}, "field 'includes' should be an object"),
        ({"id": "1", "text": "half \ud83d"}, "half of a character"),
        ({"fullText": 3, "id": 1}, "got int"),
    ],
)
def test_mistakes_are_told_with_their_place(row: Any, told: str, source: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        source([row]).prepare(tmp_path)


def test_an_export_that_is_not_there_is_told(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"data\.path: there is no export at .*nowhere"):
        lab("data=tweets", f"data.path={tmp_path / 'nowhere'}").data.check()
