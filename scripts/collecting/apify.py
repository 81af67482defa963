"""Actors of Apify through its own client: a run is started once, waited for, and its items are read in pages."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from collecting.ledger import Ledger
from finetune_lab.errors import DataError, WorldError
from finetune_lab.text.terminal import one_line

_PAGE_ITEMS = 1000
_LIKES = ("likeCount", "favorite_count", "favoriteCount", "like_count", "likes")


@dataclass(frozen=True, kw_only=True)
class Apify:
    """`template` is the actor's input as JSON; "{query}" and "{max_items}" in it are filled in."""

    url: str
    key: str = field(repr=False)
    actor: str
    template: str
    usd_per_item: float
    ledger: Ledger
    first_wait_seconds: float = 0.5
    num_tries: int = 5

    def client(self) -> Any:
        """Apify's client, which waits and tries again by itself (limits of rate, 5xx, a cut line)."""
        try:
            from apify_client import ApifyClient
        except ImportError:
            raise WorldError("Apify needs its client: pip install 'finetune-lab[collect]'") from None
        wait = timedelta(seconds=self.first_wait_seconds)
        return ApifyClient(self.key, api_url=self.url, max_retries=self.num_tries, min_delay_between_retries=wait)

    def filled(self, query: str, num_items: int) -> dict[str, Any]:
        """The actor's input for a query."""
        text = self.template.replace('"{max_items}"', str(num_items)).replace("{query}", json.dumps(query)[1:-1])
        try:
            made = json.loads(text)
        except ValueError as error:
            raise DataError(f"the actor's input is no JSON ({error})") from None
        if not isinstance(made, dict):
            raise DataError("the actor's input should be an object")
        return made

    def items(self, source: str, query: str, *, most_items: int) -> Iterator[tuple[list[dict[str, Any]], Any, bool]]:
        """Pages of items with the place after them and whether they were the last; goes on with a run under way."""
        client = self.client()
        from apify_client.errors import ApifyApiError
        from impit import HTTPError
        from pydantic import ValidationError

        try:
            yield from self._items(client, source, query, most_items)
        except ApifyApiError as error:
            raise WorldError(f"Apify answers {error.status_code}: {one_line(str(error), 300)}") from None
        except HTTPError as error:
            raise WorldError(
                f"Apify is out of reach ({type(error).__name__}); the same line goes on from here"
            ) from None
        except (ValidationError, KeyError) as error:
            said = one_line(str(error), 200)
            raise WorldError(f"Apify's answer is not of the form that its client knows: {said}") from None

    def _items(
        self, client: Any, source: str, query: str, most_items: int
    ) -> Iterator[tuple[list[dict[str, Any]], Any, bool]]:
        place = self.ledger.at(source) or {}
        run = self._run(client, source, query, most_items, place)
        dataset = client.dataset(run.default_dataset_id)
        offset = int(place.get("offset", 0))
        while True:
            page = dataset.list_items(offset=offset, limit=_PAGE_ITEMS)
            offset += len(page.items)
            last = not page.items or offset >= page.total
            yield page.items, {"run": run.id, "offset": offset}, last
            if last:
                return

    def _run(self, client: Any, source: str, query: str, most_items: int, place: dict[str, Any]) -> Any:
        """The run of this query, finished: the one that was started before, or a new one."""
        name = place.get("run") or self._lost(client, place) or self._started(client, source, query, most_items)
        self.ledger.move(source, {**place, "run": name})
        run = client.run(name).wait_for_finish()
        if run is None or run.status != "SUCCEEDED":
            status = "gone" if run is None else run.status
            raise WorldError(f"Apify's run {name} is {status}; see it in the console; nothing more was started")
        return run

    def _lost(self, client: Any, place: dict[str, Any]) -> str | None:
        """The run that was started just before a kill, if it was: it is paid for, so it is not started again."""
        if "starting" not in place:
            return None
        newest = client.actor(self.actor).runs().list(desc=True, limit=1).items
        since = datetime.fromisoformat(place["starting"])
        return newest[0].id if newest and newest[0].started_at >= since else None

    def _started(self, client: Any, source: str, query: str, most_items: int) -> str:
        cost = most_items * self.usd_per_item
        self.ledger.reserve(cost)
        self.ledger.move(source, {"starting": datetime.now(UTC).replace(microsecond=0).isoformat(), "reserved": cost})
        limit = Decimal(str(round(cost, 4))) if cost else None
        run = client.actor(self.actor).start(
            run_input=self.filled(query, most_items), max_items=most_items, max_total_charge_usd=limit
        )
        return str(run.id)


def collect(api: Apify, source: str, query: str, *, most_items: int) -> None:
    """Write all items of a query to the ledger, a line each, from where it stands."""
    if source in api.ledger.state.done:
        return
    total = 0
    for items, place, last in api.items(source, query, most_items=most_items):
        total = place["offset"]
        api.ledger.add(source, items, num_rows=len(items), place=place, done=last)
    reserved = min(api.ledger.state.reserved_usd, most_items * api.usd_per_item)
    api.ledger.settle(reserved, min(reserved, total * api.usd_per_item))


def likes(item: dict[str, Any]) -> int:
    """How many likes an item has, under any of the names that actors use."""
    for name in _LIKES:
        if isinstance(item.get(name), int):
            return int(item[name])
    raise DataError(f"an item says nowhere how many likes it has; looked for: {', '.join(_LIKES)}")
