"""Small output folders, written by hand as the stages would write them."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.records import Evaluation, Sample, Score, Statistic
from finetune_lab.store.folders import append_json_line, write_evaluation
from finetune_lab.store.store import Store

MADE = {"made": {"time": "2025-01-01T10:00:00+00:00"}}


class Outputs:
    """An outputs folder; each method writes one folder of it and gives its path."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def note(self, folder: Path, **note: Any) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "done.json").write_text(json.dumps(note | MADE))
        return folder

    def dataset(self, key: str = "d1", samples: tuple[Sample, ...] = ()) -> Path:
        folder = self.root / "data" / f"guide-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test.jsonl").write_text("".join(json.dumps(sample.to_json()) + "\n" for sample in samples))
        splits = {"test": {"rows": len(samples), "digest": "x"}}
        return self.note(folder, kind="dataset", key=key, name="guide", splits=splits, dropped={"empty": 2})

    def run(self, key: str = "aaa111", label: str = "grit", *, done: bool = True, **more: Any) -> Path:
        folder = self.root / "runs" / f"{label}-tiny-{key}"
        folder.mkdir(parents=True, exist_ok=True)
        card = {"key": key, "base": "base-b", "label": label, "group": "study", "model": "tiny", "data": "guide"}
        card |= {"method": label, "seed": 3, "config": {"seed": 3, "method": {"rank": 8}}, "started": 1.7e9} | more
        (folder / "card.json").write_text(json.dumps(card))
        for step, loss in ((1, 2.0), (2, 1.5), (2, 1.25)):  # step 2 twice, as after a kill
            metrics = {"train/loss": loss, "validation/loss": loss + 1}
            append_json_line(folder / "curve.jsonl", {"step": step, "time": 1.7e9 + step, "metrics": metrics})
        if done:
            report = {"num_steps": 2, "best_validation_loss": 2.25}
            self.note(folder, **card | {"kind": "run", "data_key": "d1", "report": report})
        return folder

    def member(self, key: str = "aaa111", group: str = "study", **more: Any) -> Path:
        path = self.root / "groups" / group / f"{key}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        member = {"run": key, "base": "base-b", "label": "grit", "model": "tiny"}
        measures = {"measures": {"perplexity": "m1"}, "joined": "2025-01-01T11:00:00+0000"}
        path.write_text(json.dumps(member | measures | more))
        return path

    def answers(self, subject: str = "aaa111", texts: tuple[str, ...] = ("yes", "no"), key: str = "q1") -> Path:
        folder = self.note(
            self.root / "answers" / key / subject,
            kind="answers",
            key=key,
            subject=subject,
            decoding={"temperature": 0.0},
            num=len(texts),
            seconds=1.5,
            num_tokens=9,
        )
        for number, text in enumerate(texts):
            row = {"sample": f"s{number}", "text": text, "num_prompt_tokens": 4, "num_tokens": 2, "finish": "end"}
            append_json_line(folder / "answers.jsonl", row)
        return folder

    def evaluation(
        self,
        subject: str = "aaa111",
        *,
        found: Evaluation | None = None,
        measure: str = "m1",
        evaluator: str = "perplexity",
    ) -> Path:
        folder = self.root / "evals" / f"{evaluator}-{measure}" / subject
        folder.mkdir(parents=True, exist_ok=True)
        note = write_evaluation(folder, found or self.found())
        whose = {"kind": "evaluation", "evaluator": evaluator, "measure": measure, "subject": subject}
        return self.note(folder, **whose, **note, seconds=2.0)

    @staticmethod
    def found(value: float | None = 4.0, samples: tuple[str, ...] = ("s0", "s1", "s2"), **more: Any) -> Evaluation:
        """An evaluation of these samples with the columns nll, where the second is unscored, and tokens."""
        num = len(samples)
        score = Score(
            name="perplexity",
            value=value,
            higher_is_better=False,
            statistic=Statistic(kind="ratio", of="nll", per="tokens", transform="exp"),
            unit="",
        )
        columns = {"nll": [1.5, None, 0.1][:num] + [1.0] * (num - 3), "tokens": [3.0] * num}
        values = {"clusters": tuple(f"c-{name}" for name in samples), "columns": columns, "scores": (score,)}
        values |= {"details": tuple({"note": name} for name in samples), "counts": {"unscored": 1}, "files": ()}
        return Evaluation(samples=samples, **values | more)


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    return Outputs(tmp_path / "outputs")


@pytest.fixture
def store(outputs: Outputs):
    found = Store(outputs.root / "lab.sqlite")
    yield found
    found.close()
