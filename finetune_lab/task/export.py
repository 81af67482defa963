"""What a line has trained, as files for other programs: written, set against what was scored, and only then named."""

import json
import logging
import shutil
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import Field, NonNegativeInt, PositiveInt, SkipValidation

from finetune_lab.comparison.base_to_tuned import base_to_tuned
from finetune_lab.comparison.parity import Parity, parity
from finetune_lab.errors import DataError, LabError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.inference.trained import adapter_folder, check_trained
from finetune_lab.lab import Lab
from finetune_lab.maths.compare import Difference
from finetune_lab.once import NOTE, held, read_note, write_atomically
from finetune_lab.plugin import plugin
from finetune_lab.preparing.choice import RowChoice
from finetune_lab.provenance import here
from finetune_lab.records import Decoding, Evaluation
from finetune_lab.store.folders import read_evaluation
from finetune_lab.text.families import names_of

log = logging.getLogger(__name__)
CARD, PARITY = "README.md", "parity.json"


@plugin
class Export:
    """`format` is a choice of the group `export`. What differs by more than its limits is not kept."""

    format: SkipValidation[Any]
    rows: RowChoice
    num_texts: NonNegativeInt
    max_new_tokens: PositiveInt
    confidence: float = Field(gt=0, lt=1)
    decoding: Decoding

    def execute(self, lab: Lab) -> None:
        check_trained(lab.artifact)
        self.format.check()
        folder = export_folder(lab, self.format)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with held(folder):
            if read_note(folder) is None:
                self._make(lab, folder)
            else:
                log.info("kept      %s", folder)
        for line in Parity(**read_note(folder)["parity"]).lines():  # type: ignore[index]
            log.info("parity    %s", line)
        log.info("export    %s", folder)

    def _make(self, lab: Lab, folder: Path) -> None:
        """Fill a folder under another name, and give it its own once it has passed."""
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            found = self._written(lab, partial)
            self._check(found)
            write_atomically(partial / CARD, _card(lab, self, found))
            write_atomically(partial / PARITY, json.dumps(asdict(found), indent=2))
            files = sorted(path.name for path in partial.iterdir())
            note = {"kind": "export", "subject": lab.artifact.key, "parity": asdict(found), "files": files}
            write_atomically(partial / NOTE, json.dumps(note | {"made": here()}, indent=2))
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _written(self, lab: Lab, folder: Path) -> Parity:
        from finetune_lab.inference.exporting import Trained
        from finetune_lab.inference.parity import agreements, same_texts

        lab.model.check(lab.runtime)
        trained = Trained(
            adapter=adapter_folder(lab.artifact),
            base=lambda: lab.language_model,  # type: ignore[arg-type,return-value]
            source=lab.model,
            runtime=lab.runtime,
            decoding=self.decoding,
            base_name=base_name(lab),
        )
        log.info("writing   %s", type(self.format).__name__.lower())
        self.format.write(trained, folder)
        rows = lab.rows(self)  # type: ignore[arg-type]
        prompts = {row.id: row.prompt for row in rows[: self.num_texts]}
        using: AbstractContextManager[Any] = lab.using(lab.artifact)
        with using as scored, self.format.open(trained, folder) as exported:
            tokens = [scored.chat.conversation(row) for row in rows]
            found = agreements(scored, exported, tokens)
            texts = same_texts(scored, exported, prompts, self.max_new_tokens) if prompts else {}
        if not found:
            raise DataError(f"split {self.rows.split!r} has no rows on which the export could be set against the model")
        return parity(found, list(texts.values()), rows, confidence=self.confidence)

    def _check(self, found: Parity) -> None:
        beyond = found.beyond(self.format.limits)
        if beyond:
            raise LabError(
                "the export is not the model that was scored, and nothing of it is kept: "
                + "; ".join(beyond)
                + ". Limits stand at task.format.limits; a higher precision comes nearer (task.format.precision)"
            )


def export_folder(lab: Lab, form: Any) -> Path:
    """Where an export in this format is, or will be."""
    name = f"{type(form).__name__.lower()}-{fingerprint(form)}"
    return lab.outputs / "exports" / lab.artifact.place.name / name


def base_name(lab: Lab) -> str:
    """What the model below is called, without a place on this machine."""
    found = str(names_of(lab.model)[0])
    return Path(found).name if Path(found).is_absolute() or "\\" in found else found


def _card(lab: Lab, task: Export, found: Parity) -> str:
    from finetune_lab.comparison.model_card import Facts, model_card

    note = read_note(lab.artifact.place) or {}
    splits = lab.dataset.get("splits", {})
    return model_card(
        Facts(
            name=lab.artifact.place.name,
            key=lab.artifact.key,
            base_name=base_name(lab),
            data=lab.names.data,
            method=lab.names.method,
            form=task.format.title,
            library=task.format.library,
            config={"method": lab.config["method"], "seed": lab.seed},
            report=note.get("report", {}),
            rows={name: split["rows"] for name, split in splits.items()},
            differences=_differences(lab, task.confidence),
            parity=found,
            decoding=task.decoding,
            made=note.get("made", {}),
        )
    )


def _differences(lab: Lab, confidence: float) -> list[Difference]:
    """Of every evaluator of this line that has scored both models already; nothing is scored for a card."""
    names = [name for name in lab.evaluators if read_note(lab.evaluation_folder(name, lab.artifact))]
    tuned = {name: read_evaluation(lab.evaluation_folder(name, lab.artifact)) for name in names}
    base: dict[str, Evaluation] = {
        name: read_evaluation(place) for name in names if read_note(place := lab.evaluation_folder(name, lab.base))
    }
    whole = {name: one for name, one in tuned.items() if name in base}
    return base_to_tuned(base, whole, confidence=confidence, resamples=9999) if whole else []
