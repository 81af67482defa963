"""What can be set of GRIT, with the values that it starts from outside the lab."""

from collections.abc import Sequence
from dataclasses import dataclass

MODES = ("ekfac", "precondition", "natural", "published")
SIDES = ("rank", "input", "output")


@dataclass(frozen=True, kw_only=True)
class GritSettings:
    """mode: ekfac (Adam in the eigenbases), precondition (C^-p before another optimizer), natural (momentum and C^-1
    with a bound on the divergence of a step), published (factors swapped, to reproduce what was published).
    betas, eps, weight_decay: as AdamW's; natural takes the first beta as momentum.
    sides: which curvature ekfac uses: rank (C_e, C_h), input (of x, for A), output (of g, for B).
    wide_rank: k, directions kept of a wide side. collect_every, refresh_every: steps between measurements, and between
    turns to what was measured; in the first steps both come sooner (not in published). burn_in_tokens: heard before the
    first turn; until then it is Adam (natural: momentum).
    collect: one or all micro-batches of a step. statistics_decay: of the moving averages, per measurement.
    trust: largest root mean square of a matrix' update before lr. outer_rate_ratio: the rate of B over that of A.
    placebo: random bases of the wide sides in place of the measured ones.
    exponent, relative_damping: of precondition and natural; the damping is times tr(C)/r. damping: absolute, published.
    kl_clip: largest divergence that a step may bring, in nats per scored token, for ekfac and natural; null for none.
    For ekfac it needs labels in the call of the model.
    reproject_every: steps between balancings of A and B, null for none. reproject_rank: directions that the published
    reprojection keeps. share, budget_nats: cut each module to the directions with this share of Σσ², or all modules
    together by what may be lost in nats per target token; floor: at least so many; shrink_after: no cut before so many
    steps.
    """

    mode: str = "ekfac"
    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = 1e-8
    weight_decay: float = 0.0
    sides: Sequence[str] = SIDES
    wide_rank: int = 64
    collect_every: int = 10
    refresh_every: int = 20
    statistics_decay: float = 0.95
    burn_in_tokens: int = 1024
    collect: str = "one"
    trust: float | None = None
    outer_rate_ratio: float = 1.0
    placebo: bool = False
    exponent: float = 0.5
    relative_damping: float = 1e-3
    damping: float = 1e-2
    kl_clip: float | None = 5e-3
    reproject_every: int | None = None
    reproject_rank: int | None = None
    share: float | None = None
    budget_nats: float | None = None
    floor: int = 4
    shrink_after: int = 0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.sides) - set(SIDES))
        if unknown or self.collect not in ("one", "all") or self.mode not in MODES:
            raise ValueError(
                f"mode is of {MODES}, sides are of {SIDES}, collect is one or all; "
                f"got {self.mode!r}, {unknown}, {self.collect!r}"
            )
        if self.shrinks and (self.reproject_every is None or self.mode == "published"):
            raise ValueError(
                "share and budget_nats cut what a balancing has sorted: set reproject_every, not published"
            )
        if self.share is not None and self.budget_nats is not None:
            raise ValueError("share and budget_nats are two ways to choose the rank; set one of them")
        if self.reproject_rank is not None and self.mode != "published":
            raise ValueError("reproject_rank is of mode published; elsewhere share or budget_nats choose the rank")

    @property
    def shrinks(self) -> bool:
        """Whether the rank may fall."""
        return self.share is not None or self.budget_nats is not None
