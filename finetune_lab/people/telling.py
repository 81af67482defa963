"""What the votes say, as lines for people."""

from collections.abc import Mapping
from typing import Any

from finetune_lab.records import Evaluation
from finetune_lab.text.terminal import visible

_LONGEST = 80
_MOST_PAIRS = 6  # of raters: more are no longer read


def lines_of(label: str, evaluation: Evaluation) -> list[str]:
    """The headline of an evaluation by people, and what a reader must know beside it."""
    counts = evaluation.counts
    name = evaluation.scores[0].name
    raters = ", ".join(f"{_name(who)} {told['votes']}" for who, told in counts["raters"].items())
    lines = [
        f"{_name(label)}: {name.replace('_', ' ')} {_interval(counts[name])}; {counts['votes']} votes on "
        f"{counts['rows'] - counts['unscored']} of {counts['rows']} rows; by {raters or 'nobody'}"
    ]
    if len(counts["raters"]) == 1:
        lines.append("one rater: the interval covers the items alone, not how raters differ")
    if "sign_test" in counts:
        lines += _of_pairs(counts)
    return [*lines, *_of_agreement(counts["agreement"]), *_of_gold(counts)]


def _of_pairs(counts: Mapping[str, Any]) -> list[str]:
    sign, left, both_bad = counts["sign_test"], counts["left_chosen"], counts["both_bad"]
    same = f", {counts['same_text']} of them the same text" if counts["same_text"] else ""
    lines = [
        f"rows won {counts['wins']}, lost {counts['losses']}, level {counts['ties']}{same}; "
        f"sign test p {sign['p_value']:.3g}"
    ]
    if both_bad is not None:
        lines.append(f"both bad: {both_bad:.0%} of the votes")
    if left["num"]:
        lines.append(f"side: answer 1 chosen {_interval(left)} of {left['num']} choices, p {left['p_value']:.3g}")
    return lines


def _of_agreement(told: Mapping[str, Any]) -> list[str]:
    if not told.get("pairs"):
        return ["agreement: no item has votes of two raters"]
    lines = []
    if "krippendorff_alpha" in told:
        alpha = _interval(told["krippendorff_alpha"])
        lines.append(f"agreement: Krippendorff's alpha {alpha} on {told['shared_items']} items of several raters")
    if len(told["pairs"]) > _MOST_PAIRS:
        return [*lines, f"agreement: of {len(told['pairs'])} pairs of raters stands in the evaluation's note"]
    for pair, found in told["pairs"].items():
        lines.append(f"agreement: {_name(pair)}: {found['same']:.0%} of {found['items']}, kappa {_interval(found)}")
    return lines


def _of_gold(counts: Mapping[str, Any]) -> list[str]:
    lines = [
        f"gold: {_name(who)} {found['right']} of {found['num']} right{', left out' * found['left_out']}"
        for who, found in counts["gold"].items()
    ]
    return lines or ["gold: no gold item was answered"]


def _interval(told: Mapping[str, Any]) -> str:
    value, low, high = (told.get(name) for name in ("value", "low", "high"))
    if value is None or value != value:
        return "unknown"
    ends = f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None and low == low else " [unknown]"
    return f"{value:.2f}{ends}"


def _name(text: str) -> str:
    """What people call themselves, harmless on a terminal. Not for markup: a log shows brackets as they are."""
    flat = visible(" ".join(text.split()))
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"
