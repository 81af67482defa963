"""What the models said: where JSON fails, what judges agree on, and the answers themselves."""

from finetune_lab.reporting.asking import Asking, Found
from finetune_lab.reporting.parts import Block, Chart, Column, Gap, Prose, Samples, Section, Table
from finetune_lab.store import catalogue_results as results


def failures(ask: Asking) -> Section:
    """At which stage answers fail their schema, and by what rule."""
    stages, failed = ask("stages reached", results.STAGES), ask("schema failures", results.FAILURES)
    if not len(stages):
        gaps = (Gap(what="validity of JSON answers", command=ask.line("schema")),)
        return Section(name="schema", title="Schema failures", blocks=(), gaps=gaps)
    blocks: list[Block] = [
        Chart(
            kind="bars",
            query=stages.name,
            title="The stage at which answers ended",
            described=("For each arm the number of answers that ended at each stage of the check; valid is the goal.",),
            uses={"y": "arm", "x": "num_answers", "part": "stage", "pick": "evaluator", "x_label": "answers"},
        )
    ]
    if len(failed):
        columns = (
            Column(name="failure", head="rule and place"),
            Column(name="arm", head="arm"),
            Column(name="num_answers", head="answers", form="count"),
        )
        blocks.append(Table(query=failed.name, title="What failed most often", columns=columns))
    return Section(name="schema", title="Schema failures", blocks=tuple(blocks))


def judges(ask: Asking) -> Section:
    """How far judges agree with one another and with themselves."""
    found = ask("what judges tell", results.JUDGES)
    if not len(found):
        gaps = (Gap(what="judges and their agreement", command=ask.line("judges")),)
        return Section(name="judges", title="Judges", blocks=(), gaps=gaps)
    picture = Chart(
        kind="forest",
        query=found.name,
        title="Agreement, wordings and positions, with intervals",
        described=("A dot with its interval for each figure that the judges' evaluations tell beside their scores.",),
        uses={
            "y": "what",
            "x": "value",
            "low": "low",
            "high": "high",
            "pick": "arm",
            "pick_more": "evaluator",
            "x_label": "value",
        },
    )
    return Section(name="judges", title="Judges", blocks=(picture, _told(found)))


def _told(found: Found) -> Table:
    columns = (
        Column(name="evaluator", head="evaluator"),
        Column(name="arm", head="arm"),
        Column(name="what", head="what"),
        Column(name="value", head="value", form="number"),
        Column(name="low", head="from", form="number"),
        Column(name="high", head="to", form="number"),
    )
    return Table(query=found.name, title="All figures of judges", columns=columns)


def samples(ask: Asking) -> Section:
    """Prompts with the answers of base and arms beside one another."""
    prompts, answers = ask("prompts", results.PROMPTS), ask("answers", results.ANSWERS)
    if not len(answers):
        gaps = (Gap(what="answers side by side", command=ask.line("samples")),)
        return Section(name="samples", title="Samples", blocks=(), gaps=gaps)
    note = (
        "What was asked, what was due, and what base and arms answered, of each arm the run with its lowest seed. The "
        "search looks in all of them; texts are cut where the settings say so."
    )
    blocks = (Prose(said=(note,), kind="note"), Samples(prompts=prompts.name, answers=answers.name))
    return Section(name="samples", title="Samples, side by side", blocks=blocks)
