"""Everything that is known about one run."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from rich import box
from rich.console import Console
from rich.table import Table

from finetune_lab.errors import LabError
from finetune_lab.plugin import plugin
from finetune_lab.store.folders import disk_bytes, owned
from finetune_lab.store.mirror import Pair, pairs
from finetune_lab.store.questions import RunRow, ScoreRow
from finetune_lab.store.store import Store
from finetune_lab.text.terminal import printable
from finetune_lab.text.units import bytes_text

if TYPE_CHECKING:
    from finetune_lab.lab import Lab


@plugin
class Show:
    """`run`: the beginning of a key, or a label; None is the newest of the group. Lengths in characters."""

    run: str | None
    num_samples: Annotated[int, Field(ge=0)]
    max_characters: Annotated[int, Field(gt=0)]

    def execute(self, lab: "Lab") -> None:
        row = lab.store.find(self.run) if self.run else _newest(lab)
        console = Console(highlight=False, emoji=False)
        _section(console, f"{row.label} on {row.model}, seed {row.seed}", _about(row))
        _section(console, "config", _dotted(row.config))
        _section(console, "report", _dotted(row.report))
        _print_scores(console, lab.store, row)
        _print_files(console, lab, row)
        for pair in pairs(lab.store, run=row.key, base=row.base, max_rows=self.num_samples)[: self.num_samples]:
            self._print_pair(console, pair)

    def _print_pair(self, console: Console, pair: Pair) -> None:
        console.print(f"\n[bold]sample {printable(pair.sample)}[/]")
        for name in ("prompt", "reference", "base", "tuned"):
            text = getattr(pair, name)
            if text is not None:
                cut = text if len(text) <= self.max_characters else f"{text[: self.max_characters]} […]"
                console.print(f"[dim]{name}[/]\n{printable(cut)}", soft_wrap=True)


def _newest(lab: "Lab") -> RunRow:
    rows = lab.store.runs(lab.group)
    if not rows:
        raise LabError(f"no runs in group {lab.group!r}: name one with task.run=…; task=list task.all_groups=true")
    return rows[-1]


def _about(row: RunRow) -> Iterator[tuple[str, str]]:
    for name in ("key", "base", "data", "data_key", "method", "status", "error", "started", "finished", "folder"):
        value = getattr(row, name)
        if value is not None:
            yield name, str(value)
    yield "groups", ", ".join(row.groups) or "none"


def _dotted(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of nested mappings under their dotted names."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", str(value)


def _section(console: Console, title: str, lines: Iterator[tuple[str, str]]) -> None:
    listed = list(lines)
    if not listed:
        return
    console.print(f"\n[bold]{printable(title)}[/]")
    for name, value in listed:
        console.print(f"  [dim]{printable(name)}[/]  {printable(value)}", soft_wrap=True)


def _print_scores(console: Console, store: Store, row: RunRow) -> None:
    tuned = store.scores([row.key])
    before = {(score.measure, score.name): score for score in store.scores([row.base])}
    if not tuned:
        console.print(f"\nno scores yet: score it with task=evaluate, or task=run ({row.status})")
        return
    table = Table(title="\nscores", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("evaluator", "score"):
        table.add_column(name, overflow="fold")
    for name in ("base", "tuned", "change", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for score in tuned:
        base = before.get((score.measure, score.name))
        table.add_row(printable(score.evaluator), printable(score.name), *_numbers(score, base))
    console.print(table)
    console.print("[dim]without intervals, a change may be chance: task=compare tells[/]")


def _numbers(tuned: ScoreRow, base: ScoreRow | None) -> list[str]:
    old, new = base.value if base else None, tuned.value
    shown = ["–" if value is None else f"{value:.4g}{printable(tuned.unit)}" for value in (old, new)]
    if old is None or new is None:
        return [*shown, "", ""]
    better = "same" if new == old else "better" if (new > old) == tuned.higher_is_better else "worse"
    return [*shown, f"{new - old:+.4g}", better]


def _print_files(console: Console, lab: "Lab", row: RunRow) -> None:
    places = owned(lab.outputs).get(row.key, [])
    sizes = [(place, disk_bytes(place)) for place in places]
    files = sorted(path for path in row.folder.rglob("*") if path.is_file()) if row.folder.is_dir() else []
    console.print(f"\n[bold]files[/]  {bytes_text(sum(size for _, size in sizes))}")
    for path in files:
        console.print(f"  {bytes_text(path.lstat().st_size):>7}  {printable(str(path))}", soft_wrap=True)
    for place, size in sizes:
        if place != row.folder:
            console.print(f"  {bytes_text(size):>7}  {printable(str(place))}", soft_wrap=True)
