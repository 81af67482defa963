"""GRIT as a torch optimizer: it listens to the backward pass and updates LoRA by what it heard of the curvature."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finetune_lab.training.grit import balancing, ranks
from finetune_lab.training.grit.account import Account
from finetune_lab.training.grit.applying import Inner, Part, apply, hand_on, stacked_gradients, update_others, within
from finetune_lab.training.grit.ekfac import Ekfac
from finetune_lab.training.grit.kfac import Natural, Precondition, Published
from finetune_lab.training.grit.layers import (
    LoraLayer,
    Side,
    Stack,
    UnsupportedModelError,
    follow_loaded_ranks,
    lora_layers,
    refuse_sharded,
    stacks_of,
)
from finetune_lab.training.grit.retention import Retention
from finetune_lab.training.grit.settings import GritSettings
from finetune_lab.training.grit.statistics import Statistics
from finetune_lab.training.grit.taps import Taps

_EARLY_COLLECT, _EARLY_REFRESH = 4, 2  # the wait is at most this part of the steps so far
RULES: dict[str, Any] = {"ekfac": Ekfac, "precondition": Precondition, "natural": Natural, "published": Published}


class Grit(torch.optim.Optimizer):
    """Updates the LoRA layers of a PEFT model; see `create_grit_optimizer` for the arguments."""

    def __init__(
        self, model: nn.Module, *, lr: float, settings: GritSettings, inner: type[torch.optim.Optimizer] | None = None
    ) -> None:
        self._model, self._layers = model, lora_layers(model)
        self._settings = settings
        wide = settings.mode == "ekfac"
        self._statistics = Statistics(
            self._layers,
            wide_rank=settings.wide_rank if wide else 1,
            wide=(wide and "input" in settings.sides, wide and "output" in settings.sides),
            decay=settings.statistics_decay,
            sizes=RULES[settings.mode].wants_sizes,
        )
        self._rule: Any = RULES[settings.mode](self._layers, self._statistics, settings)
        self._balances: dict[int, balancing.Balance] = {}
        self._collecting = self._starting = True
        self.account = Account(self._layers, self._statistics)
        super().__init__(
            self._groups(model, lr),
            {"lr": lr, "betas": settings.betas, "eps": settings.eps, "weight_decay": settings.weight_decay},
        )
        self._inner = self._make_inner(inner) if self._rule.gradients_only else None
        self._begin()
        self._taps = Taps(model, self._layers, self._hear_inner, self._hear_outer, self._statistics.hear_targets)
        self._taps.open = self._is_open
        self._handles = [follow_loaded_ranks(layer) for layer in self._layers]

    def _groups(self, model: nn.Module, lr: float) -> list[dict[str, Any]]:
        inner: list[Any] = [layer.inner.weight for layer in self._layers]
        outer: list[Any] = [layer.outer.weight for layer in self._layers]
        known = {id(weight) for weight in inner + outer}
        others = [weight for weight in model.parameters() if weight.requires_grad and id(weight) not in known]
        outer_rate = lr * self._settings.outer_rate_ratio
        groups: list[dict[str, Any]] = [{"params": inner}, {"params": outer, "lr": outer_rate}, {"params": others}]
        return [group for group in groups if group["params"]]

    def _make_inner(self, kind: type[torch.optim.Optimizer] | None) -> Inner:
        return Inner(self, kind or torch.optim.AdamW, self._settings.reproject_every is not None)

    def _begin(self) -> None:
        """All tensors of the method live in the state of the first parameter, so that checkpoints hold them."""
        self._lead = self._layers[0].inner.weight
        self._sides = stacks_of(self._layers)
        self._stacks: dict[str, Stack] = {
            key: self._rule.begin(sides, self._layers[sides[0].layer].rank, self._lead.device, self._statistics.dtype)
            for key, sides in self._sides.items()
        }
        progress = dict.fromkeys(("step", "refreshes", "refreshed", "collected"), 0)
        self.state[self._lead] = progress | {"reprojected": -1, "spent_nats": 0.0}

    @property
    def _progress(self) -> dict[str, Any]:
        return self.state[self._lead]

    def retain(self, batches: Iterable[Any], weight: float) -> None:
        """Measure generic `batches` (arguments of the model, with labels) once; damp with what they are sensitive to.

        To be called before the training, also before one that is resumed; `weight` 1 counts them as much as the task.
        """
        wide_rank, collecting = self._settings.wide_rank, self._collecting
        self._collecting = False  # what is heard here is not the task
        self._rule.retention = Retention.measure(self._model, self._layers, batches, weight=weight, wide_rank=wide_rank)
        self._collecting = collecting

    # Listening

    def _is_open(self, number: int) -> bool:
        return self._collecting and (self._settings.collect == "all" or not self._statistics.heard(number))

    def _hear_inner(self, number: int, inputs: Tensor, hidden: Tensor, gradient: Tensor) -> None:
        with self.account.timed():
            taps = self._taps
            self._statistics.hear_inner(number, inputs, hidden, gradient, taps.scale, taps.targets)

    def _hear_outer(self, number: int, gradient: Tensor) -> None:
        with self.account.timed():
            self._statistics.hear_outer(number, gradient, self._taps.scale)

    # Stepping

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every LoRA matrix that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with self.account.timed():
            self._check_once()
            state = self._progress
            state["step"] += 1
            if self._collecting:
                self._statistics.fold()
                state["collected"] = state["step"]
                self._look(state)
            self._update(state["step"])
            self._collecting = self._collects_next(state)
        return loss

    def _check_once(self) -> None:
        """What can be wrong only once a trainer has wrapped the model."""
        if not self._starting:
            return
        self._starting = False
        refuse_sharded(self._layers)
        if self.param_groups[0]["params"][0] is not self._lead:
            raise UnsupportedModelError(
                "something has put parameters of its own in place of the adapter's (DeepSpeed ZeRO does): "
                "gradients would not be seen; use data parallelism"
            )
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        processes = torch.distributed.get_world_size() if together else 1
        if self._settings.shrinks and processes > 1:
            raise UnsupportedModelError(
                f"a falling rank on {processes} processes: DistributedDataParallel's buckets keep the size of the "
                "first step; train on one process, or leave share and budget_nats out"
            )

    def _collects_next(self, state: dict[str, Any]) -> bool:
        """Until the first turn always; then every `collect_every` steps, and early on more often: nothing was known of
        e while B was zero, and curvature changes fastest in the first steps.
        """
        gap = self._gap(self._settings.collect_every, _EARLY_COLLECT, state["step"])
        return bool(state["refreshes"] == 0 or state["step"] + 1 >= state["collected"] + gap)

    def _gap(self, every: int, early: int, step: int) -> int:
        return every if self._settings.mode == "published" else min(every, step // early)

    def _look(self, state: dict[str, Any]) -> None:
        """Turn to what is known of the curvature, where it is time to."""
        settings, step = self._settings, state["step"]
        if float(self._statistics.state["tokens"].min()) < settings.burn_in_tokens:
            return
        every = settings.reproject_every
        reprojects = every is not None and (state["reprojected"] < 0 or step >= state["reprojected"] + every)
        gap = self._gap(settings.refresh_every, _EARLY_REFRESH, step)
        if not (reprojects or state["refreshes"] == 0 or step >= state["refreshed"] + gap):
            return
        gauges = self._reproject(state) if reprojects else {}
        stacks = {key: (sides, self._stacks[key]) for key, sides in self._sides.items()}
        self._rule.refresh(stacks, gauges, seed=state["refreshes"])
        if gauges and settings.shrinks and step >= settings.shrink_after:
            self._shrink(state)
        state["refreshes"] += 1
        state["refreshed"] = step

    def _reproject(self, state: dict[str, Any]) -> dict[int, Tensor]:
        """Balance every layer whose curvature is known; gives R by layer."""
        state["reprojected"] = state["step"]
        if self._settings.reproject_rank is not None:
            balancing.project_as_published(self._layers, self._statistics, self._settings.reproject_rank)
            return {}
        self._balances = balancing.balances(self._layers, self._statistics)
        gauges = {number: found.matrix.to(self._lead.device) for number, found in self._balances.items()}
        for number, matrix in gauges.items():
            balancing.apply(self._layers[number], matrix)
            self._statistics.turn(number, matrix)
            if self._inner is not None:
                self._inner.carry(self._layers[number], matrix)
        for key, sides in self._sides.items():
            rank = self._layers[sides[0].layer].rank
            self._rule.carry(self._stacks[key], balancing.gradient_turns(sides, gauges, rank, self._statistics.dtype))
        return gauges

    def _shrink(self, state: dict[str, Any]) -> None:
        """Cut the balanced layers, and everything that is kept of them, to the ranks that are due."""
        per_target = self._statistics.rows_per_target()
        wanted = ranks.chosen_ranks(self._balances, self._settings, per_target, state["spent_nats"])
        falling = {number: rank for number, rank in wanted.items() if rank < self._layers[number].rank}
        if not falling:
            return
        state["spent_nats"] += ranks.lost_nats(self._balances, falling, per_target)
        old = {key: (sides, self._stacks[key]) for key, sides in self._sides.items()}
        for number, rank in falling.items():
            ranks.cut(self._layers[number], rank)
            self._statistics.cut(number, rank)
            if self._inner is not None:
                self._inner.cut(self._layers[number], rank)
        self._sides = stacks_of(self._layers)
        self._stacks = ranks.restacked(old, self._sides, self._layers, self._rule.cut)

    def _update(self, step: int) -> None:
        parts = [self._part(sides, self._stacks[key], step) for key, sides in self._sides.items()]
        scale = within(parts, self._settings.kl_clip)
        for part in parts:
            if self._collecting:
                self.account.note(part)
            if scale is not None:
                part.direction.mul_(scale)
            self._take(part)
        if self._inner:
            self._inner.step(self.param_groups)
        else:
            update_others(self, step)

    def _part(self, sides: list[Side], stack: Stack, step: int) -> Part:
        weights = [_weight(self._layers[side.layer], side) for side in sides]
        gradient, good = stacked_gradients(weights, sides, self._statistics.dtype)
        groups = [self.param_groups[0 if side.inner else 1] for side in sides]
        direction, curvature = self._rule.directions(stack, gradient, good, groups[0], step)
        known: dict[str, Any] = {"sides": sides, "weights": weights, "groups": groups, "good": good}
        return Part(gradient=gradient, direction=direction, curvature=curvature, **known)

    def _take(self, part: Part) -> None:
        if self._inner:
            hand_on(part)
        else:
            apply(part, self._settings.trust)

    # Checkpoints

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on; tensors and plain values."""
        known = super().state_dict()
        known["curvature"] = {
            "ranks": [layer.rank for layer in self._layers],
            "statistics": dict(self._statistics.state),
            "stacks": {key: dict(stack) for key, stack in self._stacks.items()},
            "inner": self._inner.optimizer.state_dict() if self._inner else None,
        }
        return known

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on exactly where the checkpoint stands; the model's weights must have been loaded before."""
        own = state_dict["curvature"]
        if own["ranks"] != [layer.rank for layer in self._layers]:
            raise ValueError("the checkpoint's ranks are not the model's: load the adapter's weights first")
        super().load_state_dict(state_dict)
        like = {"device": self._lead.device}
        self._statistics.state.update({name: value.to(**like).clone() for name, value in own["statistics"].items()})
        self._sides = stacks_of(self._layers)
        self._stacks = {
            key: {name: value.to(**like).clone() for name, value in stack.items()}
            for key, stack in own["stacks"].items()
        }
        if self._inner:
            self._inner.optimizer.load_state_dict(own["inner"])
        self._collecting = self._collects_next(self._progress)

    # For people

    def metrics(self) -> dict[str, float]:
        """What is known now, under names for charts; see Account.metrics."""
        return self.account.metrics()

    def save_curvature(self, folder: Path) -> None:
        """Write factors, bases and σ as curvature.safetensors into `folder`, and a table of the layers as JSON."""
        self.account.save(folder)


def _weight(layer: LoraLayer, side: Side) -> Any:
    return layer.inner.weight if side.inner else layer.outer.weight


def create_grit_optimizer(
    model: nn.Module, lr: float, *, inner: type[torch.optim.Optimizer] | None = None, **settings: Any
) -> Grit:
    """GRIT for a PEFT model with LoRA layers, in the style of PEFT's own optimizer makers.

    lr: of the range of AdamW's. inner: the optimizer behind mode precondition (AdamW; an 8-bit or paged one too).
    The other settings are those of GritSettings, and may be left out. Raises UnsupportedModelError for what it is not
    right on: DoRA, target_parameters, sharded adapters, several active adapters.
    """
    return Grit(model, lr=lr, settings=GritSettings(**settings), inner=inner)
