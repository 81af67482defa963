"""Answers to a file of prompts, to a suite, or to a split, as a file of JSON lines."""

import json
import logging
import time
from pathlib import Path
from typing import Literal

from finetune_lab.fingerprint import fingerprint
from finetune_lab.inference.trained import check_trained
from finetune_lab.lab import Lab
from finetune_lab.once import write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.preparing.prompt_file import read_prompts
from finetune_lab.records import Answer, Artifact, Decoding, Sample

log = logging.getLogger(__name__)


@plugin
class Generate:
    """`prompts` is a file: rows of JSON or JSONL, or a text with a prompt on every line; null takes `rows` instead.

    Answers are kept like any others, so a line that was stopped goes on, and one that is done loads no model.
    """

    prompts: Path | None
    rows: RowChoice
    which: Literal["base", "tuned", "both"]
    decoding: Decoding
    output: Path | None

    def execute(self, lab: Lab) -> None:
        lab.model.check(lab.runtime)
        artifacts = self._artifacts(lab)
        rows = self._rows(lab)
        lines: list[str] = []
        for artifact in artifacts:
            started = time.monotonic()
            answers = lab.answers(artifact, rows, self.decoding)
            spent, num_tokens = time.monotonic() - started, sum(answer.num_tokens for answer in answers)
            log.info("%-8s  %d answers, %d tokens in %.1f s", artifact.label, len(answers), num_tokens, spent)
            lines += [_line(artifact, row, answer) for row, answer in zip(rows, answers, strict=True)]
        place = self.output or lab.outputs / "generated" / f"{fingerprint(lines)}.jsonl"
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, "".join(lines))
        log.info("answers   %s", place)

    def _artifacts(self, lab: Lab) -> list[Artifact]:
        wanted = {"base": [lab.base], "tuned": [lab.artifact], "both": [lab.base, lab.artifact]}[self.which]
        check_trained(*wanted)
        return wanted

    def _rows(self, lab: Lab) -> tuple[Sample, ...]:
        return read_prompts(self.prompts) if self.prompts else lab.rows(self)  # type: ignore[arg-type]


def _line(artifact: Artifact, row: Sample, answer: Answer) -> str:
    found = {
        "model": artifact.label,
        "artifact": artifact.key,
        "sample": row.id,
        "messages": [dict(message) for message in row.prompt],
        "answer": answer.text,
        "num_tokens": answer.num_tokens,
        "finish": answer.finish,
    }
    return json.dumps(found, ensure_ascii=True) + "\n"
