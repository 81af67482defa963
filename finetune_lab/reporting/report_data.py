"""From a store to everything that a report holds, asked for once and in no form yet."""

from collections.abc import Sequence
from typing import Any

from finetune_lab.provenance import here
from finetune_lab.reporting.answering import failures, judges, samples
from finetune_lab.reporting.asking import Asking, Wanted
from finetune_lab.reporting.learning import checkpoints, layers, spectra, training
from finetune_lab.reporting.origin import limits, origins, repeating
from finetune_lab.reporting.parts import ReportData
from finetune_lab.reporting.results import comparison, summary, uses
from finetune_lab.reporting.usage import costs, serving
from finetune_lab.store import catalogue_results as results

_PARTS = (summary, uses, comparison, training, checkpoints, layers, spectra, failures, judges, costs, serving, samples)


def report_data(store: Any, wanted: Wanted, *, lines: Sequence[str], notes: Sequence[str] = ()) -> ReportData:
    """The report on a group. `lines` make its runs again; `notes` say what could not be done.

    A section that nothing was measured for keeps its place in the list of what was not measured.
    """
    ask = Asking(store, wanted)
    made = [part(ask) for part in _PARTS]
    gaps = list({gap.what: gap for section in made for gap in section.gaps}.values())
    found = [section for section in made if section.blocks]
    last = [limits(ask, gaps, notes), origins(ask), repeating(wanted, lines)]
    arms = ask("arms", results.ARMS)
    return ReportData(
        group=wanted.group,
        made=here(),
        sections=(*found, *last),
        queries=ask.queries,
        bases=tuple(arms.value(row, "arm") for row in arms.where(trained=0)),
        best=tuple(arms.value(row, "arm") for row in arms.where(trained=1)),
    )
