"""Who judges: models and wordings, each pair of them a voice; and what all kinds of judges are checked for."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from finetune_lab.errors import ConfigError, WorldError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.inference.clients.asking import Asked
from finetune_lab.inference.clients.exchange import Client, Failure, Outcome, Request
from finetune_lab.inference.clients.limits import Limits
from finetune_lab.inference.clients.spending import Estimate, estimate
from finetune_lab.text.families import family_of, names_of

Ask = Callable[[Client, Sequence[Request]], Asked]
_MOST_REASONS = 3


@dataclass(frozen=True, kw_only=True)
class Voice:
    """One judge asked in one wording."""

    judge: str
    wording: str

    @property
    def label(self) -> str:
        """As it stands in reports."""
        return f"{self.judge}/{self.wording}"


def voices(judges: Mapping[str, Client], wordings: Sequence[str]) -> Iterator[tuple[Voice, Client]]:
    """Every judge with every wording, judges outermost."""
    for name, client in judges.items():
        yield from ((Voice(judge=name, wording=wording), client) for wording in wordings)


def check_panel(where: str, judges: Mapping[str, Client], wordings: Sequence[str]) -> None:
    """Raise ConfigError for a panel of nobody, and WorldError where one of its judges cannot be used."""
    if not judges:
        raise ConfigError(f"{where}.judges: nobody judges; name a client, as in {where}.judges.main")
    if not wordings or len(set(wordings)) < len(wordings):
        raise ConfigError(f"{where}.wordings: should name one wording at least, and each once; got {list(wordings)}")
    for client in judges.values():
        client.check()


def check_families(where: str, judges: Mapping[str, Client], candidate: Any, *, allowed: bool) -> list[str]:
    """What a report must say of judges that are of the candidate's own family. Raises ConfigError unless allowed."""
    own = family_of(names_of(candidate))
    kin = [f"{name} ({client.name})" for name, client in judges.items() if judge_family(client) == own]
    if kin and not allowed:
        raise ConfigError(
            f"{where}: {', '.join(kin)} is of the candidate's own family, {own}, and a judge favours its own; take "
            f"another judge, or say {where}.allow_own_family=true, which the report will repeat"
        )
    return [f"judged by its own family ({own}), as allowed: {', '.join(kin)}"] if kin else []


def judge_family(client: Client) -> str:
    """The family that the config gives to a judge, or that its name tells."""
    return family_of([client.family or client.name])


def ask_all(
    asked_by: Mapping[Voice, Sequence[Request]], judges: Mapping[str, Client], ask: Ask
) -> tuple[dict[Voice, list[Outcome]], dict[str, Any]]:
    """Ask every judge all its questions in one go; the outcomes by voice, and each judge's bill."""
    outcomes: dict[Voice, list[Outcome]] = {}
    bills: dict[str, Any] = {}
    for name, client in judges.items():
        own = {voice: questions for voice, questions in asked_by.items() if voice.judge == name}
        asked = ask(client, [one for questions in own.values() for one in questions])
        bills[name] = {"model": client.name, **asked.bill}
        found = iter(asked.outcomes)
        outcomes |= {voice: [next(found) for _ in questions] for voice, questions in own.items()}
    return outcomes, bills


def estimates(
    asked_by: Mapping[Voice, Sequence[Request]], judges: Mapping[str, Client], limits: Limits
) -> list[Estimate]:
    """What asking would take, judge by judge."""
    found = []
    for name, client in judges.items():
        own = [one for voice, questions in asked_by.items() if voice.judge == name for one in questions]
        found.append(estimate(client, len(own), sum(one.num_bytes for one in own), limits))
    return found


def check_failures(where: str, outcomes: Sequence[Outcome], limit: float) -> None:
    """Raise WorldError where more questions than `limit` (a share) got no reply: what a later run may well get."""
    failures = [one for one in outcomes if isinstance(one, Failure)]
    if len(failures) <= limit * len(outcomes):
        return
    reasons = Counter(one.reason for one in failures).most_common(_MOST_REASONS)
    told = "; ".join(f"{num} × {reason}" for reason, num in reasons)
    raise WorldError(
        f"{where}: {len(failures)} of {len(outcomes)} questions got no reply ({told}); the replies are kept, and the "
        f"same line asks only the rest; {where}.unscored_limit={limit} is the share that may stay unscored"
    )


def reason_of(outcome: Outcome) -> str:
    """Why there is no verdict in an outcome, in words that many share, since they are counted."""
    if isinstance(outcome, Failure):
        return f"no reply: {outcome.kind}"
    if not outcome.text.strip():
        return "an empty answer"
    return "cut off before a verdict" if outcome.finish == "length" else "no verdict in the answer"


def panel_key(identity: Mapping[str, Any]) -> str:
    """What a calibration is filed under: the same judges, texts and criteria have the same."""
    return fingerprint(identity)


def interval_text(found: Mapping[str, Any]) -> str:
    """A figure with its interval, for people."""
    value, low, high = (found.get(name) for name in ("value", "low", "high"))
    if value is None or not isfinite(value):
        return "–"
    return f"{value:.3f} [{low:.3f}, {high:.3f}]" if low is not None and isfinite(low) else f"{value:.3f}"
