"""Talk to a model in the terminal: token by token, with a history, base and tuned side by side."""

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Literal

from rich.console import Console

from finetune_lab.inference.trained import check_trained
from finetune_lab.lab import Lab
from finetune_lab.plugin import plugin
from finetune_lab.records import Decoding
from finetune_lab.task.chat_screen import Screen
from finetune_lab.task.chat_talk import HELP, Talk, commanded

log = logging.getLogger(__name__)


@plugin
class Chat:
    """`which` of base and tuned answer; `system` is a system message; `thinking` the template's switch of that name.

    Every model keeps a history of its own, since one model's answers are not what the other has said.
    """

    which: Literal["base", "tuned", "both"]
    system: str | None
    thinking: bool | None
    decoding: Decoding

    def execute(self, lab: Lab) -> None:
        artifacts = {"base": [lab.base], "tuned": [lab.artifact], "both": [lab.base, lab.artifact]}[self.which]
        check_trained(*artifacts)
        lab.model.check(lab.runtime)
        talks = [Talk(lab=lab, artifact=artifact, system=self.system) for artifact in artifacts]
        screen = Screen(Console(highlight=False, emoji=False, markup=False), [talk.artifact.label for talk in talks])
        with ExitStack() as stack:
            if len(artifacts) == 1:  # nothing to switch between answers
                stack.enter_context(lab.using(artifacts[0]))
            else:
                _ = lab.language_model
            self._talk(talks, screen)

    def _talk(self, talks: list[Talk], screen: Screen) -> None:
        thinking, decoding = self.thinking, self.decoding
        for said in _lines():
            if said in ("/quit", "/exit"):
                return
            if said.startswith("/"):
                thinking = commanded(said, talks, thinking, screen.tell)
                continue
            try:
                screen.answer([talk.answer(said, decoding, thinking) for talk in talks])
            except KeyboardInterrupt:
                screen.tell("stopped; what was written so far is kept in the history")
            for talk in talks:
                talk.close_turn()
            decoding = replace(decoding, seed=decoding.seed + 1)  # the same question again is another draw


def _lines() -> Iterator[str]:
    """What a person says, line by line, until there is no more."""
    watched = sys.stdin.isatty()
    if watched:
        log.info("%s", HELP)
    while True:
        try:
            said = input("› " if watched else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if said:
            if not watched:
                print(f"› {said.encode('utf-8', 'replace').decode()}", flush=True)
            yield said
