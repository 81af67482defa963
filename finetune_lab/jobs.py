"""The jobs of a sweep: each in a process of its own, so that a crash or a leak stays inside, and a summary."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetune_lab.errors import JobsFailed

GRACE_SECONDS = 20.0  # for a stopped job to write what it must


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """How one job of a sweep ended; `code` is its exit code, 128 + n for one that signal n killed."""

    overrides: tuple[str, ...]
    code: int
    seconds: float


def run_all(jobs: Sequence[Any], *, wants_traceback: bool) -> None:
    """Run every job, given as Hydra's own config of it, one after the other; a failed one leaves the others whole.

    Raises JobsFailed in the end if any failed.
    """
    results = []
    for number, job in enumerate(jobs):
        print(f"job {number + 1} of {len(jobs)}  {' '.join(job.overrides.task)}", flush=True)
        results.append(_run(job, wants_traceback))
    failed = sum(result.code != 0 for result in results)
    print(f"\nsweep  {len(results)} jobs, {len(results) - failed} done, {failed} failed")
    for result in results:
        print(f"  {_line(result)}", flush=True)
    if failed:
        raise JobsFailed(
            f"{failed} of {len(results)} jobs failed; the same line runs them again and keeps what is done"
        )


def _run(job: Any, wants_traceback: bool) -> JobResult:
    overrides, started = tuple(job.overrides.task), time.monotonic()
    command = [sys.executable, "-m", "finetune_lab", *_options(job), *overrides]
    with subprocess.Popen(command, env=_environment(wants_traceback)) as child:
        code = _wait(child)
    return JobResult(overrides=overrides, code=code, seconds=time.monotonic() - started)


def _line(result: JobResult) -> str:
    state = "done  " if result.code == 0 else "failed"
    why = "" if result.code == 0 else f"  ({_why(result.code)})"
    return f"{state} {result.seconds:8.1f} s  {' '.join(result.overrides)}{why}"


def _why(code: int) -> str:
    if code == 128 + 9:
        return "killed by the system, as it does when memory runs out"
    return f"killed by signal {code - 128}" if code > 128 else f"exit code {code}"


def _options(job: Any) -> list[str]:
    """What the child must know beside the overrides of its task: another conf folder, Hydra's own settings."""
    folders = [source.path for source in job.runtime.config_sources if source.provider == "command-line"]
    own = [o for o in job.overrides.hydra if not o.startswith(("hydra.mode", "hydra.sweep", "hydra.launcher"))]
    return [*(f"--config-dir={folder}" for folder in folders), f"--config-name={job.job.config_name}", *own]


def _environment(wants_traceback: bool) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name != "HYDRA_FULL_ERROR"}
    return ours | ({"HYDRA_FULL_ERROR": "1"} if wants_traceback else {})


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """Wait for `child`; when this process is told to stop, the child ends first."""

    def pass_on(_number: int, _frame: object) -> None:
        child.terminate()  # a batch system tells only the parent
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        code = child.wait()
    except KeyboardInterrupt:
        _end(child)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code


def _end(child: "subprocess.Popen[bytes]") -> None:
    # a Ctrl-C on the terminal has reached the child too, and a second signal would break its tidying up
    for hurry in (child.terminate, child.kill):
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            hurry()
    child.wait()
