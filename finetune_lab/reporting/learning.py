"""How training went and what it did inside: curves, checkpoints, layers, spectra."""

from finetune_lab.reporting.asking import Asking, Found
from finetune_lab.reporting.parts import Block, Chart, Column, Gap, Prose, Section, Table
from finetune_lab.store import catalogue_results as results

_LINES = {"arm": "arm", "seed": "seed"}


def training(ask: Asking) -> Section:
    """Loss by step, what each arm's trainings took, and what an optimizer told of itself."""
    curves, trained = ask("training curves", results.CURVES), ask("trainings", results.TRAININGS)
    own, runs = ask("curves of the optimizer", results.METHOD_CURVES), ask("runs", results.RUNS)
    blocks: list[Block] = []
    if len(curves):
        blocks.append(_curves(curves, "Loss by step", "loss, nats per token"))
    if len(trained):
        blocks.append(_trained(trained))
    if len(own):
        blocks.append(_curves(own, "What the optimizer tells of itself", "value"))
    if len(runs):
        blocks.append(_runs(runs))
    gaps = () if len(curves) else (Gap(what="training curves", command=ask.line()),)
    return Section(name="training", title="Training", blocks=tuple(blocks), gaps=gaps)


def _curves(found: Found, title: str, label: str) -> Chart:
    return Chart(
        kind="curves",
        query=found.name,
        title=title,
        described=("One line for each run, over the optimizer's steps. The table below the picture holds the points.",),
        uses=_LINES | {"x": "step", "y": "value", "pick": "curve", "x_label": "step", "y_label": label},
    )


def _trained(found: Found) -> Table:
    columns = (
        Column(name="arm", head="arm"),
        Column(name="num_seeds", head="seeds", form="count"),
        Column(name="best_validation_loss", head="validation loss", form="number"),
        Column(name="low", head="from", form="number"),
        Column(name="high", head="to", form="number"),
        Column(name="target_loss", head="loss to reach", form="number"),
        Column(name="num_reached", head="seeds there", form="count"),
        Column(name="steps_to_target", head="steps until then", form="count"),
        Column(name="seconds_to_target", head="time until then", form="seconds"),
        Column(name="wall_seconds", head="whole time", form="seconds"),
        Column(name="tokens_per_second", head="tokens/s", form="number"),
        Column(name="peak_bytes", head="peak memory", form="bytes"),
        Column(name="adapter_bytes", head="adapter", form="bytes"),
        Column(name="num_trainable_parameters", head="trained parameters", form="count"),
    )
    return Table(query=found.name, title="What trainings took, means over seeds", columns=columns)


def _runs(found: Found) -> Table:
    columns = (
        Column(name="arm", head="arm"),
        Column(name="seed", head="seed", form="count"),
        Column(name="run", head="run"),
        Column(name="status", head="status"),
        Column(name="model", head="model"),
        Column(name="data", head="data"),
        Column(name="num_steps", head="steps", form="count"),
        Column(name="best_step", head="best step", form="count"),
        Column(name="best_validation_loss", head="validation loss", form="number"),
        Column(name="started", head="started", form="time"),
        Column(name="finished", head="finished", form="time"),
        Column(name="error", head="error"),
    )
    return Table(query=found.name, title="All runs, failed and unfinished ones first", columns=columns)


def checkpoints(ask: Asking) -> Section:
    """Metrics against the step of the checkpoint that was scored."""
    found = ask("scores of checkpoints", results.CHECKPOINTS)
    blocks = (
        (
            Chart(
                kind="curves",
                query=found.name,
                title="Metric by checkpoint",
                described=("The scores of the checkpoints that were kept, over the step that they were written at.",),
                uses=_LINES | {"x": "step", "y": "value", "pick": "metric", "x_label": "step", "y_label": "score"},
            ),
        )
        if len(found)
        else ()
    )
    gaps = () if blocks else (Gap(what="metrics by checkpoint", command=ask.line("checkpoints")),)
    return Section(name="checkpoints", title="Metrics by checkpoint", blocks=blocks, gaps=gaps)


def layers(ask: Asking) -> Section:
    """How far safe and unsafe prompts lie apart, layer by layer."""
    found = ask("separation by layer", results.LAYERS)
    if not len(found):
        gaps = (Gap(what="separation of safe and unsafe prompts by layer (δ², AQI)", command=ask.line("layers")),)
        return Section(name="layers", title="Separation by layer", blocks=(), gaps=gaps)
    note = (
        "How far safe and unsafe prompts lie apart in the hidden states. It tells what a model can tell apart, not "
        "what it does: safety is measured on answers."
    )
    common = _LINES | {"x": "layer", "pick": "evaluator", "x_label": "layer"}
    blocks: list[Block] = [Prose(said=(note,), kind="note")]
    blocks.append(
        Chart(
            kind="curves",
            query=found.name,
            title="δ² by layer, with its interval",
            described=("The unbiased squared distance of the two classes by layer; the band is its interval.",),
            uses=common | {"y": "delta_squared", "low": "low", "high": "high", "y_label": "δ²"},
        )
    )
    for column, title in (("aqi", "AQI by layer"), ("probe_auroc", "Linear probe by layer, AUROC")):
        if found.has(column):
            described = ("One line for each model over its layers.",)
            uses = common | {"y": column, "y_label": title.partition(" by")[0]}
            blocks.append(Chart(kind="curves", query=found.name, title=title, described=described, uses=uses))
    return Section(name="layers", title="Separation by layer", blocks=tuple(blocks))


def spectra(ask: Asking) -> Section:
    """Spectra and ranks of the curvature that an optimizer left behind."""
    found, shares = ask("ranks by layer", results.SPECTRA), ask("mean spectrum", results.SPECTRUM)
    if not len(shares):
        gaps = (Gap(what="curvature spectra and effective ranks", command=ask.line("spectra")),)
        return Section(name="spectra", title="Spectra and ranks", blocks=(), gaps=gaps)
    columns = (
        Column(name="arm", head="arm"),
        Column(name="seed", head="seed", form="count"),
        Column(name="layer", head="layer"),
        Column(name="rank", head="rank", form="count"),
        Column(name="effective_rank", head="effective rank", form="number"),
        Column(name="condition_h", head="condition, inner side", form="number"),
        Column(name="condition_e", head="condition, outer side", form="number"),
    )
    note = (
        "σ are the singular values of the update, whitened by the curvature of both sides. A spectrum that falls at "
        "once says that the adapter uses few of its directions."
    )
    uses = _LINES | {"x": "direction", "y": "share", "x_label": "direction, the largest first", "y_label": "share"}
    blocks: list[Block] = [
        Prose(said=(note,), kind="note"),
        Chart(
            kind="curves",
            query=shares.name,
            title="Share of Σσ² by direction, mean over layers",
            described=("One falling line for each run that kept its curvature.",),
            uses=uses,
        ),
    ]
    if len(found):
        uses = {"y": "layer", "x": "effective_rank", "pick": "arm", "arm": "arm", "x_label": "effective rank"}
        picture = Chart(
            kind="forest",
            query=found.name,
            title="Effective rank of every layer",
            described=("A dot for each layer of a run.",),
            uses=uses,
        )
        blocks += [picture, Table(query=found.name, title="Ranks and condition numbers", columns=columns)]
    return Section(name="spectra", title="Spectra and ranks", blocks=tuple(blocks))
