"""The command line as people meet it: real processes, their exit codes, and the sentences that they print."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from finetune_lab.errors import DataError, JobsFailed
from finetune_lab.jobs import run_all
from finetune_lab.mistakes import explain, named_where_chosen, wrong_at_the_top

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("pydantic", "torch", "transformers", "datasets", "wandb", "scipy")
OFFLINE = {"WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1", "HYDRA_FULL_ERROR": ""}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "finetune_lab", *arguments]


def lab(*arguments: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = os.environ | OFFLINE | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command(*arguments), cwd=folder, env=settings, capture_output=True, text=True, timeout=300)


# Quick ways out


@pytest.mark.parametrize("line", ["--help", "--version", "--cfg job"])
def test_nothing_heavy_is_imported_to_tell(line):
    spy = (
        "import atexit, runpy, sys\n"
        f"atexit.register(lambda: print('HEAVY', [n for n in {HEAVY!r} if n in sys.modules], file=sys.stderr))\n"
        f"sys.argv = ['finetune_lab', *{line.split()!r}]\n"
        "runpy.run_module('finetune_lab', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", spy], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stderr


def test_help_lists_groups_and_choices():
    told = lab("--help").stdout
    for choice in sorted((ROOT / "conf").glob("*/*.yaml")):
        assert choice.stem in told
        assert choice.parent.name in told


def test_version():
    assert lab("--version").stdout.startswith("finetune_lab 0.")


def test_cfg_prints_a_part():
    told = lab("--cfg", "job", "-p", "method").stdout
    assert "_target_: finetune_lab.method." in told
    assert "seed:" not in told.splitlines()


# Mistakes: what was wrong and what to write instead

MISTAKES = {
    "a misspelt group": (["methd=lora"], ["'methd'", "did you mean method?"]),
    "a misspelt choice": (["method=qlroa"], ["no method 'qlroa'", "did you mean qlora?", "lora"]),
    "a misspelt choice in a list": (["eval=[perplexiti]"], ["no eval 'perplexiti'", "did you mean perplexity?"]),
    "a misspelt experiment": (["experiment=dmeo"], ["no experiment 'dmeo'", "demo"]),
    "a misspelt key": (
        ["method.optimizer.learning_rat=1"],
        ["'method.optimizer.learning_rat'", "did you mean method.optimizer.learning_rate?"],
    ),
    "a key at the wrong place": (["method.learning_rate=1"], ["did you mean method.optimizer.learning_rate?"]),
    "a key unlike any other": (["method.zzzz=1"], ["'method' has:", "method.optimizer"]),
    "a new key at the top": (["+foo=1"], ["foo: unknown key", "known here:", "seed"]),
    "a new key in a plugin": (
        ["+method.optimizer.learning_rat=1"],
        ["method.optimizer.learning_rat: unknown key", "did you mean learning_rate?"],
    ),
    "a key that exists, added": (["+seed=1"], ["'seed'", "without the +"]),
    "a key that does not exist, taken away": (["~sed"], ["'sed'", "did you mean seed?"]),
    "a wrong type": (["method.optimizer.learning_rate=fast"], ["method.optimizer.learning_rate:", "got 'fast'"]),
    "a value out of its limits": (["method.adapter.rank=0"], ["method.adapter.rank:", "greater than 0, got 0"]),
    "a wrong type at the top": (["seed=first"], ["seed: should be a whole number, got 'first'"]),
    "an unreadable override": (["method.name=["], ["method.name=[", "quotes", "'method.name=\"[\"'"]),
    "a word alone": (["lora"], ["'lora'", "key=value"]),
    "several values without -m": (["seed=1,2"], ["seed=1,2", "add -m"]),
    "a reference to nothing": (["group=${nowhere.at.all}"], ["nowhere.at.all", "not there"]),
    "an unknown resolver": (["group=${nowhere:1}"], ["nowhere", "not there"]),
    "a value that was not given": (["outputs=???"], ["outputs: needs a value", "outputs=…"]),
    "a group inside another": (["optimizer=adamw"], ["optimizer@method.optimizer=…"]),
    "a name where a part stands": (["method.optimizer=adamw"], ["write optimizer@method.optimizer=adamw"]),
    "a part where nothing stands": (
        ["eval=[text]", "data@eval.text.rows.data=suite"],
        ["write +data@eval.text.rows.data="],
    ),
    "a number for a group": (["method=5"], ["by the name of one of its files"]),
    "a config that is not there": (["--config-name=nothing"], ["no config 'nothing'"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_in_a_sentence(name, tmp_path):
    arguments, expected = MISTAKES[name]
    done = lab(*arguments, "dry=true", folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) <= 2
    for words in expected:
        assert words in done.stderr
    assert not list(tmp_path.iterdir()), "a mistake leaves nothing behind"


def test_every_mistake_is_told_at_once():
    done = lab("method.adapter.rank=0", "method.optimizer.learning_rate=fast", "dry=true")
    assert "method.adapter.rank" in done.stderr
    assert "method.optimizer.learning_rate" in done.stderr


def test_who_asks_for_the_traceback_gets_it():
    done = lab("method.adapter.rank=0", "dry=true", HYDRA_FULL_ERROR="1")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "error: method.adapter.rank" in done.stderr


def test_a_yaml_that_is_none_is_named_with_its_line(tmp_path):
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "broken.yaml").write_text("_target_: x\nrate: [1,\n")
    done = lab(f"--config-dir={tmp_path}", "method=broken")
    assert done.returncode == 2, done.stderr
    assert "broken.yaml, line 3: this is not YAML" in done.stderr


# Mistakes of the world, told from the exception


class NoNames:
    def groups(self):
        return {}

    def keys(self):
        return []


class OutOfMemoryError(RuntimeError):
    """As torch calls its own."""


def wrapped() -> Exception:
    try:
        try:
            raise OSError(28, "No space left on device", "outputs/runs/x")
        except OSError as error:
            raise RuntimeError("while writing") from error
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("row 3 has no answer"), "row 3 has no answer"),
        (OutOfMemoryError("CUDA out of memory"), "smaller batches"),
        (MemoryError(), "ran out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "ran out of memory"),
        (OSError(28, "No space left on device", "outputs/runs/x"), "no room is left on the disk at outputs/runs/x"),
        (wrapped(), "no room is left"),
        (PermissionError(13, "Permission denied", "outputs/lab.sqlite"), "outputs/lab.sqlite; mend the permissions"),
        (OSError(30, "Read-only file system", "outputs"), "set outputs="),
    ],
)
def test_the_world_is_explained(error, words):
    assert words in str(explain(error, NoNames()))


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), FileNotFoundError(2, "x"), RuntimeError("x")])
def test_our_own_bugs_keep_their_traceback(error):
    assert explain(error, NoNames()) is None


def test_types_at_the_top_are_those_of_the_defaults():
    defaults = {"seed": 0, "dry": False, "fresh": [], "group": "default"}
    assert wrong_at_the_top({"seed": 1, "dry": True, "fresh": ["a"], "group": 7}, defaults, []) == []
    assert wrong_at_the_top({"seed": "${other}"}, defaults, []) == []
    assert len(wrong_at_the_top({"seed": True, "dry": 1, "fresh": "a", "x": 1}, defaults, ["model"])) == 4


def test_only_a_place_of_a_choice_is_refused():
    choices = ["method", "optimizer@method.optimizer"]
    assert named_where_chosen(["method=a", "method.optimizer.rate=1"], choices) == []
    assert named_where_chosen(["method.optimizer=b"], choices)


# Tasks and sweeps


def test_the_doctor_reports_and_writes_and_shows_no_secret(tmp_path):
    secret = "hf_0123456789abcdef"
    keys = {"HF_TOKEN": secret, "WANDB_API_KEY": secret, "WANDB_MODE": "online"}
    outputs = tmp_path / "out"
    done = lab("task=doctor", "task.network_seconds=1", "tracker=none", f"outputs={outputs}", **keys)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "nf4 gradients" in done.stdout
    assert " 0 failed" in done.stdout
    assert "a key is set" in done.stdout
    report = json.loads((outputs / "doctor.json").read_text())
    states = {finding["check"]: finding["state"] for finding in report["findings"]}
    assert states["nf4"] == "ok"
    assert states["packages"] in ("ok", "warn")
    assert report["made"]["python"]
    assert secret not in done.stdout + done.stderr + json.dumps(report)


def test_the_doctor_fails_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = lab("task=doctor", "task.network_seconds=1", f"outputs={tmp_path / 'file' / 'out'}")
    assert done.returncode == 2
    assert "error: the doctor found 1 failed: outputs" in done.stderr


def test_a_failed_job_leaves_the_others_whole(tmp_path):
    outputs = f"outputs={tmp_path / 'out'}"
    done = lab("-m", "dry=true", "method.adapter.rank=0,8", outputs, folder=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "sweep  2 jobs, 1 done, 1 failed" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("  done", "  failed"))]
    assert [line[0] for line in lines] == ["failed", "done"]
    assert ["method.adapter.rank=" in " ".join(line) for line in lines] == [True] * 2
    assert "error: method.adapter.rank" in done.stderr
    assert "1 of 2 jobs failed" in done.stderr
    assert not {"multirun", "multirun.yaml"} & {path.name for path in tmp_path.iterdir()}


def test_a_sweep_with_a_misspelt_choice_starts_no_job(tmp_path):
    done = lab("-m", "dry=true", "method=lora,lroa", folder=tmp_path)
    assert done.returncode == 2
    assert "no method 'lroa'" in done.stderr
    assert "job 1" not in done.stdout


def test_values_of_a_sweep_reach_the_job_as_they_were_written(tmp_path):
    done = lab("-m", "dry=true", 'group="a b, c"', f"outputs='{tmp_path}/with space'", "seed=3", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/with space" in done.stdout


class Child:
    """What a sweep's job becomes when its program is this one line."""

    def __init__(self, monkeypatch, line: str) -> None:
        real = subprocess.Popen
        monkeypatch.setattr(subprocess, "Popen", lambda _command, **_options: real([sys.executable, "-c", line]))


def job(*overrides: str) -> SimpleNamespace:
    return SimpleNamespace(
        overrides=SimpleNamespace(task=list(overrides), hydra=["hydra.mode=MULTIRUN"]),
        runtime=SimpleNamespace(config_sources=[]),
        job=SimpleNamespace(config_name="config"),
    )


def test_a_crash_stays_inside_its_job(monkeypatch, capfd):
    Child(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(JobsFailed, match="2 of 2"):
        run_all([job("seed=0"), job("seed=1")], wants_traceback=False)
    assert capfd.readouterr().out.count("killed by the system") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("to_all", [True, False], ids=["Ctrl-C in a terminal", "TERM to the parent alone"])
def test_a_stopped_sweep_ends_its_child(to_all):
    sleeper = "import sys, time\nprint('asleep', flush=True)\ntime.sleep(120)\n"
    program = (
        "import subprocess, sys\n"
        "from finetune_lab import __main__ as lab, jobs\n"
        "real = subprocess.Popen\n"
        f"jobs.subprocess.Popen = lambda _c, **o: real([sys.executable, '-c', {sleeper!r}], **o)\n"
        "sys.argv = ['finetune_lab', '-m', 'seed=0,1', 'dry=true']\n"
        "lab.main()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, start_new_session=True, text=True,
        # a shell starts what runs in the background deaf to Ctrl-C, and that is inherited
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert parent.stdout is not None
    while "asleep" not in parent.stdout.readline():
        time.sleep(0.01)
    if to_all:
        os.killpg(parent.pid, signal.SIGINT)
    else:
        parent.terminate()
    _, told = parent.communicate(timeout=30)
    assert parent.returncode == 130
    assert "stopped; the same line goes on from the last checkpoint" in told
    with pytest.raises(ProcessLookupError):
        os.killpg(parent.pid, 0)


def test_an_error_that_quotes_a_strangers_file_cannot_steer_the_terminal(capsys):
    from finetune_lab.__main__ import _report
    from finetune_lab.errors import DataError

    assert _report(DataError("rows.json, line 1: the row has: \x1b[2Jx\u202e"), False) == 2
    assert capsys.readouterr().err == "error: rows.json, line 1: the row has: \\x1b[2Jx\\u202e\n"
