"""Text that others wrote, shown in Markdown as it is: it opens no table, no link, no HTML, and no picture is loaded."""

import re

from finetune_lab.text.terminal import visible

_SIGNS = re.compile(r"([\\`*_{}\[\]()#+!|~<>&$-])")


def cell(text: str) -> str:
    """One line in which no sign has a meaning of its own."""
    return _SIGNS.sub(r"\\\1", " ".join(visible(text).split())).replace("\\<", "&lt;").replace("\\&", "&amp;")


def quoted(text: str, longest: int = 300) -> str:
    """A piece of text as code, cut at `longest` characters; the fence is longer than any within."""
    line = " ".join(visible(text).split())
    shown = line if len(line) <= longest else f"{line[: longest - 1]}…"
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    return f"{fence} {shown} {fence}" if shown else "(empty)"
