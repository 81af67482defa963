"""Small figures as SVG, without a library: bars that any browser and any page of Markdown shows."""

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

_WIDTH, _HEIGHT, _LEFT, _BELOW = 640, 220, 50, 40
_COLOURS = ("#4878a8", "#d08040", "#60a060")


def histogram(series: Mapping[str, Sequence[int]], *, title: str, unit: str, num_bins: int = 24) -> str:
    """Bars of several series of lengths over common bins, which widen with the length (equal on a log scale)."""
    values = [value for one in series.values() for value in one]
    edges = _edges(max(values, default=1), num_bins)
    counts = {name: _counted(one, edges) for name, one in series.items()}
    labels = [f"{edge:g}" for edge in edges[1:]]
    return _bars(counts, labels, title=f"{title} ({unit}, up to)")


def bars(counts: Mapping[str, int], *, title: str) -> str:
    """A bar for each name."""
    return _bars({"": list(counts.values())}, list(counts), title=title)


def _edges(longest: int, num_bins: int) -> list[float]:
    """From 0 to past the longest, each 1.2 to 2 times the last, rounded to two digits."""
    step = max((log10(max(longest, 10)) - 0.5) / num_bins, 0.02)
    found = [0.0]
    for number in range(num_bins + 1):
        raw = 10 ** (0.5 + number * step)
        digits = 10 ** max(int(log10(raw)) - 1, 0)
        edge = float(-(-raw // digits) * digits)
        if edge > found[-1]:
            found.append(edge)
    return found


def _counted(values: Sequence[int], edges: Sequence[float]) -> list[int]:
    found = [0] * (len(edges) - 1)
    for value in values:
        place = next((n for n, edge in enumerate(edges[1:]) if value <= edge), len(found) - 1)
        found[place] += 1
    return found


def _bars(series: Mapping[str, Sequence[int]], labels: Sequence[str], *, title: str) -> str:
    most = max((count for one in series.values() for count in one), default=0) or 1
    slot = (_WIDTH - _LEFT) / max(len(labels), 1)
    thick = slot * 0.8 / max(len(series), 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="10"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>'
        f'<text x="{_LEFT}" y="14" font-size="12">{escape(title)}</text>'
    ]
    for number, (name, counts) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(
            f'<text x="{_WIDTH - 10 - 90 * number}" y="14" fill="{colour}" text-anchor="end">{escape(name)}</text>'
        )
        for place, count in enumerate(counts):
            parts.append(_bar(_LEFT + place * slot + number * thick, thick, count / most, colour, count))
    every = max(len(labels) // 12, 1)
    for place, label in enumerate(labels):
        if place % every == 0:
            x = _LEFT + (place + 0.4) * slot
            parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 24}" text-anchor="middle">{escape(label[:16])}</text>')
    parts.append(f'<text x="{_LEFT - 6}" y="34" text-anchor="end">{most}</text></svg>\n')
    return "\n".join(parts)


def _bar(x: float, width: float, share: float, colour: str, count: int) -> str:
    height = share * (_HEIGHT - _BELOW - 24)
    y = _HEIGHT - _BELOW - height
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}">'
        f"<title>{count}</title></rect>"
    )
