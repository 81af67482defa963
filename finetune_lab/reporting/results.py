"""The head of a report: what is recommended and on what ground, what is best for which use, and all results."""

from collections.abc import Iterator

from finetune_lab.reporting.asking import Asking, Found
from finetune_lab.reporting.parts import (
    Block,
    Cell,
    Chart,
    Column,
    Gap,
    Prose,
    Said,
    Section,
    Table,
    Tile,
    Tiles,
)
from finetune_lab.store import catalogue_results as results
from finetune_lab.store import catalogue_use as use


def summary(ask: Asking) -> Section:
    """The recommendation in plain words, what it rests on, and what took part."""
    seen, best = ask("what took part", results.OVERVIEW), ask("the arm that comes first", results.BEST)
    blocks: list[Block] = [Prose(said=_recommended(best, ask), kind="callout")]
    if len(best):
        blocks += [_tiles(best, seen), Prose(said=_ground(best)), *_flattered(best, seen)]
    blocks += [Prose(said=said, kind="item") for said in _decided(ask)]
    blocks += [Prose(said=said) for said in _took_part(seen)]
    gaps = () if len(best) else (Gap(what="a comparison with the base", command=ask.line()),)
    return Section(name="summary", title="Summary", blocks=tuple(blocks), gaps=gaps)


def _recommended(best: Found, ask: Asking) -> Said:
    if not len(best):
        return ("No recommendation: no trained arm could be compared with its base. ",)
    arm, metric = best.cell(0, "arm", "text"), best.cell(0, "metric", "text")
    decisions = ask("decisions of the declared rules", results.DECISIONS)
    refusals = [row for row in range(len(decisions)) if _about(decisions.value(row, "label"), best.value(0, "arm"))]
    if best.value(0, "verdict") != "better":
        told = ("Stay with the base: no arm is measurably better than it by ", metric)
        return (*told, ". First of the arms comes ", arm, "; the verdict on it: ", best.cell(0, "verdict", "text"), ".")
    for row in refusals:
        if decisions.value(row, "refused"):
            outcome = decisions.cell(row, "outcome", "text")
            return (
                *("Do not adopt ", arm, " yet: it is measurably better than the base by ", metric),
                *(", but the declared rules say ", outcome, "."),
            )
    return ("Take ", arm, ": by ", metric, " it is measurably better than the base.")


def _about(label: str, arm: str) -> bool:
    return f"→ {arm}," in label


def _ground(best: Found) -> Said:
    """The evidence behind the recommendation in one paragraph."""
    declared = (
        "This metric was declared as the primary one. "
        if best.value(0, "is_primary")
        else "No metric was declared as primary before the runs, so the first one that was scored stands here, and the "
        "result describes rather than decides. "
    )
    return (
        *("The ground: ", best.cell(0, "arm", "text"), " scores ", best.cell(0, "candidate_value"), " where "),
        *(best.cell(0, "reference", "text"), " scores ", best.cell(0, "reference_value"), "; the difference is "),
        *(best.cell(0, "difference", "signed"), ", with ", best.cell(0, "confidence_percent"), " % confidence "),
        "between ",
        *(best.cell(0, "low", "signed"), " and ", best.cell(0, "high", "signed"), " (p ", best.cell(0, "p_value", "p")),
        *(", ", best.cell(0, "num_pairs", "count"), " paired samples, seeds: "),
        *(best.cell(0, "num_seeds", "count"), "). ", declared),
    )


def _flattered(best: Found, seen: Found) -> Iterator[Prose]:
    """What must be said of the first of several."""
    if seen.value(0, "num_arms") < 2:
        return
    adjusted: Said = (
        ("Over all arms and primary metrics its p is ", best.cell(0, "p_adjusted", "p"), ". ")
        if best.value(0, "p_adjusted") is not None
        else ()
    )
    told = "arms: the largest of several differences is flattered by chance. A seed that no choice was made by tells."
    yield Prose(said=("It is the first of ", seen.cell(0, "num_arms", "count"), f" {told} ", *adjusted))


def _tiles(best: Found, seen: Found) -> Tiles:
    unit = best.cell(0, "unit", "text") if best.value(0, "unit") else ""
    interval: Said = (best.cell(0, "low", "signed"), " to ", best.cell(0, "high", "signed"))
    metric: Said = (best.cell(0, "metric", "text"),)
    return Tiles(
        tiles=(
            Tile(label="first arm", cell=best.cell(0, "arm", "text"), note=(best.cell(0, "verdict", "text"),)),
            Tile(label="against the base", cell=best.cell(0, "difference", "signed"), unit=unit, note=interval),
            Tile(label="it scores", cell=best.cell(0, "candidate_value"), unit=unit, note=metric),
            Tile(label="runs finished", cell=seen.cell(0, "num_done", "count"), note=_of_all(seen)),
        )
    )


def _of_all(seen: Found) -> Said:
    failed: Said = (", failed: ", seen.cell(0, "num_failed", "count")) if seen.value(0, "num_failed") else ()
    return ("of ", seen.cell(0, "num_runs", "count"), *failed)


def _decided(ask: Asking) -> Iterator[Said]:
    """One line for each case of the rules."""
    found = ask("decisions of the declared rules", results.DECISIONS)
    told: set[str] = set()
    for row in range(len(found)):
        label = found.value(row, "label")
        if label not in told and len(told) < 12:  # the recommendations in the store hold all
            told.add(label)
            when = "declared beforehand" if found.value(row, "declared_beforehand") else "not declared beforehand"
            label_cell, outcome = found.cell(row, "label", "text"), found.cell(row, "outcome", "text")
            yield ("The rules (", when, ") say of ", label_cell, ": ", outcome, ".")


def _took_part(seen: Found) -> Iterator[Said]:
    def num(column: str) -> Cell:
        return seen.cell(0, column, "count")

    yield (
        *("What took part: runs ", num("num_runs"), ", arms ", num("num_arms"), ", bases ", num("num_bases")),
        *(", seeds ", num("num_seeds"), ", evaluators ", num("num_evaluators"), ", metrics ", num("num_metrics")),
        *(", answers kept ", num("num_answers"), "."),
    )
    if seen.value(0, "num_failed") or seen.value(0, "num_unfinished"):
        yield (
            *("Failed runs: ", num("num_failed"), ", unfinished runs: ", num("num_unfinished")),
            ". They are in no average; the table of runs names them.",
        )


def uses(ask: Asking) -> Section:
    """Who is first for which use, by each of its metrics."""
    found = ask("first by every metric of a use", use.USES)
    columns = (
        Column(name="use", head="use"),
        Column(name="metric", head="metric"),
        Column(name="arm", head="first"),
        Column(name="num_first", head="arms level", form="count"),
        Column(name="value", head="value", form="number"),
        Column(name="unit", head="unit"),
        Column(name="difference", head="to the base", form="signed"),
        Column(name="low", head="from", form="signed"),
        Column(name="high", head="to", form="signed"),
        Column(name="verdict", head="verdict"),
    )
    note = (
        "First is who scored highest, or lowest where less is better; of arms that are level a few are named. Only the "
        "verdict says whether the difference to the base can be told from chance."
    )
    blocks: tuple[Block, ...] = (
        (Prose(said=(note,)), Table(query=found.name, title="Who is first for which use", columns=columns))
        if len(found)
        else ()
    )
    have = set(found.column("use"))
    gaps = tuple(
        Gap(what=f"the use {one['name']}", command=ask.line(one["measured_by"]))
        for one in ask.uses
        if one["name"] not in have
    )
    return Section(name="uses", title="Which arm for which use", blocks=blocks, gaps=gaps)


def comparison(ask: Asking) -> Section:
    """All differences with their intervals, as a matrix and metric by metric."""
    found, verdicts = ask("differences", results.DIFFERENCES), ask("verdicts by metric", results.VERDICTS)
    if not len(found):
        return _scores_alone(ask)
    scores, knobs = ask("scores", results.SCORES), ask("effects of knobs", results.KNOBS)
    blocks: list[Block] = [_matrix(found, verdicts), _forest(found), _differences(found), _scores(scores)]
    blocks += [_effects(knobs)] * bool(len(knobs))
    ranking, strengths = ask("composite scores", results.RANKING), ask("strengths", results.STRENGTHS)
    if len(ranking):
        heads = (Column(name="rank", head="rank", form="count"), Column(name="arm", head="arm"))
        score = Column(name="score", head="score", form="number")
        blocks.append(Table(query=ranking.name, title="Composite score", columns=(*heads, score)))
    if len(strengths):
        uses = {"y": "arm", "x": "strength", "low": "low", "high": "high", "pick": "evaluator"}
        described = ("Strengths of the arms that judges set against one another, by Bradley and Terry's model.",)
        blocks.append(
            Chart(
                kind="forest",
                query=strengths.name,
                title="Strengths in pairs, in logits",
                described=described,
                uses=uses | {"x_label": "strength, logits"},
            )
        )
    return Section(name="results", title="Results", blocks=tuple(blocks))


def _scores_alone(ask: Asking) -> Section:
    scores = ask("scores", results.SCORES)
    gaps = (Gap(what="differences with intervals", command=ask.line()),)
    blocks = (_scores(scores),) if len(scores) else ()
    return Section(name="results", title="Results", blocks=blocks, gaps=gaps)


def _matrix(found: Found, verdicts: Found) -> Chart:
    first = verdicts.cell(0, "metric", "text") if len(verdicts) else ""
    counted: Said = (
        (
            *(" By ", first, " better: ", verdicts.cell(0, "num_better", "count"), ", worse: "),
            *(verdicts.cell(0, "num_worse", "count"), ", the same: ", verdicts.cell(0, "num_same", "count")),
            *(", unclear: ", verdicts.cell(0, "num_unclear", "count"), "."),
        )
        if len(verdicts)
        else ()
    )
    return Chart(
        kind="matrix",
        query=found.name,
        title="Every arm by every metric",
        described=("Verdicts of all arms against their reference, a mark for each metric.", *counted),
        uses={"row": "arm", "column": "metric", "verdict": "verdict", "value": "difference", "pick": "reference"},
    )


def _forest(found: Found) -> Chart:
    return Chart(
        kind="forest",
        query=found.name,
        title="Differences with their intervals",
        described=(
            "Each arm's difference to the reference with its interval at confidence ",
            *(found.cell(0, "confidence_percent"), " %. An interval across zero "),
            "cannot be told from chance. The marks tell better from worse, whichever way the metric counts.",
        ),
        uses={
            "y": "arm",
            "x": "difference",
            "low": "low",
            "high": "high",
            "shape": "verdict",
            "pick": "metric",
            "pick_more": "reference",
            "unit": "unit",
            "x_label": "difference",
            "zero": "yes",
        },
    )


def _differences(found: Found) -> Table:
    columns = (
        Column(name="metric", head="metric"),
        Column(name="reference", head="reference"),
        Column(name="arm", head="arm"),
        Column(name="verdict", head="verdict"),
        Column(name="reference_value", head="was", form="number"),
        Column(name="candidate_value", head="is", form="number"),
        Column(name="difference", head="difference", form="signed"),
        Column(name="low", head="from", form="signed"),
        Column(name="high", head="to", form="signed"),
        Column(name="p_value", head="p", form="p"),
        Column(name="p_adjusted", head="p, adjusted", form="p"),
        Column(name="effect", head="effect", form="signed"),
        Column(name="effect_name", head="effect is"),
        Column(name="num_pairs", head="pairs", form="count"),
        Column(name="num_seeds", head="seeds", form="count"),
    )
    return Table(query=found.name, title="All differences", columns=columns)


def _scores(found: Found) -> Table:
    columns = (
        Column(name="arm", head="arm"),
        Column(name="metric", head="metric"),
        Column(name="value", head="mean over seeds", form="number"),
        Column(name="least", head="least", form="number"),
        Column(name="most", head="most", form="number"),
        Column(name="unit", head="unit"),
        Column(name="num_seeds", head="seeds", form="count"),
        Column(name="num_unscored", head="unscored", form="count"),
    )
    return Table(query=found.name, title="All scores", columns=columns)


def _effects(found: Found) -> Table:
    columns = (
        Column(name="knob", head="knob"),
        Column(name="metric", head="metric"),
        Column(name="reference", head="from"),
        Column(name="candidate", head="to"),
        Column(name="difference", head="effect", form="signed"),
        Column(name="low", head="low", form="signed"),
        Column(name="high", head="high", form="signed"),
        Column(name="verdict", head="verdict"),
    )
    return Table(query=found.name, title="What each knob did, others as they are", columns=columns)
