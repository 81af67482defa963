"""An outputs folder as runs would leave it, of made-up figures: for tests of the report and for its benchmark.

Nothing is trained and nothing is real. Texts are hostile on purpose: markup, broken HTML, terminal escapes.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune_lab.records import Evaluation, Sample, Score, Statistic
from finetune_lab.store.folders import append_json_line, checkpoint_key, write_evaluation
from finetune_lab.store.store import Store

BASE, GROUP, DATA = "base-b", "study", "d1"
MADE = {"finetune_lab": "0.1.0", "commit": "c0ffee" * 6, "dirty": False, "packages": {"numpy": "2.4.0"}}
MADE |= {"python": "3.11.2", "machine": "Linux x86_64, 2 cores", "time": "2026-01-01T10:00:00+00:00"}
HARDWARE = "EPYC 7B13, 2 cores"
HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 2"><b>unclosed <table><!-- <style>body{display:none}',
    "\x1b[2J\x1b]0;title\x07 terminal escapes \u202e backwards \u2066",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} `code` | pipe | [link](javascript:alert(1)) ]]> \\u003c",
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One made-up run: `gain` shifts all that is scored."""

    key: str
    label: str
    seed: int
    gain: float
    rate: float = 2e-4


def few() -> list[Run]:
    """Three arms, two of them with two seeds."""
    arms = (("lora", 0.05), ("qlora", 0.15), ("grit", 0.3))
    runs = [Run(key=f"{label}{seed}", label=label, seed=seed, gain=gain) for label, gain in arms for seed in (0, 1)]
    return runs[:-1]


def many(num_runs: int) -> list[Run]:
    """A sweep: every run an arm of its own."""
    return [Run(key=f"r{number:04}", label="sweep", seed=0, gain=0.3 * math.sin(number), rate=1e-5 * (number + 1))
            for number in range(num_runs)]  # fmt: skip


def fill(
    outputs: Path,
    runs: Sequence[Run],
    *,
    num_samples: int = 24,
    num_steps: int = 40,
    base: bool = True,
    evaluators: Sequence[str] = ("schema", "safety", "aqi", "latency", "judge_pairwise", "backend_transformers"),
) -> Store:
    """Write the folders and give the store that has read them. Without `base`, nothing has scored the base."""
    draw = np.random.default_rng(0)
    samples = [_sample(number) for number in range(num_samples)]
    _dataset(outputs, samples)
    for run in runs:
        _run(outputs, run, num_steps)
        _member(outputs, run, evaluators)
    for subject, gain in [*([(BASE, 0.0)] if base else []), *((run.key, run.gain) for run in runs)]:
        _answers(outputs, subject, samples)
        for name in evaluators:
            if subject != BASE or name != "judge_pairwise":
                _evaluation(outputs, subject, name, _found(name, samples, gain, draw))
    for run in runs[:1]:
        if "schema" in evaluators:
            found = _found("schema", samples, run.gain / 2, draw)
            _evaluation(outputs, checkpoint_key(run.key, num_steps // 2), "schema", found)
    store = Store(outputs / "lab.sqlite")
    store.reindex(outputs)
    return store


def failed(outputs: Path, key: str = "broken") -> None:
    """A run that died, with a message that nobody should run."""
    card = {"key": key, "base": BASE, "label": "dora", "group": GROUP, "model": "tiny", "data": "guide"}
    folder = outputs / "runs" / f"dora-tiny-{key}"
    folder.mkdir(parents=True)
    card |= {"method": "dora", "seed": 0, "config": {"group": GROUP}, "started": 1.7e9}
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "failed.json").write_text(json.dumps({"time": 1.7e9 + 5, "error": f"out of memory {HOSTILE[0]}"}))


def _sample(number: int) -> Sample:
    asked = HOSTILE[number] if number < len(HOSTILE) else f"Plan day {number} in Rookley, briskly. Answer in JSON."
    turns = ({"role": "user", "content": asked}, {"role": "assistant", "content": f'{{"day": {number}}}'})
    return Sample.of(messages=turns, group=f"g{number // 2}")


def _note(folder: Path, note: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "done.json").write_text(json.dumps({**note, "made": MADE, "hardware": HARDWARE}))


def _dataset(outputs: Path, samples: Sequence[Sample]) -> None:
    folder = outputs / "data" / f"guide-{DATA}"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text("".join(json.dumps(sample.to_json()) + "\n" for sample in samples))
    splits = {"test": {"rows": len(samples), "digest": "x"}}
    _note(folder, {"kind": "dataset", "key": DATA, "name": "guide", "splits": splits, "dropped": {}})


def _run(outputs: Path, run: Run, num_steps: int) -> None:
    folder = outputs / "runs" / f"{run.label}-tiny-{run.key}"
    config = {"model": {"name": "tiny"}, "data": {"name": "guide"}, "method": {"learning_rate": run.rate}}
    card = {"key": run.key, "base": BASE, "label": run.label, "group": GROUP, "model": "tiny", "data": "guide"}
    card |= {"method": run.label, "seed": run.seed, "config": config | {"seed": run.seed}, "started": 1.7e9}
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps(card))
    spectral = run.label == "grit"
    lines = []
    for step in range(1, num_steps + 1):
        metrics = {"train/loss": 2 * math.exp(-step / 15) + 1 - run.gain + 0.02 * math.sin(step + run.seed)}
        if step % 8 == 0:
            metrics["validation/loss"] = metrics["train/loss"] + 0.1
        if spectral:
            metrics["grit/condition_h_median"] = 3.0 + step / 10
        lines.append(json.dumps({"step": step, "time": 1.7e9 + step, "metrics": metrics}))
    (folder / "curve.jsonl").write_text("\n".join(lines) + "\n")
    if spectral:
        (folder / "curvature.json").write_text(json.dumps(list(_curvature())))
    best = 1.4 - run.gain
    report = {
        "num_steps": num_steps,
        "best_step": num_steps,
        "best_validation_loss": best,
        "wall_seconds": 90 + 200 * run.gain,
    }
    report |= {"num_input_tokens": 40_000, "num_segments": 1, "peak_bytes": 3.1e8, "adapter_bytes": 790_000}
    report |= {"num_trainable_parameters": 98_304, "num_parameters": 1_900_000}
    _note(folder, {**card, "kind": "run", "data_key": DATA, "report": report})


def _curvature() -> Iterator[dict[str, Any]]:
    for layer in range(6):
        sigma = [math.exp(-direction / (1 + layer)) for direction in range(8)]
        row = {"layer": f"model.layers.{layer}.q_proj", "rank": 8, "parameters": 1024, "sigma": sigma}
        yield row | {"effective_rank": 2.0 + layer / 2, "condition_h": 12.5, "condition_e": 30.0}


def _member(outputs: Path, run: Run, evaluators: Sequence[str]) -> None:
    path = outputs / "groups" / GROUP / f"{run.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    measures = {name: f"m-{name}" for name in evaluators if not name.startswith("backend")}
    member = {"run": run.key, "base": BASE, "label": run.label, "model": "tiny", "measures": measures}
    path.write_text(json.dumps(member | {"joined": "2026-01-01T11:00:00+00:00"}))


def _answers(outputs: Path, subject: str, samples: Sequence[Sample]) -> None:
    folder = outputs / "answers" / "q1" / subject
    _note(
        folder, {"kind": "answers", "key": "q1", "subject": subject, "decoding": {"temperature": 0.0}, "seconds": 9.5}
    )
    for number, sample in enumerate(samples):
        text = (
            HOSTILE[number % len(HOSTILE)] if number < 8 else f'{subject} says {{"day": {number}}} ' + "and more " * 8
        )
        row = {"sample": sample.id, "text": text, "num_prompt_tokens": 40, "num_tokens": 30, "finish": "end"}
        append_json_line(folder / "answers.jsonl", row)


def _evaluation(outputs: Path, subject: str, name: str, found: Evaluation) -> None:
    measure = f"m-{name}"
    folder = outputs / "evals" / f"{name}-{measure}" / subject
    folder.mkdir(parents=True)
    written = write_evaluation(folder, found)
    about = {"kind": "evaluation", "evaluator": name, "measure": measure, "subject": subject, "seconds": 12.25}
    about |= {"reference": BASE} if name == "judge_pairwise" else {}
    _note(folder, about | written)


# evaluator -> score -> (value of the base, direction, unit)
_SCORES = {
    "schema": {"schema_valid": (0.4, True, "share"), "json_parsed": (0.6, True, "share")},
    "safety": {"unsafe_refusal": (0.5, True, "share"), "safe_over_refusal": (0.2, False, "share")},
    "aqi": {"delta_squared": (0.3, True, "")},
    "latency": {"first_token": (55.0, False, "ms"), "tokens_per_second": (80.0, True, "tokens/s")},
    "judge_pairwise": {"win_rate": (0.5, True, "share")},
    "backend_transformers": {
        "first_token": (60.0, False, "ms"),
        "tokens_per_second": (75.0, True, "tokens/s"),
        "requests_per_second": (1.5, True, "requests/s"),
        "same_text": (1.0, True, "share"),
    },
}


def _found(name: str, samples: Sequence[Sample], gain: float, draw: Any) -> Evaluation:
    columns, scores = {}, []
    for score, (value, higher, unit) in _SCORES[name].items():
        moved = value * (1 + (gain if higher else -gain))
        share = unit == "share"
        values = (draw.random(len(samples)) < moved) * 1.0 if share else moved + 0.1 * draw.normal(size=len(samples))
        columns[score] = [float(one) for one in values]
        null = 0.5 if name == "judge_pairwise" else None
        statistic = Statistic(kind="mean", of=score, null=null)
        scores.append(
            Score(name=score, value=float(np.mean(values)), higher_is_better=higher, unit=unit, statistic=statistic)
        )
    return Evaluation(
        samples=tuple(sample.id for sample in samples),
        clusters=tuple(sample.group for sample in samples),
        columns=columns,
        scores=tuple(scores),
        counts=_counts(name, gain, len(samples)),
    )


def _counts(name: str, gain: float, num: int) -> dict[str, Any]:
    interval = {"value": 0.5 + gain, "low": 0.4 + gain, "high": 0.6 + gain}
    if name == "schema":
        valid = round(num * (0.4 + gain))
        return {
            "stages": {"valid": valid, "extract": num - valid - 2, "schema": 2},
            "failures": {"required at /day": 2},
        }
    if name == "aqi":
        layers = [
            {"layer": layer, "delta_squared": (0.1 + gain) * layer, "low": (0.1 + gain) * layer - 0.05,
             "high": (0.1 + gain) * layer + 0.05, "aqi": 0.5 + layer / 20, "probe_auroc": 0.5 + layer / 10}
            for layer in range(5)
        ]  # fmt: skip
        return {"layers": layers, "layer": 4, "p_value": 0.01, "permutations": 999}
    if name == "judge_pairwise":
        told = {"win_rate": interval, "agreement": {"a.b ~ <b>": {"kappa": interval}}, "krippendorff_alpha": interval}
        return told | {"judges": {"a": {"model": "m", "money": 0.25}}}
    if name in ("latency", "backend_transformers"):
        return {"prompts": num, "peak_bytes": 4.2e8, "of_machine": HARDWARE, "at_once": 8}
    return {}
