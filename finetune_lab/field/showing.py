"""A field test for people: tables of 80 columns, and what must be read beside them."""

from collections.abc import Iterator
from math import inf, isfinite

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from finetune_lab.field.findings import Asked, Comparison, Found
from finetune_lab.maths.standardised_ratio import Ratio
from finetune_lab.text.tables import WIDTH, number
from finetune_lab.text.terminal import visible

_STYLES = {"more": "green", "fewer": "red", "unclear": "yellow", "unknown": "dim"}


def shown(found: Comparison, asked: Asked) -> Group:
    """One pair of arms: ratios with intervals, the naive ones below, weeks, and sentences."""
    lines = [Padding(Text(line), (0, 0, 0, 2)) for line in _sentences(found, asked)]
    return Group(_ratios(found, asked), _weeks(found, asked), *lines)


def _ratios(found: Comparison, asked: Asked) -> Table:
    rows, posts = found.num_rows, found.num_posts
    about = f"{rows[0]} and {rows[1]} replies below {posts[0]} and {posts[1]} posts"
    table = _table(f"{visible(found.reference)} → {visible(found.candidate)}  ({about})")
    table.add_column("outcome", overflow="fold", ratio=1)
    for name in ("reference", "candidate", "ratio", f"{100 * asked.confidence:g} % interval", "p, Holm"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for one in found.found:
        means = number(_known(one.reference_mean)), number(_known(one.candidate_mean))
        verdict = Text(one.verdict, style=_STYLES[one.verdict])
        table.add_row(Text(visible(one.outcome)), *means, *_cells(one.adjusted), _p(one.p_adjusted), verdict)
        table.add_row(Text("  naive", style="dim"), "", "", *_cells(one.naive), "", "")
    return table


def _weeks(found: Comparison, asked: Asked) -> Table:
    table = _table(f"with a power of {asked.power:.0%} at the strictest step of Holm's")
    table.add_column("outcome", overflow="fold", ratio=1)
    for name in (f"weeks for {asked.worth:g}", "posts for it", "least ratio found here"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.found:
        weeks, posts, least = one.plan.weeks, one.plan.num_posts, one.plan.detectable_ratio
        table.add_row(
            Text(visible(one.outcome)), _long(weeks, "{:.1f}"), _long(posts, "{:.0f}"), _long(least, "{:.2f}")
        )
    return table


def _table(title: str) -> Table:
    named = Text(title, style="bold")
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=named, title_justify="left", width=WIDTH)


def _sentences(found: Comparison, asked: Asked) -> Iterator[str]:
    balance = found.balance
    yield (
        "ratio: mean count of the candidate over that of the reference for the same covariates (quasi-Poisson, one "
        "original post left out at a time); naive: with nothing held equal"
    )
    if balance.largest:
        apart = ", ".join(f"{name} {value:.2f}" for name, value in balance.largest.items())
        yield f"largest standardised difference of the arms: {apart} (under 0.1 is usually called balanced)"
    looks = "the assignment looks random" if balance.looks_random else "the assignment does not look random"
    yield f"{looks} in what the log knows (p = {_p(balance.p_value)})"
    yield from (visible(caveat) for caveat in found.caveats)
    yield from (f"{visible(one.outcome)}: unknown, {one.adjusted.why}" for one in found.found if one.adjusted.why)
    if alike := [visible(one.outcome) for one in found.found if asked.interacted and not _crossed(one)]:
        yield f"covariates work alike in both arms, since there are few posts for more: {', '.join(alike)}"


def _crossed(found: Found) -> bool:
    return found.interacted or bool(found.adjusted.why)


def _cells(ratio: Ratio) -> tuple[str, str]:
    if ratio.why:
        return "–", "–"
    return f"{ratio.value:.3g}", f"[{ratio.low:.3g}, {ratio.high:.3g}]"


def _p(value: float) -> str:
    return "–" if not isfinite(value) else "<0.001" if value < 0.001 else f"{value:.3f}"


def _known(value: float) -> float | None:
    return value if isfinite(value) else None


def _long(value: float, form: str) -> str:
    return "never" if value == inf else "–" if not isfinite(value) else form.format(value)
