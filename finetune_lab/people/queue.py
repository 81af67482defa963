"""What a rater is asked next, and what became of it. The file of votes is all that is remembered."""

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from finetune_lab.people.items import Ballot, Item, Text, draw, in_places
from finetune_lab.people.plan import Plan
from finetune_lab.people.votes import Vote, append_votes, latest, now, read_votes


class NotPossibleError(ValueError):
    """Something that cannot be said of this item; the message tells why, for the person who votes."""


@dataclass(frozen=True, kw_only=True)
class Showing:
    """One item before a rater: the answers in their places. `number`: of its kind in this sitting."""

    item: Item
    answers: tuple[Text, ...]
    number: int
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Votes of this rater; items with all votes that they need, and items in all. Gold items are not counted."""

    own: int
    done: int
    total: int


@dataclass(kw_only=True)
class Queue:
    """The items of `ballot` before `rater`, in an order of the rater's own, gold ones among the others.

    Going back shows the last vote's item again; what is said then replaces it. `source` is noted with every vote.
    """

    ballot: Ballot
    plan: Plan
    votes: Path
    rater: str
    source: str
    skipped: list[str] = field(default_factory=list)  # for this sitting only
    said: list[str] = field(default_factory=list)  # items voted on in this sitting, in order
    shown: int = 0

    def next(self) -> Showing | None:
        """The next open item; skipped ones come last, in turn. None when nothing is left but gold."""
        gold = {item.id for item in self.ballot.gold}
        open_items = self._open()
        if all(item.id in gold for item in open_items):
            return None
        turn = {name: place for place, name in enumerate(self.skipped, start=1)}
        seed = str(self.plan.seed)
        return self._show(
            min(open_items, key=lambda item: (turn.get(item.id, 0), draw(seed, "order", self.rater, item.id)))
        )

    def back(self) -> Showing | None:
        """The item that this rater voted on last in this sitting; again, the one before it. None: there is none."""
        known = self.ballot.by_id
        while self.said:
            item = known.get(self.said.pop())
            if item is not None:
                return self._show(item)
        return None

    def vote(self, showing: Showing, said: str) -> None:
        """Write a vote down. Raises NotPossibleError, with nothing written, for what is not among the options."""
        if said not in self.ballot.values:
            known = ", ".join(option.value for option in self.ballot.options)
            raise NotPossibleError(f"{said!r} is not among the answers; there are: {known}")
        made = Vote(
            item=showing.item.id,
            shown=tuple(answer.id for answer in showing.answers),
            said=said,
            rater=self.rater,
            time=now(),
            seconds=round(time.monotonic() - showing.since, 2),
            source=self.source,
        )
        append_votes(self.votes, [made])
        if made.item in self.said:
            self.said.remove(made.item)
        self.said.append(made.item)

    def skip(self, showing: Showing) -> None:
        """Put an item behind all others, for this sitting."""
        if showing.item.id in self.skipped:
            self.skipped.remove(showing.item.id)
        self.skipped.append(showing.item.id)

    def progress(self) -> Progress:
        """How far it is."""
        raters = self._raters()
        items = self.ballot.items
        own = sum(self.rater in raters[item.id] for item in items)
        done = sum(len(raters[item.id]) >= self.plan.num_raters(item) for item in items)
        return Progress(own=own, done=done, total=len(items))

    def _open(self) -> list[Item]:
        raters, gold = self._raters(), {item.id for item in self.ballot.gold}
        return [
            item
            for item in self.ballot.by_id.values()
            if self.rater not in raters[item.id]
            and (item.id in gold or len(raters[item.id]) < self.plan.num_raters(item))
        ]

    def _raters(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for item, rater in latest(read_votes(self.votes)):
            found[item].add(rater)
        return found

    def _show(self, item: Item) -> Showing:
        by_id = {answer.id: answer for answer in item.answers}
        order = in_places(tuple(by_id), item.id, self.rater, str(self.plan.seed))
        self.shown += 1
        return Showing(item=item, answers=tuple(by_id[name] for name in order), number=self.shown)
