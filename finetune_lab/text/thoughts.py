"""Thoughts before an answer, as models of several families write them: <think> … </think>. They are no answer."""

_START, _END = "<think>", "</think>"


def said(text: str) -> str:
    """What stands behind the thoughts; all of a text without any, and nothing of one whose thoughts do not end.

    Where a template opens the thoughts itself, a text that was cut in them has no mark and is taken whole.
    """
    _, end, behind = text.rpartition(_END)
    if end:
        return behind.lstrip()
    return "" if text.lstrip().startswith(_START) else text
