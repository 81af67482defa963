"""Line charts as small SVG files, without a library: what a page of measurements needs and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 340, 56, 210, 28, 40
COLOURS = ("#1b1b1b", "#8a8a8a", "#c9a227", "#2a7f62", "#7fb2d1", "#3b6fb6", "#c0392b", "#7d3c98", "#e08e79", "#5d6d3f")

Series = Mapping[str, Sequence[tuple[float, float]]]


def line_chart(path: Path, *, title: str, across: str, up: str, series: Series, logarithmic: bool = False) -> None:
    """Draw each series as a line with dots; `logarithmic`: the horizontal axis. Series without points are left out."""
    shown = {name: points for name, points in series.items() if points}
    every = [point for points in shown.values() for point in points]
    place_x = _axis([x for x, _ in every], LEFT, WIDTH - RIGHT, logarithmic)
    place_y = _axis([y for _, y in every], HEIGHT - BOTTOM, TOP, False)
    parts = [_frame(title, across, up)]
    parts += [_tick_x(place_x(x), f"{x:g}") for x in _ticks([x for x, _ in every], logarithmic)]
    parts += [_tick_y(place_y(y), f"{y:g}") for y in _ticks([y for _, y in every], False)]
    for number, (name, points) in enumerate(shown.items()):
        parts.append(_line(name, [(place_x(x), place_y(y)) for x, y in sorted(points)], number))
    path.parent.mkdir(parents=True, exist_ok=True)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11"'
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n")


def _axis(values: Sequence[float], start: float, end: float, logarithmic: bool) -> Callable[[float], float]:
    scaled = [log10(value) if logarithmic else value for value in values]
    low, high = min(scaled), max(scaled)
    span = (high - low) or 1.0
    return lambda value: start + (end - start) * (((log10(value) if logarithmic else value) - low) / span)


def _ticks(values: Sequence[float], logarithmic: bool) -> list[float]:
    low, high = min(values), max(values)
    if logarithmic:
        decades = range(floor(log10(low)), ceil(log10(high)) + 1)
        return [n * 10.0**d for d in decades for n in (1, 2, 5) if low <= n * 10.0**d <= high]
    if high == low:
        return [low]
    rough = (high - low) / 5
    step = next(n for n in (m * 10.0 ** floor(log10(rough)) for m in (1, 2, 5, 10)) if n >= rough)
    return [round(k * step, 10) for k in range(ceil(low / step), floor(high / step) + 1)]


def _frame(title: str, across: str, up: str) -> str:
    middle = (LEFT + WIDTH - RIGHT) / 2
    return (
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - RIGHT - LEFT}" height="{HEIGHT - BOTTOM - TOP}" fill="none" '
        f'stroke="#bbb"/><text x="{LEFT}" y="18" font-size="13">{escape(title)}</text>'
        f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(across)}</text>'
        f'<text transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(up)}</text>"
    )


def _tick_x(place: float, text: str) -> str:
    foot = HEIGHT - BOTTOM
    label = f'<text x="{place:.1f}" y="{foot + 15}" text-anchor="middle">{text}</text>'
    return f'<path d="M{place:.1f} {foot}v4" stroke="#888"/>{label}'


def _tick_y(place: float, text: str) -> str:
    label = f'<text x="{LEFT - 7}" y="{place + 4:.1f}" text-anchor="end">{text}</text>'
    return f'<path d="M{LEFT} {place:.1f}h-4" stroke="#888"/>{label}'


def _line(name: str, points: Sequence[tuple[float, float]], number: int) -> str:
    colour, key = COLOURS[number % len(COLOURS)], TOP + 8 + 16 * number
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2"/>' for x, y in points)
    start = WIDTH - RIGHT + 12
    return (
        f'<g fill="{colour}"><polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>{dots}'
        f'<rect x="{start}" y="{key - 3}" width="14" height="3"/></g>'
        f'<text x="{start + 19}" y="{key + 2}">{escape(name)}</text>'
    )
