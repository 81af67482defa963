"""Make the store again from the folders: after it was lost or damaged, or folders came from another machine."""

from typing import TYPE_CHECKING

from rich.console import Console

from finetune_lab.plugin import plugin
from finetune_lab.text.terminal import printable

if TYPE_CHECKING:
    from finetune_lab.lab import Lab


@plugin
class Reindex:
    """Has no knobs."""

    def execute(self, lab: "Lab") -> None:
        found = lab.store.reindex(lab.outputs)
        console = Console(highlight=False, emoji=False)
        for problem in found.problems:
            console.print(f"[yellow]left out[/]  {printable(problem)}", soft_wrap=True)
        counts = ", ".join(f"{number} {kind}" for kind, number in found.counts.items()) or "nothing"
        console.print(f"{printable(str(lab.store.path))} holds {counts}", soft_wrap=True)
