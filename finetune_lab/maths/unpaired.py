"""Two groups that share no sample: what is left when nothing can be paired."""

from math import nan

import numpy as np
from numpy.typing import NDArray

from finetune_lab.maths.effect import cohen_d, risk_difference
from finetune_lab.maths.inference import Finding
from finetune_lab.maths.intervals import UNKNOWN, newcombe_independent, satterthwaite, welch_interval
from finetune_lab.maths.tests import Test, mann_whitney

Floats = NDArray[np.float64]
NOTHING = Finding(
    interval=UNKNOWN,
    method="none",
    test=Test(name="none", p_value=nan, statistic=nan, num=0, exact=False),
    error=nan,
    degrees=0.0,
)


def unpaired(values: Floats, reference: Floats, confidence: float) -> Finding:
    """Welch's interval (Newcombe's for pass rates), Mann–Whitney U and Cohen's d, of two values or more in each."""
    parts = [float(group.var(ddof=1)) / len(group) for group in (values, reference)]
    degrees = satterthwaite(sum(parts), parts, [len(values) - 1, len(reference) - 1])
    if all(bool(np.all((group == 0) | (group == 1))) for group in (values, reference)):
        passed = (int(values.sum()), len(values), int(reference.sum()), len(reference))
        interval, method = newcombe_independent(*passed, confidence=confidence), "Newcombe, unpaired"
        effect = risk_difference(float(values.mean() - reference.mean()), interval)
    else:
        interval, method = welch_interval(values, reference, confidence=confidence), "Welch t, unpaired"
        effect = cohen_d(values, reference, confidence=confidence)
    return Finding(
        interval=interval,
        method=method,
        test=mann_whitney(values, reference),
        error=float(np.sqrt(sum(parts))),
        degrees=degrees,
        effects=(effect,),
    )
