"""What a chat shows: answers as they grow, one below the other, or side by side where a terminal is there."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from rich.columns import Columns
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from finetune_lab.text.terminal import visible

_FRAMES_PER_SECOND = 8


class Screen:
    """Everything that a model wrote goes through `visible`: no escape sequence reaches the terminal."""

    def __init__(self, console: Console, labels: Sequence[str]) -> None:
        self._console = console
        self._labels = labels

    def tell(self, line: str) -> None:
        """A line of our own."""
        self._console.print(visible(line), style="dim")

    def answer(self, answers: Sequence[Iterator[str]]) -> None:
        """Show the answers while they are written, in the order of the labels."""
        if len(answers) > 1 and self._console.is_terminal and not self._console.is_dumb_terminal:
            self._beside(answers)
            return
        for label, pieces in zip(self._labels, answers, strict=True):
            if len(answers) > 1:
                self._console.print(f"{label}:", style="bold")
            for piece in pieces:
                self._console.out(visible(piece), end="", highlight=False)
                self._console.file.flush()
            self._console.print()

    def _beside(self, answers: Sequence[Iterator[str]]) -> None:
        texts = [Text() for _ in answers]
        width = max(20, self._console.width // len(answers) - 1)
        panels = [Panel(text, title=Text(label), width=width) for label, text in zip(self._labels, texts, strict=True)]
        with ExitStack() as stack:
            beside = Columns(panels, padding=(0, 1))
            stack.enter_context(Live(beside, console=self._console, refresh_per_second=_FRAMES_PER_SECOND))
            for text, pieces in zip(texts, answers, strict=True):
                for piece in pieces:
                    text.append(visible(piece))
