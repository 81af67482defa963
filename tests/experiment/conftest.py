"""Small samples in the form of the corpora that the bundles name."""

import csv
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

WORDS = (
    "the",
    "a",
    "tea",
    "rain",
    "train",
    "ticket",
    "city",
    "old",
    "new",
    "we",
    "you",
    "they",
    "go",
    "see",
    "find",
    "blue",
    "small",
    "market",
    "bridge",
    "room",
    "near",
    "far",
)


def sentence(random: Random, num_words: int) -> str:
    return " ".join(random.choice(WORDS) for _ in range(num_words)).capitalize() + "."


def cornell(folder: Path) -> Path:
    """Forty short dialogues of twenty films."""
    random, lines, talks = Random(1), [], []
    for talk in range(40):
        names = [f"L{talk * 4 + n}" for n in range(4)]
        lines += [
            f"{name} +++$+++ u{n} +++$+++ m{talk // 2} +++$+++ X +++$+++ {sentence(random, 5)}"
            for n, name in enumerate(names)
        ]
        talks.append(f"u0 +++$+++ u1 +++$+++ m{talk // 2} +++$+++ {names}")
    folder.mkdir()
    (folder / "movie_lines.txt").write_text("\n".join(lines) + "\n", encoding="latin-1")
    (folder / "movie_conversations.txt").write_text("\n".join(talks) + "\n", encoding="latin-1")
    return folder


def tweets(path: Path) -> Path:
    """Sixty posts with one good reply each, and one reply for every filter of the bundle."""
    random, posts = Random(2), []

    def post(name: str, author: str, text: str, minute: int, answers: str | None = None, **more: Any) -> None:
        of = {"id": author, "userName": author, "followers": more.pop("followers", 900)}
        made = {"id": name, "text": text, "author": of, "createdAt": f"Sat Mar 01 12:{minute:02d}:00 +0000 2025"}
        counts = {"likeCount": 1, "replyCount": 0, "retweetCount": 0, "conversationId": answers or name}
        posts.append({**made, **counts, **more, **({"inReplyToId": answers} if answers else {})})

    for n in range(60):
        post(f"p{n}", "asker", sentence(random, 6), 0)
        post(f"r{n}", f"a{n}", "@asker " + sentence(random, 9), 10, f"p{n}")
    post("short", "b1", "@asker ok", 10, "p0")
    post("link", "b2", "look at https://example.com/page please do", 10, "p1")
    post("media", "b3", sentence(random, 9), 10, "p2", media=["x"])
    post("small", "b4", sentence(random, 9), 10, "p3", followers=3)
    post("large", "b5", sentence(random, 9), 10, "p4", followers=100_001)
    post("first", "b6", sentence(random, 9), 4, "p5")
    path.write_text("".join(json.dumps(one) + "\n" for one in posts))
    return path


def alignment(folder: Path) -> Path:
    """Sixty prompts with their instruction and two responses."""
    random = Random(3)
    folder.mkdir()
    with (folder / "train.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["Prompt", "Instruction generated", "Accepted Response", "Rejected Response"])
        table.writerows([sentence(random, num) for num in (6, 4, 7, 5)] for _ in range(60))
    return folder


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: Any) -> dict[str, str]:
    """By bundle, the override that names its sample."""
    place = tmp_path_factory.mktemp("corpora")
    return {
        "cornell_banter": f"data.folder={cornell(place / 'cornell')}",
        "tweet_replies": f"data.path={tweets(place / 'replies.jsonl')}",
        "pocketguide_v3": "data.max_rows=40",
        "pocketguide_v4": "data.max_rows=40",
        "alignment": f"data.folder={alignment(place / 'alignment')}",
    }
