"""Review at the terminal: a row, a letter, the next row. Works as well with lines that come from a file."""

from typing import TextIO

from rich.console import Console

from finetune_lab.preparing.decisions import answer_of
from finetune_lab.preparing.review_queue import NotPossibleError, ReviewQueue
from finetune_lab.records import Sample
from finetune_lab.text.terminal import one_line, printable, visible

_HELP = "[k]eep [d]rop [e]dit [r]elabel [s]kip for now [b]ack [q]uit"
_WORDS = {"k": "keep", "d": "drop", "e": "edit", "r": "relabel", "s": "skip", "b": "back", "q": "quit"}
_COMMANDS = {**_WORDS, **{word: word for word in _WORDS.values()}}
_END_OF_EDIT = "."


def converse(queue: ReviewQueue, lines: TextIO, console: Console) -> None:
    """Ask about row after row until none is open, `q` is said, or the lines end. Every decision is kept at once."""
    row = queue.next_row()
    while row is not None:
        _show(queue, row, console)
        command = _asked(lines, console)
        if command == "quit":
            return
        if command == "back":
            row = queue.last_own() or row
            continue
        if command == "skip":
            queue.skip(row)
        elif not _decided(queue, row, command, lines, console):
            continue
        row = queue.next_row()
    console.print("nothing is left to review")


def _asked(lines: TextIO, console: Console) -> str:
    while True:
        said = _line(lines, console, f"{_HELP} > ")
        if said is None:
            return "quit"
        command = _COMMANDS.get(said.strip().lower())
        if command is not None:
            return command
        console.print(f"not one of these: {one_line(said, 60) or 'nothing'}")


def _line(lines: TextIO, console: Console, ask: str) -> str | None:
    """The next line without its end; None where there is no more."""
    console.print(ask, end="", markup=False)
    console.file.flush()
    said = lines.readline()
    if not said:
        console.print()
        return None
    return said.rstrip("\r\n")


def _decided(queue: ReviewQueue, row: Sample, command: str, lines: TextIO, console: Console) -> bool:
    text = label = None
    if command == "edit":
        text = _text(lines, console)
    if command == "relabel":
        known = f" ({', '.join(queue.labels)})" if queue.labels else ""
        label = _line(lines, console, visible(f"{queue.label}{known} > "))
    try:
        queue.decide(row, command, text=text, label=label)
    except NotPossibleError as error:
        console.print(f"[red]{printable(str(error))}[/]")
        return False
    return True


def _text(lines: TextIO, console: Console) -> str:
    """Lines up to one that holds a single dot."""
    console.print(f"the answer as it should be; a line with only {_END_OF_EDIT!r} ends it")
    kept: list[str] = []
    while (said := _line(lines, console, "  ")) is not None and said != _END_OF_EDIT:
        kept.append(said)
    return "\n".join(kept)


def _show(queue: ReviewQueue, row: Sample, console: Console) -> None:
    progress = queue.progress()
    twice = ", for two reviewers" if queue.num_reviews(row) == 2 else ""
    console.rule(f"row {row.id}: {progress.done} of {progress.total} done{twice}", align="left")
    for name, value in row.facts.items():
        console.print(f"[dim]{one_line(str(name), 40)}: {one_line(str(value), 200)}[/]")
    turns = list(row.messages) or [{"role": "text", "content": answer_of(row)}]
    for turn in turns:
        console.print(f"[bold]{printable(turn['role'])}[/]")
        console.print(printable(turn["content"]), soft_wrap=True)
