"""GRIT as a torch optimizer: Adam in the eigenbases of the Fisher information, as seen by the rank and wide sides.

A LoRA matrix is updated as rank × wide. Its gradient is turned into the eigenbasis of its rank-side factor (C_e for
A, C_h for B); its wide side is split into the k leading directions U of its own covariance (of x for A, of g for B)
and the rest. Each part has second moments of its own and is normalised by them, which is Adam where the curvature is
nearly diagonal (George et al. 2018, arXiv 1806.03884); the first moment stays in the original space.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from finetune_lab.maths.curvature import carried, eigenbases
from finetune_lab.training.grit.layers import lora_layers
from finetune_lab.training.grit.statistics import Side, Statistics
from finetune_lab.training.grit.taps import Taps

SIDES = ("rank", "input", "output")


class Grit(torch.optim.Optimizer):
    """Updates the LoRA layers of a PEFT model; see `create_grit_optimizer` for the arguments."""

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        sides: Sequence[str],
        wide_rank: int,
        collect_every: int,
        refresh_every: int,
        statistics_decay: float,
        burn_in_tokens: int,
        collect: str,
        trust: float | None,
        outer_rate_ratio: float,
        placebo: bool,
    ) -> None:
        unknown = set(sides) - set(SIDES)
        if unknown or collect not in ("one", "all"):
            raise ValueError(f"sides are of {SIDES} and collect is one or all; got {sorted(unknown)}, {collect!r}")
        self._layers = lora_layers(model)
        self._statistics = Statistics(
            self._layers,
            wide_rank=wide_rank,
            wide=("input" in sides, "output" in sides),
            decay=statistics_decay,
        )
        self._sides, self._placebo, self._collect = tuple(sides), placebo, collect
        self._collect_every, self._refresh_every = collect_every, refresh_every
        self._burn_in_tokens, self._trust = burn_in_tokens, trust
        self._collecting = True
        inner: list[Any] = [layer.inner.weight for layer in self._layers]
        outer: list[Any] = [layer.outer.weight for layer in self._layers]
        others = self._others(model, inner + outer)
        groups: list[dict[str, Any]] = [
            {"params": inner},
            {"params": outer, "lr": lr * outer_rate_ratio},
            {"params": others},
        ]
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__([group for group in groups if group["params"]], defaults)
        self._begin(inner[0])
        self._taps = Taps(model, self._layers, self._hear_inner, self._hear_outer)
        self._taps.open = self._is_open

    @staticmethod
    def _others(model: nn.Module, own: list[nn.Parameter]) -> list[nn.Parameter]:
        known = {id(weight) for weight in own}
        return [weight for weight in model.parameters() if weight.requires_grad and id(weight) not in known]

    def _begin(self, lead: nn.Parameter) -> None:
        """All tensors of the method live in the state of the first parameter, so that checkpoints hold them."""
        self._lead = lead
        rank = self._layers[0].rank
        state: dict[str, Any] = {"step": 0, "refreshes": 0}
        for width, sides in self._statistics.sides.items():
            shape, size = (len(sides), rank, width), self._statistics.state[f"basis.{width}"].shape[-1]
            zeros = torch.zeros(shape, device=lead.device)
            state |= {
                f"first.{width}": zeros,
                f"second.{width}": zeros.clone(),
                f"second_wide.{width}": torch.zeros(*shape[:2], size, device=lead.device),
                f"rank_basis.{width}": torch.eye(rank, device=lead.device).repeat(len(sides), 1, 1),
                f"wide_basis.{width}": torch.zeros(len(sides), width, size, device=lead.device),
            }
        self.state[lead] = state | {f"statistics.{name}": value for name, value in self._statistics.state.items()}

    # Listening

    def _is_open(self, number: int) -> bool:
        return self._collecting and (self._collect == "all" or not self._statistics.heard(number))

    def _hear_inner(self, number: int, inputs: Tensor, hidden: Tensor, gradient: Tensor) -> None:
        self._statistics.hear_inner(number, inputs, hidden, gradient, self._taps.token_scale)

    def _hear_outer(self, number: int, gradient: Tensor) -> None:
        self._statistics.hear_outer(number, gradient, self._taps.token_scale)

    # Stepping

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every LoRA matrix that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        state = self.state[self._lead]
        state["step"] += 1
        if self._collecting:
            self._statistics.fold()
            state.update({f"statistics.{name}": value for name, value in self._statistics.state.items()})
            if self._is_due(state):
                self._refresh(state)
        for width, sides in self._statistics.sides.items():
            self._update(state, width, sides)
        self._update_others(state["step"])
        self._collecting = state["refreshes"] == 0 or state["step"] % self._collect_every == 0
        return loss

    def _is_due(self, state: dict[str, Any]) -> bool:
        if float(self._statistics.state["tokens"].min()) < self._burn_in_tokens:
            return False
        return state["refreshes"] == 0 or state["step"] >= state["refreshed"] + self._refresh_every

    def _refresh(self, state: dict[str, Any]) -> None:
        """Turn to the curvature as it is known now, and carry the second moments along."""
        factor_h, factor_e = self._statistics.factors()
        bases = {True: eigenbases(factor_e)[1], False: eigenbases(factor_h)[1]}
        for width, sides in self._statistics.sides.items():
            new = {
                "rank": torch.stack([bases[side.inner][side.layer] for side in sides]),
                "wide": self._statistics.state[f"basis.{width}"] * self._wanted(width, sides),
            }
            if self._placebo:
                new["wide"] = _random_like(new["wide"], seed=state["refreshes"])
            if "rank" not in self._sides:
                new["rank"] = state[f"rank_basis.{width}"]
            self._turn(state, width, new["rank"], new["wide"])
        state["refreshes"] += 1
        state["refreshed"] = state["step"]

    def _wanted(self, width: int, sides: list[Side]) -> Tensor:
        """1 for sides whose wide basis is used and known, 0 for others: a basis of zeros is plain Adam."""
        known = self._statistics.state[f"values.{width}"].sum(-1) > 0
        asked = torch.tensor([("input" if side.inner else "output") in self._sides for side in sides])
        return (known & asked.to(known.device)).float()[:, None, None]

    @staticmethod
    def _turn(state: dict[str, Any], width: int, rank_basis: Tensor, wide_basis: Tensor) -> None:
        old_rank, old_wide = state[f"rank_basis.{width}"], state[f"wide_basis.{width}"]
        turn = (rank_basis.mT @ old_rank).square()
        second, wide = turn @ state[f"second.{width}"], turn @ state[f"second_wide.{width}"]
        overlap = old_wide.mT @ wide_basis
        # what of the new directions lay in the old rest is carried from the rest's own second moments
        fresh = wide_basis - old_wide @ overlap
        state[f"second_wide.{width}"] = carried(wide, overlap) + carried(second, fresh)
        state[f"second.{width}"] = second
        state[f"rank_basis.{width}"], state[f"wide_basis.{width}"] = rank_basis, wide_basis

    def _update(self, state: dict[str, Any], width: int, sides: list[Side]) -> None:
        inner, outer = self.param_groups[0], self.param_groups[1]
        weights = [self._layers[s.layer].inner.weight if s.inner else self._layers[s.layer].outer.weight for s in sides]
        if any(weight.grad is None for weight in weights):
            return
        given: list[Any] = [weight.grad for weight in weights]
        gradients = [grad if side.inner else grad.T for grad, side in zip(given, sides, strict=True)]
        gradient = torch.stack([part.float() for part in gradients])
        good = torch.isfinite(gradient).all(-1, keepdim=True).all(-2, keepdim=True)  # a NaN stays in its own matrix
        direction = self._direction(state, width, gradient.nan_to_num(0, 0, 0) * good, good, inner)
        if self._trust is not None:
            size = direction.square().mean((-1, -2), keepdim=True).sqrt()
            direction = direction * (self._trust / size.clamp_min(1e-30)).clamp_max(1)
        for weight, side, change in zip(weights, sides, direction, strict=True):
            group = inner if side.inner else outer
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.sub_((change if side.inner else change.T).to(weight.dtype) * group["lr"])

    def _direction(self, state: dict[str, Any], width: int, gradient: Tensor, good: Tensor, group: Any) -> Tensor:
        """The normalised update [sides, r, width] in the original space; moments are brought up to date."""
        (beta1, beta2), eps, step = group["betas"], group["eps"], state["step"]
        first, rank_basis = state[f"first.{width}"], state[f"rank_basis.{width}"]
        wide_basis = state[f"wide_basis.{width}"]
        first.copy_(torch.where(good, first.lerp(gradient, 1 - beta1), first))
        turned, moment = rank_basis.mT @ gradient, rank_basis.mT @ first
        inside, moment_inside = turned @ wide_basis, moment @ wide_basis
        rest, moment_rest = turned - inside @ wide_basis.mT, moment - moment_inside @ wide_basis.mT
        scale = 1 - beta1**step, math.sqrt(1 - beta2**step)
        parts = []
        for name, now, mean in (("second", rest, moment_rest), ("second_wide", inside, moment_inside)):
            second = state[f"{name}.{width}"]
            second.copy_(torch.where(good, second.lerp(now.square(), 1 - beta2), second))
            parts.append((mean / scale[0]) / (second.sqrt() / scale[1] + eps))
        normal_rest, normal_inside = parts
        leaked = (normal_rest @ wide_basis) @ wide_basis.mT  # normalising the rest turns some of it into the basis
        return rank_basis @ (normal_inside @ wide_basis.mT + normal_rest - leaked) * good

    def _update_others(self, step: int) -> None:
        """Trainable weights outside the LoRA layers (a norm, a head) take plain AdamW."""
        for group in self.param_groups[2:]:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                beta1, beta2 = group["betas"]
                state = self.state[weight]
                first = state.setdefault("first", torch.zeros_like(weight)).lerp_(weight.grad, 1 - beta1)
                second = state.setdefault("second", torch.zeros_like(weight))
                second.lerp_(weight.grad.square(), 1 - beta2)
                size = second.sqrt() / math.sqrt(1 - beta2**step) + group["eps"]
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(group["lr"] * (first / (1 - beta1**step)) / size)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on exactly where the checkpoint stands, statistics and bases included."""
        raw = state_dict["state"][0]
        super().load_state_dict(state_dict)
        state = self.state[self._lead]
        for name, value in raw.items():  # torch casts state to the weight's dtype, which would blur it
            state[name] = value.to(self._lead.device).clone() if isinstance(value, Tensor) else value
        own = {name: state[f"statistics.{name}"] for name in self._statistics.state}
        self._statistics.state.update(own)
        self._collecting = state["refreshes"] == 0 or state["step"] % self._collect_every == 0


def _random_like(bases: Tensor, *, seed: int) -> Tensor:
    """Random orthonormal bases of the same size: what is left when nothing measured is used."""
    used = bases.abs().sum((-1, -2), keepdim=True) > 0
    drawn = torch.randn(bases.shape, generator=torch.Generator().manual_seed(seed)).to(bases)
    return torch.linalg.qr(drawn)[0] * used


def create_grit_optimizer(
    model: nn.Module,
    lr: float,
    *,
    betas: tuple[float, float] = (0.9, 0.99),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    sides: Sequence[str] = SIDES,
    wide_rank: int = 16,
    collect_every: int = 10,
    refresh_every: int = 20,
    statistics_decay: float = 0.95,
    burn_in_tokens: int = 4096,
    collect: str = "one",
    trust: float | None = None,
    outer_rate_ratio: float = 1.0,
    placebo: bool = False,
) -> Grit:
    """GRIT for a PEFT model with LoRA layers, in the style of PEFT's own optimizer makers.

    lr: of the range of AdamW's. sides: which curvature is used: rank (C_e, C_h), input (of x, for A), output (of g,
    for B). wide_rank: k, directions kept of a wide side. collect_every, refresh_every: steps between measurements, and
    between turns to what was measured. burn_in_tokens: heard before the first turn; until then it is Adam. collect:
    one or all micro-batches of a step. trust: largest root mean square of a matrix' update before lr. placebo: random
    bases in place of the measured ones. Raises UnsupportedModelError for DoRA, sharded or several active adapters.
    """
    return Grit(
        model,
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        sides=sides,
        wide_rank=wide_rank,
        collect_every=collect_every,
        refresh_every=refresh_every,
        statistics_decay=statistics_decay,
        burn_in_tokens=burn_in_tokens,
        collect=collect,
        trust=trust,
        outer_rate_ratio=outer_rate_ratio,
        placebo=placebo,
    )
