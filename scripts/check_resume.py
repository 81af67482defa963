"""A run that is killed again and again ends with the same bytes as one that is left alone.

Two uninterrupted runs, then a third that gets SIGKILL `--kills` times: inside the writing of a checkpoint, between the
last checkpoint and the note, in the middle of evaluation, and at random moments. Adapter bytes and scores must agree.

    python scripts/check_resume.py --kills 10
"""

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
LINE = [
    "experiment=demo",
    "tracker=none",
    "data.max_rows=240",
    "method.max_steps=60",
    "method.evaluate_every=5",
    "runtime.log_every_steps=5",
    "decoding.max_new_tokens=48",
]
Moment = Callable[[Path], bool]


def started(outputs: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "finetune_lab", *LINE, f"outputs={outputs}"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(outputs: Path) -> None:
    """Run the line to its end; leaves with what it said when it fails."""
    process = started(outputs)
    told, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"failed with {process.returncode}:\n{told}")


def outcome(outputs: Path) -> tuple[str, dict[str, object]]:
    """The digest of the adapter's weights, and every score by evaluation folder."""
    (adapter,) = outputs.glob("runs/*/adapter/adapter_model.safetensors")
    notes = {
        path.parent.relative_to(outputs): json.loads(path.read_text()) for path in outputs.glob("evals/*/*/done.json")
    }
    scores = {str(name): note["scores"] for name, note in sorted(notes.items())}
    return hashlib.sha256(adapter.read_bytes()).hexdigest(), scores


def writing_a_checkpoint(outputs: Path) -> bool:
    return any(not (folder / "whole.json").exists() for folder in outputs.glob("runs/*/checkpoints/checkpoint-*"))


def before_the_note(outputs: Path) -> bool:
    return any(not (f.parent / "done.json").exists() for f in outputs.glob("runs/*/adapter"))


def scoring_the_tuned(outputs: Path) -> bool:
    trained = any(outputs.glob("runs/*/done.json"))
    return trained and any(not (folder / "done.json").exists() for folder in outputs.glob("evals/*/*"))


def at_random(seconds: float) -> Moment:
    end = time.monotonic() + seconds
    return lambda outputs: time.monotonic() > end


def killed(outputs: Path, moment: Moment) -> bool:
    """Start the line and kill it at `moment`; False when it came to its end before."""
    process = started(outputs)
    while process.poll() is None:
        if moment(outputs):
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
        time.sleep(0.002)
    process.communicate()
    return False


def moments(num_kills: int) -> list[tuple[str, Callable[[], Moment]]]:
    """The named moments in the order in which a run meets them, random ones first and between."""
    named: list[tuple[str, Callable[[], Moment]]] = [
        ("while writing a checkpoint", lambda: writing_a_checkpoint),
        ("while writing a checkpoint", lambda: writing_a_checkpoint),
        ("between the last checkpoint and the note", lambda: before_the_note),
        ("while scoring what was trained", lambda: scoring_the_tuned),
    ]
    draw = random.Random(0)
    spare = max(0, num_kills - len(named))
    early = [("at a random moment", partial(at_random, draw.uniform(4, 8))) for _ in range(spare)]
    return [*early[: spare // 2], *named[:1], *early[spare // 2 :], *named[1:]][:num_kills]


def main() -> None:
    """Print what happened and whether all is equal; exit 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    kills = parser.parse_args().kills
    with TemporaryDirectory() as folder:
        first, second, third = (Path(folder) / name for name in ("first", "second", "third"))
        finished(first)
        finished(second)
        count = 0
        for name, moment in moments(kills):
            hit = killed(third, moment())
            count += hit
            print(f"kill {count}: {name}" if hit else f"not reached: {name}", flush=True)
        finished(third)
        one, two, three = outcome(first), outcome(second), outcome(third)
        report = json.loads(next(third.glob("runs/*/done.json")).read_text())["report"]
        print(f"two uninterrupted runs: {'equal' if one == two else 'DIFFERENT'}")
        print(f"{count} times killed: {'equal' if one == three else 'DIFFERENT'} (adapter {three[0][:12]})")
        print(f"training took {report['wall_seconds']:.1f} s in {report['num_segments']} segments")
        if not one == two == three:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
