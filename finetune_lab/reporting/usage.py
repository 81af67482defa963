"""What a study cost and what use would cost: money where prices are known, seconds in any case, copies for loads."""

from collections.abc import Iterator
from typing import Any

from finetune_lab.reporting.asking import Asking, Found
from finetune_lab.reporting.forms import UNKNOWN
from finetune_lab.reporting.parts import Block, Chart, Column, Gap, Prose, Said, Section, Table
from finetune_lab.store import catalogue_use as use


def costs(ask: Asking) -> Section:
    """Costs of every run, quality against cost, and what a point of improvement cost."""
    found, front = ask("costs of runs", use.COSTS), ask("quality against cost", use.PARETO)
    returns = ask("return on cost", use.RETURNS)
    if not len(found):
        return Section(name="cost", title="Cost", blocks=(), gaps=(Gap(what="costs", command=ask.line()),))
    money = ask.currency
    blocks: list[Block] = [Prose(said=(said,), kind="note") for said in _unknown(ask.parameters, found)]
    if len(front):
        blocks.append(_front(front))
    blocks += [_returns(returns, money)] if len(returns) else []
    return Section(name="cost", title="Cost and what it buys", blocks=(*blocks, _costs(found, money)))


def _unknown(prices: Any, found: Found) -> Iterator[str]:
    """Which prices are not known, so that money is not told."""
    if not found.has("hour_price"):
        yield (
            "No price is known for the machines of these runs, so costs are told in seconds: "
            "task.prices.machine_hours takes one for each kind of machine."
        )
    if prices["value_per_point"] is None:
        yield (
            "What a point of improvement is worth is not known (task.prices.value_per_point), so no return is worked "
            "out; against staying with the base stands the cost alone."
        )
    if prices["million_tokens"] is None:
        yield "The price of served tokens is not known (task.prices.million_tokens): shorter answers save none here."
    if not found.has("judging_money"):
        yield "No judge has told a price: none was asked, or its client knows none (client.prices)."


def _front(found: Found) -> Chart:
    best = list(found.where(on_front=1))
    named = [part for row in best[:6] for part in (found.cell(row, "arm", "text"), ", ")]
    return Chart(
        kind="scatter",
        query=found.name,
        title="Quality against training time",
        described=("Filled marks are not beaten: nobody is as good and faster. They are ", *named[:-1], "."),
        uses={
            "x": "training_seconds",
            "y": "quality",
            "label": "arm",
            "front": "on_front",
            "arm": "arm",
            "x_label": "training, seconds",
            "y_label": "metric",
            "unit": "unit",
        },
    )


def _returns(found: Found, money: str) -> Table:
    columns = (
        Column(name="arm", head="arm"),
        Column(name="metric", head="metric"),
        Column(name="points", head="points gained", form="signed"),
        Column(name="verdict", head="verdict"),
        Column(name="seconds_per_point", head="training time a point", form="seconds"),
        Column(name="training_money", head=f"training, {money}", form="number", missing=UNKNOWN),
        Column(name="money_per_point", head=f"{money} a point", form="number", missing=UNKNOWN),
        Column(name="value_gained", head=f"worth, {money}", form="number", missing=UNKNOWN),
        Column(name="gain_over_base", head=f"return over the base, {money}", form="signed", missing=UNKNOWN),
        Column(name="tokens_per_answer", head="tokens an answer", form="number"),
        Column(name="base_tokens_per_answer", head="of the base", form="number"),
        Column(name="answers_until_paid", head="answers until paid", form="count"),
    )
    title = "What improvement cost; only differences that can be told from chance are worked out"
    return Table(query=found.name, title=title, columns=columns)


def _costs(found: Found, money: str) -> Table:
    columns = (
        Column(name="arm", head="arm"),
        Column(name="seed", head="seed", form="count"),
        Column(name="hardware", head="machine"),
        Column(name="training_seconds", head="training", form="seconds"),
        Column(name="evaluation_seconds", head="scoring", form="seconds"),
        Column(name="training_tokens", head="tokens trained on", form="count"),
        Column(name="tokens_per_second", head="tokens/s", form="number"),
        Column(name="peak_bytes", head="peak memory", form="bytes"),
        Column(name="adapter_bytes", head="adapter", form="bytes"),
        Column(name="hour_price", head=f"{money} an hour", form="number", missing=UNKNOWN),
        Column(name="training_money", head=f"training, {money}", form="number", missing=UNKNOWN),
        Column(name="evaluation_money", head=f"scoring, {money}", form="number", missing=UNKNOWN),
        Column(name="judging_money", head="judges, as billed", form="number", missing=UNKNOWN),
    )
    return Table(query=found.name, title="What each run cost", columns=columns)


def serving(ask: Asking) -> Section:
    """What was timed, what carries which load, and what to watch."""
    served, loads = ask("backends", use.SERVED), ask("backends for loads", use.LOADS)
    alarms = ask("limits for alarms", use.MONITORING)
    blocks: list[Block] = []
    gaps: tuple[Gap, ...] = ()
    if len(loads):
        blocks += [Prose(said=said, kind="item") for said in _advice(loads)]
        blocks.append(_loads(loads, ask.currency))
    else:
        gaps = (Gap(what="backends side by side, and which carries which load", command=ask.line("serving")),)
    if len(served):
        blocks.append(_served(served))
    if len(alarms):
        blocks.append(_alarms(alarms))
    return Section(name="serving", title="Serving: which backend for which load", blocks=tuple(blocks), gaps=gaps)


def _advice(found: Found) -> Iterator[Said]:
    """One sentence for each load, from what was measured."""
    for row in found.where(advised=1):
        load, wanted = found.cell(row, "load", "text"), found.cell(row, "wanted_requests_per_second")
        asked: Said = (load, " (", wanted, " requests a second): ")
        if not found.value(row, "in_time"):
            first, limit = found.cell(row, "first_token_ms"), found.cell(row, "wanted_first_token_ms")
            yield (
                *(*asked, "nothing measured here is fast enough; the first token took ", first, " ms at best, "),
                *("allowed are ", limit, " ms. A faster machine has to be measured."),
            )
            continue
        copies, rate = found.cell(row, "copies", "count"), found.cell(row, "requests_per_second")
        yield (
            *(*asked, found.cell(row, "backend", "text"), " with ", found.cell(row, "arm", "text"), ", copies: "),
            *(copies, ", since one carries ", rate, " requests a second on this machine."),
        )


def _served(found: Found) -> Table:
    columns = (
        Column(name="backend", head="backend"),
        Column(name="arm", head="arm"),
        Column(name="machine", head="machine"),
        Column(name="first_token_ms", head="first token, ms", form="number"),
        Column(name="tokens_per_second", head="tokens/s", form="number"),
        Column(name="requests_per_second", head="requests/s", form="number"),
        Column(name="at_once", head="at a time", form="count"),
        Column(name="same_text", head="same text, share", form="number"),
        Column(name="peak_bytes", head="peak memory", form="bytes"),
        Column(name="num_prompts", head="prompts", form="count"),
    )
    return Table(query=found.name, title="What was timed; compare rows of one machine", columns=columns)


def _loads(found: Found, money: str) -> Table:
    columns = (
        Column(name="load", head="load"),
        Column(name="wanted_requests_per_second", head="requests/s", form="number"),
        Column(name="wanted_first_token_ms", head="first token within, ms", form="number"),
        Column(name="backend", head="backend"),
        Column(name="arm", head="arm"),
        Column(name="copies", head="copies", form="count"),
        Column(name="in_time", head="in time", form="flag"),
        Column(name="money_per_hour", head=f"{money} an hour", form="number", missing=UNKNOWN),
        Column(name="advised", head="advised", form="flag"),
    )
    return Table(query=found.name, title="Copies that carry a load, by measured requests a second", columns=columns)


def _alarms(found: Found) -> Table:
    columns = (
        Column(name="what", head="of"),
        Column(name="arm", head="arm"),
        Column(name="figure", head="watch"),
        Column(name="measured", head="measured", form="number"),
        Column(name="side", head="alarm when"),
        Column(name="alarm", head="limit", form="number"),
    )
    title = "What to watch: speed with the slack of task.slack, quality at what the base reaches"
    return Table(query=found.name, title=title, columns=columns)
