"""Ask a judge model: many at a time, patiently, within a limit of money; every reply is kept, and none paid twice."""

import logging
import random
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_lab.errors import LabError, WorldError
from finetune_lab.inference.clients.exchange import Client, Failure, Outcome, Reply, Request, Transport, Trouble
from finetune_lab.inference.clients.kept import Kept
from finetune_lab.inference.clients.limits import Limits
from finetune_lab.inference.clients.spending import Ledger, bill
from finetune_lab.inference.clients.waiting import Gate, Patience
from finetune_lab.once import held
from finetune_lab.progress import track

log = logging.getLogger(__name__)
_FAILED_IN_A_ROW = 2  # times the concurrency: then the server is down, and waiting on for each request is in vain


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What became of the requests, in their order, and what the replies took: tokens, money, how many were new."""

    outcomes: tuple[Outcome, ...]
    bill: dict[str, Any]


def ask(client: Client, requests: Sequence[Request], place: Path, runtime: Any) -> Asked:
    """Ask what is not kept below `place` yet; a request ends with a reply or with the reason why it has none.

    Another process that asks the same judge waits, and then finds the replies. Raises WorldError where no request will
    do (a wrong key, a server that is down) and LabError at the spending limit: the replies until then are kept.
    """
    kept, limits = Kept(client, place), runtime.judges
    kept.read()
    missing = _missing(kept, requests)
    num_asked, failures = 0, {}
    if missing:
        kept.folder.mkdir(parents=True, exist_ok=True)
        with held(kept.folder):
            kept.read()
            missing = _missing(kept, requests)
            num_asked, failures = len(missing), _ask_missing(client, missing, kept, runtime)
    found = [kept.get(one) or failures[one.key] for one in requests]
    replies = {one.key: reply for one, reply in zip(requests, found, strict=True) if isinstance(reply, Reply)}
    told = {"questions": len({one.key for one in requests}), "asked": num_asked, "failed": len(failures)}
    told |= bill(client, limits, list(replies.values()))
    log.info("judge     %s: %s", client.name, ", ".join(f"{name} {value}" for name, value in told.items()))
    return Asked(outcomes=tuple(found), bill=told)


def _missing(kept: Kept, requests: Sequence[Request]) -> list[Request]:
    return list({one.key: one for one in requests if kept.get(one) is None}.values())


def _ask_missing(client: Client, missing: list[Request], kept: Kept, runtime: Any) -> dict[str, Failure]:
    if not missing:
        return {}
    ledger = Ledger(client, runtime.judges, kept.all())
    client.check()
    with client.open(runtime) as transport:
        asking = _Asking(transport, kept, ledger, runtime.judges)
        failures = asking.run(missing)
    if asking.ended:
        asking.ended.tell(client.name, len(missing) - len(failures), failures)
    return failures


@dataclass(frozen=True, kw_only=True)
class _End:
    """Why nothing more is asked."""

    kind: str
    reason: str

    def tell(self, name: str, num_kept: int, failures: dict[str, Failure]) -> None:
        """Raise it as a sentence."""
        kinds = Counter(one.reason for one in failures.values() if one.kind != "not asked")
        most = "".join(f"; {num} × {reason}" for reason, num in kinds.most_common(3))
        kind = LabError if self.kind == "money" else WorldError
        raise kind(
            f"judge {name}: {self.reason}{most if self.kind == 'down' else ''}; {num_kept} new replies are kept, "
            f"{len(failures)} are missing, and the same line asks only these"
        )


class _Asking:
    """One call of `ask`: what its threads share."""

    def __init__(self, transport: Transport, kept: Kept, ledger: Ledger, limits: Limits) -> None:
        self._transport, self._kept, self._ledger, self._limits = transport, kept, ledger, limits
        self._gate, self._stop, self._lock = Gate(), threading.Event(), threading.Lock()
        self._draw = random.Random()  # on purpose different in every process
        self._failed_in_a_row, self._any_replied = 0, False
        self.ended: _End | None = None

    def run(self, requests: list[Request]) -> dict[str, Failure]:
        """Ask all of them; return the failures by key. At an interrupt what is under way is still waited for."""
        size = self._transport.rows_at_once
        batches = [requests[start : start + size] for start in range(0, len(requests), size)]
        threads = min(self._limits.concurrency, self._transport.most_at_a_time or self._limits.concurrency)
        pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="judge")
        failures: dict[str, Failure] = {}
        try:
            futures: list[Future[dict[str, Failure]]] = [pool.submit(self._batch, batch) for batch in batches]
            for future in track(futures, "judging"):
                failures |= future.result()
        finally:
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        return failures

    def _batch(self, requests: list[Request]) -> dict[str, Failure]:
        reserved = [one for one in requests if not self._stop.is_set() and self._may(one)]
        rest = {one.key: Failure(kind="not asked", reason="not asked") for one in requests if one not in reserved}
        if not reserved:
            return rest
        outcome: list[Reply] | Failure = Failure(kind="not asked", reason="not asked")
        try:
            outcome = self._tried(reserved)
        finally:
            for number, request in enumerate(reserved):
                self._ledger.settle(request, outcome[number] if isinstance(outcome, list) else None)
        self._count(outcome)
        return rest if isinstance(outcome, list) else rest | dict.fromkeys([one.key for one in reserved], outcome)

    def _may(self, request: Request) -> bool:
        if self._ledger.reserve(request):
            return True
        self._end("money", f"the spending limit of {self._limits.spending_limit} would not hold for another question")
        return False

    def _tried(self, requests: list[Request]) -> list[Reply] | Failure:
        """The replies, kept already; or why there are none after all tries."""
        patience = Patience(self._limits, self._draw)
        while True:
            self._gate.pass_through(self._stop)
            if self._stop.is_set():
                return Failure(kind="not asked", reason="not asked")
            try:
                replies = self._transport.complete(requests)
            except Trouble as trouble:
                wait = self._after(trouble, requests, patience)
                if wait is None:
                    return Failure(kind=trouble.kind, reason=trouble.reason)
                self._stop.wait(wait)
                continue
            for request, reply in zip(requests, replies, strict=True):
                self._kept.add(request, reply)
            return replies

    def _after(self, trouble: Trouble, requests: list[Request], patience: Patience) -> float | None:
        """What follows from trouble for all, and how long these requests wait; None: not any more."""
        if trouble.may_be_billed:
            for request in requests:
                self._ledger.lose(request)
        if trouble.kind == "account":
            self._end("account", trouble.reason)
            return None
        wait = patience.wait_seconds(trouble)
        if wait is not None and trouble.kind == "busy":
            self._gate.shut(wait)
            return 0.0
        return wait

    def _count(self, outcome: list[Reply] | Failure) -> None:
        with self._lock:
            failed = isinstance(outcome, Failure) and outcome.kind != "not asked"
            own = isinstance(outcome, Failure) and outcome.kind == "refused" and self._any_replied  # not the server's
            self._any_replied = self._any_replied or isinstance(outcome, list)
            self._failed_in_a_row = self._failed_in_a_row + 1 if failed and not own else 0
            down = self._failed_in_a_row >= _FAILED_IN_A_ROW * self._limits.concurrency
        if down:
            self._end(
                "down", f"{self._failed_in_a_row} questions in a row failed, after up to {self._limits.tries} tries"
            )

    def _end(self, kind: str, reason: str) -> None:
        with self._lock:
            self.ended = self.ended or _End(kind=kind, reason=reason)
        self._stop.set()
