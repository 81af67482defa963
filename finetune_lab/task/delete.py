"""Delete one run, after showing what goes."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from rich.console import Console

from finetune_lab.errors import LabError
from finetune_lab.plugin import plugin
from finetune_lab.store.folders import disk_bytes, holder, owned, remove
from finetune_lab.text.terminal import printable
from finetune_lab.text.units import bytes_text

if TYPE_CHECKING:
    from finetune_lab.lab import Lab


@plugin
class Delete:
    """`run`: the beginning of a key, or a label. Nothing is deleted without `yes`."""

    run: Annotated[str, Field(min_length=1)]
    yes: bool

    def execute(self, lab: "Lab") -> None:
        row = lab.store.find(self.run)
        places = owned(lab.outputs).get(row.key, [])
        console = Console(highlight=False, emoji=False)
        console.print(f"[bold]{printable(row.label)} on {printable(row.model)}, seed {row.seed}[/]  {row.key}")
        total = 0
        for place in places:
            size = disk_bytes(place)
            total += size
            console.print(f"  {bytes_text(size):>7}  {printable(str(place))}", soft_wrap=True)
        for place in places:
            if (who := holder(place)) is not None:
                raise LabError(f"{place} is being made by process {who}: wait for it, or stop it first")
        if not self.yes:
            console.print(f"{bytes_text(total)} would be freed; nothing is deleted without task.yes=true")
            return
        # memberships first, the store last: a run that was deleted half can be deleted again
        remove(sorted(places, key=lambda place: place.is_dir()))
        lab.store.delete(row.key)
        console.print(f"deleted, {bytes_text(total)} freed; a tracker keeps what was sent there")
