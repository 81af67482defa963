"""The ratios of a field test as a picture: an SVG that any browser shows, without a library."""

from collections.abc import Iterator, Sequence
from html import escape
from math import exp, floor, log

from finetune_lab.field.findings import Comparison
from finetune_lab.maths.standardised_ratio import Ratio
from finetune_lab.text.terminal import visible

_WIDTH, _LEFT, _RIGHT, _LINE, _TOP = 720, 230, 180, 40, 56
_ADJUSTED, _NAIVE, _FAINT = "#20639b", "#b8860b", "#999"
_TICKS = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)


def forest(found: Sequence[Comparison], confidence: float) -> str:
    """A line for each pair of arms and outcome on a log scale, adjusted above and naive below; 1 is no difference."""
    rows = [(pair, one) for pair in found for one in pair.found]
    far = _far([ratio for _, one in rows for ratio in (one.adjusted, one.naive)])
    height = _TOP + _LINE * len(rows) + 44
    body = [*_axis(far, height)]
    for place, (pair, one) in enumerate(rows):
        middle = _TOP + _LINE * place + _LINE / 2
        arms = f"{pair.reference} → {pair.candidate}"
        body.append(_text(8, middle - 3, _short(one.outcome), size=13))
        body.append(_text(8, middle + 12, _short(arms), size=11, fill="#666"))
        body += [*_mark(one.adjusted, middle - 6, far, _ADJUSTED), *_mark(one.naive, middle + 8, far, _NAIVE)]
    title = f"Ratio of mean counts, {100 * confidence:g} % intervals"
    legend = _text(_LEFT, 40, "■ covariates held equal", fill=_ADJUSTED) + _text(
        _LEFT + 170, 40, "■ naive: as the log has it", fill=_NAIVE
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        f'role="img" aria-label="{escape(title)}"><rect width="{_WIDTH}" height="{height}" fill="white"/>'
        f"{_text(8, 22, title, size=15)}{legend}{''.join(body)}</svg>\n"
    )


def _far(ratios: Sequence[Ratio]) -> float:
    """How far the axis goes in logs, to both sides: as far as the intervals, at most a hundredfold."""
    ends = [abs(log(end)) for one in ratios if not one.why for end in (one.low, one.high) if end > 0]
    return min(max([*ends, log(1.25)]) * 1.05, log(100.0))


def _axis(far: float, height: int) -> Iterator[str]:
    bottom = height - 30
    ticks = [tick for tick in _TICKS if log(tick) <= far]
    shown = ticks[:: 1 + floor(len(ticks) / 6)]
    for tick in [*(1 / one for one in reversed(shown[1:])), *shown]:
        across = _across(log(tick), far)
        strong = f'stroke="{_FAINT if tick != 1 else "#333"}" stroke-width="{1.5 if tick == 1 else 0.5}"'
        yield f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{_TOP - 4}" y2="{bottom}" {strong}/>'
        yield _text(across, bottom + 16, f"{tick:.3g}", anchor="middle")


def _mark(ratio: Ratio, height: float, far: float, colour: str) -> Iterator[str]:
    if ratio.why:
        yield _text(_WIDTH - _RIGHT + 10, height + 4, "unknown", fill=colour)
        return
    low, value, high = (_across(log(max(end, exp(-99))), far) for end in (ratio.low, ratio.value, ratio.high))
    yield f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{height}" y2="{height}" stroke="{colour}" stroke-width="2"/>'
    yield f'<rect x="{value - 4:.1f}" y="{height - 4}" width="8" height="8" fill="{colour}"/>'
    said = f"{ratio.value:.3g} [{ratio.low:.3g}, {ratio.high:.3g}]"
    yield _text(_WIDTH - _RIGHT + 10, height + 4, said, fill=colour)


def _across(logs: float, far: float) -> float:
    width = _WIDTH - _LEFT - _RIGHT
    return _LEFT + width * (min(max(logs, -far), far) + far) / (2 * far)


def _short(text: str) -> str:
    return text if len(text) <= 32 else f"{text[:31]}…"


def _text(x: float, y: float, text: str, *, size: int = 12, fill: str = "#222", anchor: str = "start") -> str:
    said = escape(visible(text))
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}">{said}</text>'
