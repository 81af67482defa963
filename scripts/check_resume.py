"""Kill a run again and again, let it go on, and see whether it ends as if nothing had happened.

    python scripts/check_resume.py --kills 10

Two runs that nobody interrupts say what is due (and that it is the same twice). A third is killed with SIGKILL: at
random moments, and at the worst ones, which show as files: inside the writing of a checkpoint, between a checkpoint and
its note, during a validation, behind the last checkpoint, and while answers are written. Then it is run to its end.
Adapter, curve, answers and scores must be the same to the byte.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EVERY = 5  # steps between checkpoints
POLL_SECONDS = 0.0005
LONGEST_SECONDS = 1800  # for one process
Moment = Callable[[Path], bool]


def arguments(outputs: Path, steps: int) -> list[str]:
    """A short training of the embedded model in four bits, with dropout, and answers in several batches."""
    return [
        *(f"outputs={outputs}", "tracker=none", "runtime.device=cpu", "runtime.threads=1", "runtime.progress=off"),
        *("data.max_rows=60", "data.split={train:0.7,validation:0.15,test:0.15,seed:42}"),
        *(f"method.max_steps={steps}", "method.epochs=99", f"method.evaluate_every={EVERY}", "method.patience=99"),
        *("method.batch_size=2", "method.accumulation=1", "method.optimizer.learning_rate=2e-3"),
        *("runtime.log_every_steps=1", "runtime.inference_batch_rows=2", "decoding.max_new_tokens=32"),
    ]


def start(outputs: Path, steps: int) -> subprocess.Popen[bytes]:
    """Run the line in a process group of its own."""
    line = [sys.executable, "-m", "finetune_lab", *arguments(outputs, steps)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    outputs.mkdir(parents=True, exist_ok=True)
    with (outputs / "log.txt").open("ab") as log:
        return subprocess.Popen(line, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)


def finish(outputs: Path, steps: int) -> None:
    """Run the line to its end."""
    code = start(outputs, steps).wait(LONGEST_SECONDS)
    if code:
        raise SystemExit(f"the line ended with code {code}:\n{(outputs / 'log.txt').read_text()[-3000:]}")


# Moments, as they show on the disk


def checkpoints(outputs: Path) -> list[Path]:
    return sorted(outputs.glob("runs/*/checkpoints/checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))


def last_step(outputs: Path) -> int:
    """The step of the latest whole checkpoint, 0 for none."""
    whole = [path for path in checkpoints(outputs) if (path / "whole.json").exists()]
    return int(whole[-1].name.rpartition("-")[2]) if whole else 0


def inside_a_checkpoint(outputs: Path) -> bool:
    found = checkpoints(outputs)
    return bool(found) and not (found[-1] / "trainer_state.json").exists()


def between_a_checkpoint_and_its_note(outputs: Path) -> bool:
    found = checkpoints(outputs)
    return bool(found) and (found[-1] / "trainer_state.json").exists() and not (found[-1] / "whole.json").exists()


def during_a_validation(outputs: Path) -> bool:
    """The last thing that was heard is the training loss of a step at which a validation is due."""
    for path in outputs.glob("runs/*/curve.jsonl"):
        lines = path.read_bytes().split(b"\n")
        if len(lines) > 1:
            last = json.loads(lines[-2])
            return last["step"] % EVERY == 0 and "train/loss" in last["metrics"]
    return False


def behind_the_last_checkpoint(steps: int) -> Moment:
    return lambda outputs: last_step(outputs) == steps


def with_the_adapter_and_without_the_note(outputs: Path) -> bool:
    return any(outputs.glob("runs/*/adapter/adapter_model.safetensors"))


def while_answering(outputs: Path) -> Moment:
    """More has been answered than at the start, and not all."""

    def unfinished() -> dict[Path, int]:
        files = outputs.glob("answers/*/*/answers.jsonl")
        return {path: path.stat().st_size for path in files if not (path.parent / "done.json").exists()}

    before = unfinished()
    return lambda _: any(size > before.get(path, 0) for path, size in unfinished().items())


def num_heard(outputs: Path) -> int:
    """How many lines the training's curve has."""
    return sum(path.read_bytes().count(b"\n") for path in outputs.glob("runs/*/curve.jsonl"))


def while_training(draw: random.Random, outputs: Path) -> Moment:
    """Some moment of the next few steps; by what is heard and not by the clock, so that no machine is too quick."""
    due, pause = num_heard(outputs) + draw.randint(1, EVERY + 2), draw.uniform(0, 0.2)

    def come(_: Path) -> bool:
        if num_heard(outputs) < due:
            return False
        time.sleep(pause)
        return True

    return come


def while_starting(draw: random.Random) -> Moment:
    ends = time.monotonic() + draw.uniform(0, 4)
    return lambda _: time.monotonic() > ends


@dataclass(frozen=True)
class Kill:
    """Where a process was killed, how long it had lived, and the step that the next one goes on from."""

    where: str
    seconds: float
    step: int


def kill(outputs: Path, steps: int, where: str, moment: Moment) -> Kill | None:
    """Run the line and kill it when `moment` has come that had not come before; None where the line ended first."""
    process, started = start(outputs, steps), time.monotonic()
    armed = False  # what the process before has left behind is not the moment
    while process.poll() is None and time.monotonic() - started < LONGEST_SECONDS:
        now = moment(outputs)
        armed = armed or not now
        if now and armed:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return Kill(where, time.monotonic() - started, last_step(outputs))
        time.sleep(POLL_SECONDS)
    return None


def moments(steps: int, draw: random.Random) -> list[tuple[str, Callable[[Path], Moment]]]:
    """The kills in the order of the flow: what each is called, and its moment for an outputs folder."""
    return [
        ("while the base answers", while_answering),
        ("at random, while starting", lambda _: while_starting(draw)),
        ("at random, while training", lambda outputs: while_training(draw, outputs)),
        ("inside a checkpoint", lambda _: inside_a_checkpoint),
        ("between a checkpoint and its note", lambda _: between_a_checkpoint_and_its_note),
        ("at random, while training", lambda outputs: while_training(draw, outputs)),
        ("during a validation", lambda _: during_a_validation),
        ("behind the last checkpoint", lambda _: behind_the_last_checkpoint(steps)),
        ("with the adapter, without the note", lambda _: with_the_adapter_and_without_the_note),
        ("while the tuned model answers", while_answering),
    ]


# What must be the same


def results(outputs: Path) -> dict[str, str]:
    """Digests of all that a run has found, without times: by a name that is the same in every outputs folder."""
    (run,) = [path.parent for path in outputs.glob("runs/*/done.json")]
    report = json.loads((run / "done.json").read_text())["report"]
    lasting = ("num_steps", "best_step", "best_validation_loss", "num_target_tokens", "num_input_tokens", "stopped")
    found: dict[str, Any] = {
        "adapter": hashlib.sha256((run / "adapter" / "adapter_model.safetensors").read_bytes()).hexdigest(),
        "report": [report[name] for name in lasting],
        "curve": _curve(run / "curve.jsonl"),
    }
    for path in sorted(outputs.glob("answers/*/*/answers.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found[f"answers {path.parent.name}"] = sorted(rows, key=lambda row: row["sample"])
    for path in sorted(outputs.glob("evals/*/*/columns.json")):
        scores = json.loads((path.parent / "done.json").read_text())["scores"]
        found[f"scores {path.parent.parent.name} {path.parent.name}"] = [json.loads(path.read_text()), scores]
    return {name: hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12] for name, value in found.items()}


def _curve(path: Path) -> list[Any]:
    """Losses by step; a step that was done twice counts as it was done last."""
    last: dict[tuple[int, str], float] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        last |= {(row["step"], name): value for name, value in row["metrics"].items() if name != "train/seconds"}
    return sorted((*key, value) for key, value in last.items())


def segments(outputs: Path) -> tuple[float, int]:
    """Wall seconds of the training over all its processes, and how many these were."""
    (note,) = outputs.glob("runs/*/done.json")
    report = json.loads(note.read_text())["report"]
    return report["wall_seconds"], report["num_segments"]


def check(folder: Path, *, num_kills: int, steps: int, seed: int) -> tuple[list[Kill], list[str]]:
    """The kills, and what differs at the end; nothing if all is well."""
    for name in ("first", "second"):
        finish(folder / name, steps)
    first, second = results(folder / "first"), results(folder / "second")
    different = [f"{name}: not the same even without a kill" for name in first if first[name] != second.get(name)]
    draw, killed, kills = random.Random(seed), folder / "killed", []
    planned = moments(steps, draw)
    if num_kills < len(planned):  # the worst first
        planned = [planned[place] for place in sorted((3, 9, 4, 6, 0, 8, 7, 1, 2, 5)[:num_kills])]
    for where, moment in planned:
        found = kill(killed, steps, where, moment(killed))
        if found is None:
            different.append(f"the line ended before it could be killed {where}")
            break
        kills.append(found)
    finish(killed, steps)
    third = results(killed)
    return kills, different + [f"{name}: not the same" for name in first | third if first.get(name) != third.get(name)]


def main() -> None:
    """Check, and print a small report; the exit code is 1 where something differs."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--kills", type=int, default=10)
    reader.add_argument("--steps", type=int, default=30)
    reader.add_argument("--seed", type=int, default=0)
    chosen = reader.parse_args()
    with tempfile.TemporaryDirectory(prefix="check_resume_") as place:
        folder = Path(place)
        kills, different = check(folder, num_kills=chosen.kills, steps=chosen.steps, seed=chosen.seed)
        for number, one in enumerate(kills, start=1):
            print(f"kill {number:2}  {one.where:36} after {one.seconds:5.1f} s; goes on from step {one.step}")
        for name in ("first", "second", "killed"):
            seconds, num = segments(folder / name)
            print(f"{name:8} adapter {results(folder / name)['adapter']}  training {seconds:.1f} s in {num} segments")
        print(f"compared: {', '.join(results(folder / 'first'))}")
    for line in different:
        print(line)
    print("the same to the byte" if not different else "NOT THE SAME")
    raise SystemExit(bool(different))


if __name__ == "__main__":
    main()
