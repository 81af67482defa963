"""Votes at the terminal: an item, a key, the next item. Works as well with lines that come from a file."""

from typing import TextIO

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from finetune_lab.people.queue import NotPossibleError, Queue, Showing
from finetune_lab.text.terminal import one_line, printable

_WORDS = {"s": "skip", "u": "undo", "back": "undo", "q": "quit", "skip": "skip", "undo": "undo", "quit": "quit"}
_WIDE = 100  # columns from which two answers stand beside one another


def converse(queue: Queue, lines: TextIO, console: Console) -> None:
    """Ask about item after item until none is open, `q` is said, or the lines end. Every vote is kept at once."""
    showing = queue.next()
    while showing is not None:
        _show(queue, showing, console)
        said = _asked(queue, lines, console)
        if said == "quit":
            return
        if said == "undo":
            showing = queue.back() or showing
            continue
        if said == "skip":
            queue.skip(showing)
        else:
            try:
                queue.vote(showing, said)
            except NotPossibleError as error:
                console.print(f"[red]{printable(str(error))}[/]")
                continue
        showing = queue.next()
    console.print("nothing is left to vote on")


def _asked(queue: Queue, lines: TextIO, console: Console) -> str:
    """A vote's value, or skip, undo or quit."""
    options = queue.ballot.options
    known = {word: option.value for option in options for word in option.typed} | _WORDS
    numbers = all(option.label == option.typed[0] for option in options)
    told = f"[{options[0].label} to {options[-1].label}]" if numbers else ""
    told = told or " ".join(f"[{option.typed[0]}] {option.label}" for option in options)
    while True:
        console.print(f"{told} [s]kip [u]ndo [q]uit > ", end="", markup=False)
        console.file.flush()
        said = lines.readline()
        if not said:
            console.print()
            return "quit"
        value = known.get(said.strip().lower())
        if value is not None:
            return value
        console.print(f"not one of these: {one_line(said, 60) or 'nothing'}")


def _show(queue: Queue, showing: Showing, console: Console) -> None:
    progress = queue.progress()
    console.rule(f"{progress.own} votes of yours; {progress.done} of {progress.total} items done", align="left")
    for turn in showing.item.prompt:
        console.print(f"[bold]{printable(turn['role'])}[/]")
        console.print(printable(turn["content"]))
    panels = [
        Panel(printable(answer.text) or "[dim](nothing was written)[/]", title=title, title_align="left")
        for title, answer in zip(_titles(showing), showing.answers, strict=True)
    ]
    if len(panels) > 1 and console.width >= _WIDE:
        grid = Table.grid(expand=True, padding=(0, 1))
        for _ in panels:
            grid.add_column(ratio=1)
        grid.add_row(*panels)
        console.print(grid)
    else:
        for panel in panels:
            console.print(panel)
    console.print(f"[bold]{printable(queue.ballot.question)}[/] {printable(queue.ballot.hint)}")


def _titles(showing: Showing) -> list[str]:
    numbered = len(showing.answers) > 1
    return [f"answer {place}" if numbered else "answer" for place in range(1, len(showing.answers) + 1)]
