"""From columns to a difference: which method is chosen, what it agrees with, what it says, and the edges."""

import json
import math
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from finetune_lab.maths.compare import Arm, Question, SampleColumns, compare_many, paired
from finetune_lab.maths.estimate import estimate
from finetune_lab.maths.intervals import newcombe_paired, t_interval
from finetune_lab.maths.pairing import pair
from finetune_lab.records import Evaluation, Statistic

ROOT = Path(__file__).resolve().parents[2]
MEAN = Statistic(kind="mean", of="x")
PERPLEXITY = Statistic(kind="ratio", of="nats", per="tokens", transform="exp")
JACKKNIFE = Statistic(kind="jackknife", of="x")


def columns(values, clusters=(), samples=None, name="x"):
    names = samples or tuple(f"s{number}" for number in range(len(values)))
    return SampleColumns.of(names, clusters, {name: values})


def arm(*seeds, label="tuned", trained=True, clusters=(), **more):
    return Arm(label=label, trained=trained, seeds=tuple(columns(values, clusters) for values in seeds), **more)


def base(values, clusters=()):
    return arm(values, label="base", trained=False, clusters=clusters)


def compare(reference, candidate, statistic=MEAN, **more):
    return paired(statistic, reference, candidate, **({"higher_is_better": True, "resamples": 999} | more))


def normal(num=60, shift=0.0, seed=0):
    draw = np.random.default_rng(seed)
    reference = draw.normal(size=num)
    return reference, reference + draw.normal(shift, 1, size=num)


# Which method


def test_pass_rates_take_newcombe_and_mcnemar():
    reference = np.array([1.0] * 36 + [0] * 12 + [1] * 2)
    candidate = np.array([1.0] * 36 + [1] * 12 + [0] * 2)
    found = compare(base(reference), arm(candidate))
    expected = newcombe_paired(36, 12, 2, 0)
    assert (found.low, found.high) == (expected.low, expected.high)
    assert found.p_value == pytest.approx(stats.binomtest(2, 14).pvalue, abs=1e-9)
    assert (found.interval, found.test, found.effect.name) == ("Newcombe", "exact McNemar", "risk difference")
    assert found.verdict == "better"
    assert compare(base(reference), arm(candidate), higher_is_better=False).verdict == "worse"


def test_means_take_the_bootstrap_and_the_sign_flip_with_the_t_test_beside_them():
    reference, candidate = normal(shift=0.5)
    found = compare(base(reference), arm(candidate))
    assert (found.interval, found.test) == ("BCa bootstrap or t", "sign flip")
    assert found.difference == pytest.approx((candidate - reference).mean())
    assert found.other_p_values["paired t"] == pytest.approx(stats.ttest_rel(candidate, reference).pvalue, abs=1e-9)
    assert [effect.name for effect in found.effects] == ["d_z", "d_av"]
    gaps = candidate - reference
    assert found.effect.value == pytest.approx(gaps.mean() / gaps.std(ddof=1), abs=1e-12)
    theirs = stats.bootstrap((gaps,), np.mean, n_resamples=9999, rng=np.random.default_rng(0)).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_few_pairs_take_students_interval():
    reference, candidate = normal(num=12)
    found, expected = compare(base(reference), arm(candidate)), t_interval(candidate - reference)
    assert found.interval == "t"
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert any("only 12 pairs" in caveat for caveat in found.caveats)


def test_jackknife_values_take_their_variance():
    reference, candidate = normal(num=50)
    left_out = [(values.sum() - values) / 49 for values in (reference, candidate)]
    found = compare(base(left_out[0]), arm(left_out[1]), JACKKNIFE)
    expected = t_interval(candidate - reference)  # the jackknife of a mean is its t interval
    assert found.interval == "jackknife t"
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.p_value == pytest.approx(stats.ttest_rel(candidate, reference).pvalue, abs=1e-9)
    told = compare(base(left_out[0]), arm(left_out[1], values=(7.0,)), JACKKNIFE)
    assert told.candidate == 7.0


# Ratios


def perplexities(num=80, seed=0):
    draw = np.random.default_rng(seed)
    tokens = draw.integers(3, 90, size=num).astype(float)
    before, after = (tokens * draw.gamma(20, 0.1, size=num) * factor for factor in (1.0, 0.93))
    make = lambda nats: SampleColumns.of([str(i) for i in range(num)], (), {"nats": nats, "tokens": tokens})  # noqa: E731
    return tokens, before, after, make


def test_perplexity_is_of_the_sums_and_its_interval_agrees_with_scipys():
    tokens, before, after, make = perplexities()
    reference, candidate = Arm(label="base", seeds=(make(before),), trained=False), Arm(label="t", seeds=(make(after),))
    found = compare(reference, candidate, PERPLEXITY, higher_is_better=False, resamples=9999)
    assert found.candidate == pytest.approx(math.exp(after.sum() / tokens.sum()))

    def difference(one, two, per):
        return math.exp(two.sum() / per.sum()) - math.exp(one.sum() / per.sum())

    theirs = stats.bootstrap(
        (before, after, tokens), difference, paired=True, vectorized=False, rng=np.random.default_rng(0)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert found.low == pytest.approx(theirs.low, abs=0.04 * width)
    assert found.high == pytest.approx(theirs.high, abs=0.04 * width)


def test_the_swap_of_perplexities_agrees_with_scipys_permutation():
    tokens, before, after, make = perplexities(num=10)
    found = compare(Arm(label="b", seeds=(make(before),)), Arm(label="t", seeds=(make(after),)), PERPLEXITY)
    expected = stats.permutation_test(
        (before, after),
        lambda one, two: math.exp(two.sum() / tokens.sum()) - math.exp(one.sum() / tokens.sum()),
        permutation_type="samples", n_resamples=np.inf, vectorized=False,
    )  # fmt: skip
    # scipy doubles the smaller tail; swapping every label mirrors the pattern but not exactly an exp
    assert found.p_value == pytest.approx(expected.pvalue, abs=0.01)


def test_a_ratio_with_equal_denominators_is_a_mean():
    reference, candidate = normal()
    ones = np.ones(len(reference))
    make = lambda values: SampleColumns.of([str(i) for i in range(60)], (), {"x": values, "n": ones})  # noqa: E731
    ratio = Statistic(kind="ratio", of="x", per="n")
    one = compare(Arm(label="b", seeds=(make(reference),)), Arm(label="t", seeds=(make(candidate),)), ratio)
    two = compare(arm(reference), arm(candidate))
    assert (one.low, one.high, one.p_value) == pytest.approx((two.low, two.high, two.p_value))


def test_scale_multiplies_values_and_interval_but_no_p_value_or_effect():
    reference, candidate = normal(shift=0.3)
    one = compare(base(reference), arm(candidate))
    two = compare(base(reference), arm(candidate), Statistic(kind="mean", of="x", scale=100.0))
    assert (two.difference, two.low, two.high) == pytest.approx((100 * one.difference, 100 * one.low, 100 * one.high))
    assert two.p_value == one.p_value
    assert two.effects[0].value == pytest.approx(one.effects[0].value)
    assert two.effects[1].value == pytest.approx(one.effects[1].value)
    passes = [(values > 0).astype(float) for values in (reference, candidate)]
    plain, percent = (
        compare(base(passes[0]), arm(passes[1]), Statistic(kind="mean", of="x", scale=s)) for s in (1.0, 100.0)
    )
    assert (percent.low, percent.high) == pytest.approx((100 * plain.low, 100 * plain.high))
    assert percent.effect.value == pytest.approx(plain.effect.value)


# Pairing


def test_samples_are_paired_by_id_whatever_their_order():
    reference, candidate = normal()
    names = [f"s{number}" for number in range(60)]
    turned = Arm(label="t", seeds=(columns(candidate[::-1], samples=names[::-1]),))
    assert compare(base(reference), turned).p_value == compare(base(reference), arm(candidate)).p_value


def test_what_is_unscored_or_absent_is_dropped_and_counted():
    reference, candidate = normal()
    reference[3] = candidate[5] = np.nan
    short = Arm(label="t", seeds=(columns(candidate[:50]),))
    found = compare(base(reference), short)
    assert (found.num_pairs, found.num_dropped) == (48, 12)
    assert any("12 of 60 samples are left out" in caveat for caveat in found.caveats)
    kept = np.delete(np.arange(50), [3, 5])
    assert found.reference == pytest.approx(reference[kept].mean())


def test_an_evaluation_can_be_compared_as_it_is():
    made = Evaluation(samples=("a", "b", "c"), clusters=("a", "b", "c"), columns={"x": [1.0, None, 0.0]}, scores=())
    found = compare(Arm(label="b", seeds=(made,)), Arm(label="t", seeds=(made,)))
    assert (found.num_pairs, found.num_dropped, found.difference) == (2, 1, 0)


def test_nothing_in_common_is_compared_unpaired_and_says_so():
    reference, candidate = normal(num=40, shift=2.0)
    other = Arm(label="t", seeds=(columns(candidate, samples=[f"o{number}" for number in range(40)]),))
    found = compare(base(reference), other)
    assert (found.interval, found.test, found.num_pairs) == ("Welch t, unpaired", "Mann–Whitney U", 0)
    assert found.p_value == pytest.approx(stats.mannwhitneyu(candidate, reference).pvalue, abs=1e-9)
    assert any("unpaired" in caveat for caveat in found.caveats)
    assert found.verdict == "better"
    nothing = compare(base(reference), arm(np.full(60, np.nan)))
    assert (nothing.verdict, nothing.difference, nothing.p_value) == ("unclear", None, None)


# Clusters and seeds


def test_clusters_widen_the_interval_and_raise_the_p_value():
    draw = np.random.default_rng(1)
    shared = np.repeat(draw.normal(size=40), 10)
    reference, candidate = np.zeros(400), shared + 0.1 * draw.normal(size=400)
    clusters = [f"c{number // 10}" for number in range(400)]
    apart = compare(base(reference), arm(candidate))
    together = compare(base(reference, clusters), arm(candidate, clusters=clusters))
    assert (apart.num_clusters, together.num_clusters) == (400, 40)
    assert together.high - together.low > 2 * (apart.high - apart.low)
    assert together.p_value > apart.p_value
    means = shared[::10]
    assert together.high - together.low == pytest.approx(2 * 1.96 * means.std() / math.sqrt(40), rel=0.1)


def test_an_empty_cluster_is_no_cluster():
    reference, candidate = normal()
    assert compare(base(reference, [""] * 60), arm(candidate)).num_clusters == 60


def test_several_seeds_count_the_noise_of_training():
    reference, _ = normal(num=500)
    far_apart = [reference + shift for shift in (0.0, 1.0, 2.0)]
    found = compare(base(reference), arm(*far_apart))
    expected = t_interval(np.array([0.0, 1.0, 2.0]))  # the items add nothing here
    assert found.interval == "t, items × seeds"
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert found.num_seeds == 3
    assert found.verdict == "same"


def test_seeds_that_agree_leave_the_noise_of_the_items():
    reference, candidate = normal(num=200, shift=0.1)
    found, expected = compare(base(reference), arm(candidate, candidate, candidate)), t_interval(candidate - reference)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_the_noise_of_the_crossed_layout_is_that_of_its_mean_squares():
    draw = np.random.default_rng(2)
    items, seeds, num = draw.normal(size=100), 3 * draw.normal(size=4), 100
    table = items + seeds[:, None] + draw.normal(size=(4, 100))
    found = estimate(MEAN, pair(MEAN, base(np.zeros(num)), arm(*table))).noise
    grand = table.mean()
    of_items = 4 * np.sum((table.mean(axis=0) - grand) ** 2) / 99
    of_seeds = num * np.sum((table.mean(axis=1) - grand) ** 2) / 3
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + grand
    of_both = np.sum(rest**2) / (99 * 3)
    assert found.variance == pytest.approx((of_items + of_seeds - of_both) / (4 * num), rel=1e-9)


def test_seeds_of_both_arms_count():
    reference, _ = normal(num=300)
    seeds = [reference + shift for shift in (0.0, 1.0)]
    one, two = compare(base(reference), arm(*seeds)), compare(arm(*seeds, label="other"), arm(*seeds))
    assert two.difference == 0
    assert (two.num_reference_seeds, two.num_seeds) == (2, 2)
    assert estimate(MEAN, pair(MEAN, arm(*seeds), arm(*seeds))).noise.seeds_variance == pytest.approx(0.5)
    assert one.num_reference_seeds == 0


@pytest.mark.parametrize(
    ("reference", "candidate", "verdict"), [(0.0, 1.0, "better"), (1.0, 1.0, "same"), (0.0, 0.0, "same")]
)
@pytest.mark.parametrize("seeds", [1, 3])
def test_pass_rates_at_the_ends_keep_a_width(reference, candidate, verdict, seeds):
    found = compare(base(np.full(64, reference)), arm(*[np.full(64, candidate)] * seeds))
    assert found.verdict == verdict
    assert found.high - found.low > 0.05
    assert -1 <= found.low <= found.high <= 1
    assert 0 < found.p_value <= 1


def test_the_inverted_interval_is_its_own_test():
    draw = np.random.default_rng(3)
    reference = (draw.random(100) < 0.5).astype(float)
    for shift in (0.05, 0.1, 0.15, 0.2, 0.3):
        seeds = [(draw.random(100) < 0.5 + shift).astype(float) for _ in range(3)]
        found = compare(base(reference), arm(*seeds))
        assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)


# Caveats and verdicts


def test_one_seed_says_that_it_covers_items_only():
    reference, candidate = normal()
    sentence = "one seed: the interval covers items only, not the noise of training"
    assert sentence in compare(base(reference), arm(candidate)).caveats
    assert not any("seed" in caveat for caveat in compare(base(reference), arm(*[candidate] * 5)).caveats)
    assert any("2 seeds" in caveat for caveat in compare(base(reference), arm(candidate, candidate)).caveats)
    two_arms = compare(arm(candidate, label="other"), arm(reference, candidate))
    assert any("one seed of the reference" in caveat for caveat in two_arms.caveats)


def test_skew_is_said_where_there_are_too_few_for_it():
    draw = np.random.default_rng(4)
    few, many = (compare(base(np.zeros(num)), arm(draw.lognormal(size=num))) for num in (32, 20_000))
    assert any("skewed" in caveat for caveat in few.caveats)
    reference, candidate = normal(num=200)
    assert not any("skewed" in caveat for caveat in compare(base(reference), arm(candidate)).caveats)
    assert many.num_pairs == 20_000


def test_a_null_result_says_what_it_would_have_missed():
    reference, candidate = normal(num=200)
    found = compare(base(reference), arm(candidate), unit="points")
    gaps = candidate - reference
    assert found.verdict == "same"
    assert found.detectable == pytest.approx(2.8 * gaps.std() / math.sqrt(200), rel=0.02)
    assert any(f"one under {found.detectable:.3g} points" in caveat for caveat in found.caveats)


def test_equal_differences_have_no_width_and_say_so():
    reference, _ = normal()
    found = compare(base(reference), arm(reference + 1.5))
    assert (found.low, found.high) == pytest.approx((1.5, 1.5))
    assert any("all differences are equal" in caveat for caveat in found.caveats)
    assert compare(base(reference), arm(reference)).verdict == "same"


def test_interval_and_test_that_disagree_are_unclear():
    found = compare(base(np.zeros(4)), arm(np.array([1.0, 1.1, 0.9, 1.2]) * 0.7))
    assert found.low > 0
    assert found.p_value == pytest.approx(2 / 16)
    assert found.verdict == "unclear"
    assert any("they disagree" in caveat for caveat in found.caveats)


@pytest.mark.parametrize("num", [0, 1, 2])
@pytest.mark.parametrize("statistic", [MEAN, JACKKNIFE])
@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("values", [0.5, 1.0, np.nan])
@pytest.mark.filterwarnings("error")
def test_almost_nothing_gives_no_crash_no_warning_and_no_claim(num, statistic, seeds, values):
    found = compare(base(np.full(num, 0.25)), arm(*[np.full(num, values)] * seeds), statistic)
    assert found.verdict in ("same", "unclear")
    json.dumps({name: value for name, value in asdict(found).items() if name != "effects"}, allow_nan=False)


# Families


def test_a_family_gives_the_numbers_of_each_alone():
    reference, candidate = normal(seed=1)
    _, other = normal(seed=2)
    questions = [question("a", reference, candidate), question("b", reference, other), question("c", candidate, other)]
    together = compare_many(questions, resamples=999)
    for asked, found in zip(questions, together, strict=True):
        [alone] = compare_many([asked], resamples=999)
        assert (alone.low, alone.high, alone.p_value) == pytest.approx((found.low, found.high, found.p_value))


def question(name, reference, candidate, primary=False):
    return Question(
        name=name,
        statistic=MEAN,
        higher_is_better=True,
        reference=base(reference),
        candidate=arm(candidate),
        primary=primary,
    )


def test_primary_metrics_and_the_rest_are_families_of_their_own():
    made = [normal(shift=shift, seed=seed) for seed, shift in enumerate((0.3, 0.4, 0.25, 0.0))]
    questions = [question(str(n), *values, primary=n < 2) for n, values in enumerate(made)]
    found = compare_many(questions, resamples=999)
    assert [one.adjustment for one in found] == ["Holm over 2"] * 2 + ["Benjamini–Hochberg over 2"] * 2
    assert sorted(one.p_adjusted for one in found[:2])[0] == pytest.approx(2 * min(one.p_value for one in found[:2]))
    assert all(one.p_adjusted >= one.p_value for one in found)


def test_a_finding_that_a_family_takes_away_is_marked():
    made = [normal(seed=seed) for seed in range(30)]
    lucky = normal(shift=0.28, seed=100)
    found = compare_many(
        [question("lucky", *lucky), *(question(str(n), *v) for n, v in enumerate(made))], resamples=999
    )[0]
    assert found.verdict == "better"
    assert found.p_value < 0.05 < found.p_adjusted
    assert any("with so many tests this may be chance" in caveat for caveat in found.caveats)


def test_maths_starts_fast():
    code = "import sys, finetune_lab.maths.compare, finetune_lab.maths.power; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "scipy", "pandas"} & set(ran.stdout.split())
