"""The X API v2, search and counts: pages, limits of rate, errors that pass and errors that stay."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from collecting.ledger import Ledger, SpendingLimitError
from finetune_lab.errors import DataError, WorldError
from finetune_lab.text.terminal import one_line

LEAST_POSTS, MOST_POSTS = 10, 100  # in one page, by the API's rules
_FIELDS = {
    "tweet.fields": "author_id,conversation_id,created_at,entities,in_reply_to_user_id,lang,public_metrics,"
    "referenced_tweets",
    "expansions": "author_id,referenced_tweets.id",
    "user.fields": "public_metrics,username",
}
_PASSING = (500, 502, 503, 504)


class RefusedError(WorldError):
    """The API understood and said no (400): a query with an operator that this access does not know, say."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of posts as the API gave it, and the token of the next."""

    body: dict[str, Any]
    next_token: str | None

    @property
    def posts(self) -> list[dict[str, Any]]:
        return self.body.get("data") or []


@dataclass(frozen=True, kw_only=True)
class XApi:
    """`key` is the bearer token. A limit of rate is waited for, if it takes no longer than `longest_wait_seconds`."""

    url: str
    key: str = field(repr=False)
    usd_per_post: float
    ledger: Ledger
    window: str = "recent"  # or all: the full archive, for accounts that have it
    num_tries: int = 5
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 1000.0
    timeout_seconds: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time

    def num_posts(self, query: str) -> int:
        """How many posts there are for a query, without reading (and paying) any."""
        total, token = 0, None
        while True:
            more = {"next_token": token} if token else {}
            body = self._asked(f"/2/tweets/counts/{self.window}", {"query": query, "granularity": "day", **more})
            meta = _meta(body)
            total += int(meta.get("total_tweet_count", 0))
            token = meta.get("next_token")
            if not token:
                return total

    def pages(self, query: str, *, token: str | None, most_posts: int | None = None) -> Iterator[Page]:
        """The pages of a query, from `token` on. Raises SpendingLimitError before a page that could cost too much."""
        left = most_posts
        while left is None or left > 0:
            page = self._page(query, token, min(left or MOST_POSTS, MOST_POSTS))
            yield page
            left = None if left is None else left - len(page.posts)
            token = page.next_token
            if token is None:
                return

    def _page(self, query: str, token: str | None, wanted: int) -> Page:
        num = max(LEAST_POSTS, min(wanted, self._affordable()))
        options = {"query": query, "max_results": str(num), **_FIELDS, **({"next_token": token} if token else {})}
        reserved = num * self.usd_per_post
        body = self._asked(f"/2/tweets/search/{self.window}", options, reserved_usd=reserved)
        posts = body.get("data") or []
        if not isinstance(posts, list) or not all(isinstance(post, dict) for post in posts):
            raise WorldError("the API's answer has no list of posts in its field data; nothing was written")
        self.ledger.settle(reserved, len(posts) * self.usd_per_post)
        return Page(body=body, next_token=_meta(body).get("next_token"))

    def _affordable(self) -> int:
        return int(self.ledger.left_usd / self.usd_per_post + 1e-9) if self.usd_per_post else MOST_POSTS

    def _asked(self, path: str, options: dict[str, str], *, reserved_usd: float = 0.0) -> dict[str, Any]:
        """The answer as an object. What passes (limits of rate, 5xx, a cut line) is waited for and tried again.

        Each try reserves its cost: an answer that was lost on the way may have been charged.
        """
        tries, wait = 0, self.first_wait_seconds
        while True:
            if reserved_usd:
                self.ledger.reserve(reserved_usd)
            told, pause = "", 0.0
            try:
                answer = self._sent(path, options)
            except httpx.TransportError as error:
                told, pause = f"the line was cut ({type(error).__name__})", wait
            else:
                if answer.status_code == 200:
                    return _object(answer)
                self._free(reserved_usd)
                told, pause = self._judged(answer, wait)
            tries += 1
            if tries >= self.num_tries:
                raise WorldError(f"{told}, {tries} times; the same line goes on from here")
            self.sleep(pause)
            wait *= 2

    def _sent(self, path: str, options: dict[str, str]) -> httpx.Response:
        heads = {"Authorization": f"Bearer {self.key}"}
        return httpx.get(f"{self.url}{path}", params=options, headers=heads, timeout=self.timeout_seconds)

    def _free(self, reserved_usd: float) -> None:
        if reserved_usd:
            self.ledger.settle(reserved_usd, 0.0)  # an error is not charged

    def _judged(self, answer: httpx.Response, wait: float) -> tuple[str, float]:
        """What an error means: words and a pause for one that passes; an exception for one that stays."""
        code = answer.status_code
        if code == 429:
            pause = self._until_reset(answer, wait)
            if pause > self.longest_wait_seconds:
                raise WorldError(f"the API asks to wait {pause:.0f} s; the same line goes on from here, later")
            return "the limit of requests is reached", pause
        if code in _PASSING:
            return f"the API is in trouble ({code})", wait
        said = one_line(_detail(answer), 300)
        if code == 400:
            raise RefusedError(f"the API refuses the query (400): {said}")
        if code in (401, 403):
            raise WorldError(f"the API does not accept the key ({code}): {said}")
        raise WorldError(f"the API answers {code}: {said}")

    def _until_reset(self, answer: httpx.Response, wait: float) -> float:
        try:
            reset = float(answer.headers.get("x-rate-limit-reset", ""))
        except ValueError:
            return wait
        return max(1.0, reset - self.now() + 1.0)  # a second more, since clocks differ


def collect(api: XApi, source: str, query: str) -> None:
    """Write every page of a query to the ledger, from where it stands."""
    if source in api.ledger.state.done:
        return
    for page in api.pages(query, token=api.ledger.at(source)):
        done = page.next_token is None
        lines = [page.body] if page.posts else []
        api.ledger.add(source, lines, num_rows=len(page.posts), place=page.next_token, done=done)


def likes(post: dict[str, Any]) -> int:
    """How many likes a post has. Raises DataError for one that does not say."""
    found = (post.get("public_metrics") or {}).get("like_count")
    if not isinstance(found, int):
        raise DataError(f"post {one_line(str(post.get('id')), 40)} does not say how many likes it has")
    return found


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        raise WorldError("the API's answer is no JSON; the same line goes on from here") from None
    if not isinstance(body, dict):
        raise WorldError("the API's answer is no object; the same line goes on from here")
    return body


def _meta(body: dict[str, Any]) -> dict[str, Any]:
    meta = body.get("meta")
    return meta if isinstance(meta, dict) else {}


def _detail(answer: httpx.Response) -> str:
    try:
        body = answer.json()
        first = (body.get("errors") or [{}])[0]
        return str(first.get("message") or body.get("detail") or body.get("title") or answer.text)
    except (ValueError, AttributeError, IndexError, TypeError):
        return answer.text


__all__ = ["LEAST_POSTS", "MOST_POSTS", "Page", "RefusedError", "SpendingLimitError", "XApi", "collect", "likes"]
