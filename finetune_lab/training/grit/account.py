"""What people want to see of the method: spectra, effective ranks, condition numbers, time, and what is in memory."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from finetune_lab.maths.curvature import effective_rank
from finetune_lab.training.grit.applying import Part
from finetune_lab.training.grit.balancing import spectra
from finetune_lab.training.grit.layers import LoraLayer
from finetune_lab.training.grit.statistics import Statistics


class Account:
    """Watches one optimizer. Nothing is computed or waited for before somebody asks."""

    def __init__(self, layers: Sequence[LoraLayer], statistics: Statistics) -> None:
        self._layers, self._statistics = layers, statistics
        self.seconds = 0.0  # of this process, outside the model's own arithmetic
        self._sizes: dict[str, Tensor] = {}
        self._start = sum(_parameters(layer) for layer in layers)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started

    def note(self, part: Part) -> None:
        """Remember the squared norms of a stack's gradients and directions."""
        self._sizes[f"{part.sides[0]}"] = torch.stack([part.direction.square().sum(), part.gradient.square().sum()])

    def metrics(self) -> dict[str, float]:
        """Effective rank of every layer; condition numbers, norm ratio, seconds and parameters of all of them.

        Under `grit/…`; `grit/spectrum/01` and on are the shares of Σσ², largest first, as modules have them on average.
        Effective rank is of σ², the curvature of both sides together, and is left out where nothing
        is known yet.
        """
        found: dict[str, float] = {"grit/seconds": self.seconds}
        if self._sizes:
            natural, plain = torch.stack(list(self._sizes.values())).sum(0).sqrt().tolist()
            found["grit/natural_over_plain_norm"] = natural / max(plain, 1e-30)
        rows = [row for row in self.table() if row["effective_rank"] is not None]
        for row in rows:
            found[f"grit/effective_rank/{row['layer']}"] = row["effective_rank"]
        for place, share in enumerate(_mean_spectrum(rows), start=1):
            found[f"grit/spectrum/{place:02}"] = share
        for name in ("condition_h", "condition_e"):
            values = sorted(row[name] for row in rows)
            if values:
                found |= {f"grit/{name}_median": values[len(values) // 2], f"grit/{name}_largest": values[-1]}
        held = float(sum(_parameters(layer) for layer in self._layers))
        found |= {"grit/parameters_at_start": float(self._start), "grit/parameters_allocated": held}
        found["grit/parameters_stored"] = held  # what is in memory is what is saved: a cut leaves nothing behind
        known = {row["layer"]: row["effective_rank"] for row in rows}
        found["grit/parameters_effective"] = sum(
            _parameters(layer) * known.get(layer.name, layer.rank) / layer.rank for layer in self._layers
        )
        return found

    def table(self) -> list[dict[str, Any]]:
        """A row for every layer: rank, eigenvalues of both factors, σ, effective rank, condition numbers."""
        found = spectra(self._layers, self._statistics)
        return [
            {
                "layer": layer.name.removeprefix("base_model.model."),
                "rank": layer.rank,
                "parameters": _parameters(layer),
                **_row(found[number]),
            }
            for number, layer in enumerate(self._layers)
        ]

    def save(self, folder: Path) -> None:
        """curvature.safetensors (factors, bases, σ, under the layers' names) and curvature.json (the table)."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        rows = self.table()
        factor_h, factor_e = self._statistics.factors()
        tensors = {}
        for number, (layer, row) in enumerate(zip(self._layers, rows, strict=True)):
            name, rank = row["layer"], layer.rank
            tensors[f"{name}.factor_h"] = factor_h[number, :rank, :rank]
            tensors[f"{name}.factor_e"] = factor_e[number, :rank, :rank]
            tensors[f"{name}.sigma"] = torch.tensor(row["sigma"] or [])
        for width, sides in self._statistics.sides.items():
            for place, side in enumerate(sides):
                name = f"{rows[side.layer]['layer']}.{'input' if side.inner else 'output'}"
                if float(self._statistics.state[f"values.{width}"][place].sum()) > 0:
                    tensors[f"{name}_basis"] = self._statistics.state[f"basis.{width}"][place]
                    tensors[f"{name}_values"] = self._statistics.state[f"values.{width}"][place]
        save_file(
            {name: value.cpu().contiguous().clone() for name, value in tensors.items()},
            folder / "curvature.safetensors",
        )
        (folder / "curvature.json").write_text(json.dumps(rows, indent=1))


def _row(found: dict[str, Tensor] | None) -> dict[str, Any]:
    if found is None:
        return dict.fromkeys(("spectrum_h", "spectrum_e", "sigma", "effective_rank", "condition_h", "condition_e"))
    conditions = {
        f"condition_{side}": float(found[side][0] / found[side][-1].clamp_min(1e-12 * found[side][0]))
        for side in ("h", "e")
    }
    return {
        "spectrum_h": found["h"].tolist(),
        "spectrum_e": found["e"].tolist(),
        "sigma": found["sigma"].tolist(),
        "effective_rank": float(effective_rank(found["sigma"].square()[None])[0]),
        **conditions,
    }


def _mean_spectrum(rows: Sequence[dict[str, Any]]) -> list[float]:
    """Shares of σ² by place, averaged over the layers; a layer of lower rank has zeros behind it."""
    longest = max((len(row["sigma"]) for row in rows), default=0)
    found = [0.0] * longest
    for row in rows:
        total = sum(value**2 for value in row["sigma"]) or 1.0
        for place, value in enumerate(row["sigma"]):
            found[place] += value**2 / total / len(rows)
    return found


def _parameters(layer: LoraLayer) -> int:
    return layer.inner.weight.numel() + layer.outer.weight.numel()
