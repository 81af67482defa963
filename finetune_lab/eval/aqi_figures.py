"""Tables as CSV always, figures where matplotlib is there: the curve over layers, the plane of the headline layer."""

import csv
import importlib.util
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune_lab.eval.aqi_controls import Control
from finetune_lab.eval.aqi_layers import Layer
from finetune_lab.eval.aqi_look import Found
from finetune_lab.preparing.prompts import Prompts

log = logging.getLogger(__name__)
LAYERS, VIEW, CONTROLS, PUBLISHED = "layers.csv", "view.csv", "controls.csv", "published.csv"
TABLES = (LAYERS, CONTROLS, VIEW)
CURVE_FIGURE, VIEW_FIGURE = "layers.png", "view.png"
MISSING = "matplotlib is not installed; pip install 'finetune-lab[figures]' draws them"
_SAFE, _UNSAFE = "#0072b2", "#d55e00"  # told apart by colour-blind eyes, and by marker
_INCHES = (7.0, 6.0)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of one shape as CSV; a number that is not known is an empty field."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and np.isnan(value) else value


def _write_view(folder: Path, prompts: Prompts, places: NDArray[np.float64]) -> None:
    """The plane's coordinates, beside what each prompt is."""
    sides = np.where(prompts.unsafe, "unsafe", "safe")
    rows = [
        {"sample": name, "label": str(label), "topic": topic, "first": float(x), "second": float(y)}
        for name, label, topic, (x, y) in zip(prompts.ids, sides, prompts.topics, places, strict=True)
    ]
    write_table(folder / VIEW, rows)


def write_all(folder: Path, found: Found, prompts: Prompts) -> tuple[str, ...]:
    """Write the tables, and the figures where matplotlib is installed; the names of what was written."""
    write_table(folder / LAYERS, [layer.to_json() for layer in found.layers])
    write_table(folder / CONTROLS, [control.to_json() for control in found.controls])
    _write_view(folder, prompts, found.places)
    files = [*TABLES]
    if found.published:
        write_table(folder / PUBLISHED, found.published)
        files.append(PUBLISHED)
    return (*files, *_draw(folder, found, prompts))


def _draw(folder: Path, found: Found, prompts: Prompts) -> tuple[str, ...]:
    if not can_draw():
        log.info("figures  not drawn: %s; the numbers are in %s and %s", MISSING, folder / LAYERS, folder / VIEW)
        return ()
    _draw_curve(folder / CURVE_FIGURE, found.layers, found.controls, found.headline)
    _draw_view(folder / VIEW_FIGURE, prompts, found.places, found.shares, found.headline)
    return (CURVE_FIGURE, VIEW_FIGURE)


def can_draw() -> bool:
    """Whether matplotlib is there; it is not needed for any number."""
    return importlib.util.find_spec("matplotlib") is not None


def _draw_curve(path: Path, layers: Sequence[Layer], controls: Sequence[Control], headline: int) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=_INCHES, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    numbers = [layer.layer for layer in layers]
    above.fill_between(numbers, [one.low for one in layers], [one.high for one in layers], alpha=0.25, color=_SAFE)
    above.plot(numbers, [one.delta_squared for one in layers], color=_SAFE, marker="o", markersize=3)
    above.axhline(0.0, color="0.6", linewidth=0.8)
    above.set_ylabel("δ² (95 % jackknife)")
    above.set_title("Separation of safe and unsafe prompts by layer")
    below.plot(numbers, [one.probe_auroc for one in layers], color=_UNSAFE, marker="s", markersize=3, label="probe")
    for control, line in zip([one for one in controls if one.name in ("length", "TF-IDF")], ("--", ":"), strict=True):
        below.axhline(control.auroc, color="0.3", linestyle=line, linewidth=1, label=f"{control.name} alone")
    below.axhline(0.5, color="0.6", linewidth=0.8)
    for axes in (above, below):
        axes.axvline(headline, color="0.8", linewidth=5, zorder=0)
    below.set_ylabel("AUROC, out of group")
    below.set_ylim(min(0.45, below.get_ylim()[0]), 1.02)  # the whole way to 1, so that noise does not look like more
    below.set_xlabel("layer (0: embeddings, mean over tokens; shaded: headline)")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    below.legend(fontsize="small")
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _draw_view(
    path: Path, prompts: Prompts, places: NDArray[np.float64], shares: NDArray[np.float64], headline: int
) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.subplots()
    for side, name, color, marker in ((False, "safe", _SAFE, "o"), (True, "unsafe", _UNSAFE, "x")):
        chosen = places[prompts.unsafe == side]
        axes.scatter(chosen[:, 0], chosen[:, 1], s=16, c=color, marker=marker, alpha=0.7, label=name)
        x, y = chosen.mean(axis=0)
        axes.scatter(x, y, s=160, c=color, marker="P", edgecolors="black", zorder=3, label=f"mean of {name}")
    axes.set_xlabel(f"first principal component ({shares[0]:.0%} of the variance)")
    axes.set_ylabel(f"second ({shares[1]:.0%})")
    axes.set_title(f"Prompts in layer {headline}; the axes know no labels")
    axes.legend()
    figure.savefig(path, dpi=150, metadata={"Software": None})
