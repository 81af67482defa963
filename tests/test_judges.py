"""A whole run with a judge: what it would cost, what it finds, and no key anywhere."""

import os
import subprocess
import sys
import traceback
from zlib import crc32

import pytest

from finetune_lab.client.openai import OpenAI
from finetune_lab.inference.clients.asking import ask
from finetune_lab.inference.clients.exchange import Request
from finetune_lab.inference.clients.limits import Limits
from finetune_lab.model.tiny import Tiny

KEY = "sk-marked-8f3e2b1c5d7a"
SHORT = (
    *("method=lora", "model.quantization=none", "data.max_rows=40", "method.max_steps=3", "method.evaluate_every=3"),
    *("data.split={train:0.6,validation:0.2,test:0.2,seed:42}", "method.batch_size=2", "method.accumulation=1"),
    *("method.optimizer.learning_rate=5e-2", "eval=[judge_pairwise]"),
    *("decoding.max_new_tokens=8", "runtime.device=cpu", "runtime.threads=1"),
    *("tracker=wandb", "tracker.mode=offline", "runtime.judges.tries=2", "runtime.judges.first_wait_seconds=0.01"),
    *("eval.judge_pairwise.judges.main.model=planted", "eval.judge_pairwise.judges.main.api_key_env=PLANTED_KEY"),
)


def run(url, place, root, *overrides):
    command = [sys.executable, "-m", "finetune_lab", *SHORT, f"outputs={place}"]
    command += [f"eval.judge_pairwise.judges.main.endpoint={url}/v1", *overrides]
    environment = {**os.environ, "PLANTED_KEY": KEY, "WANDB_MODE": "offline", "HYDRA_FULL_ERROR": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def holding_the_key(place):
    """The files that hold the key, or the half of it, in any file below."""
    marks = (KEY.encode(), KEY[:12].encode(), KEY[-10:].encode())
    return [path for path in place.rglob("*") if path.is_file() and any(mark in path.read_bytes() for mark in marks)]


@pytest.mark.slow
def test_no_key_is_in_any_file_log_or_record_also_after_a_crash(judge_server, tmp_path, root):
    with judge_server(trouble=lambda _text, _try: "key") as server:  # which repeats the key that it was sent
        crashed = run(server.url, tmp_path / "outputs", root)
        assert crashed.returncode == 2
        assert "HTTP 401: wrong key: Bearer [key]" in crashed.stderr
        assert "Traceback" in crashed.stderr
        server.trouble, server.answer = (lambda _text, _try: None), lambda _: f"I know {KEY}.\nVerdict: A>B"
        done = run(server.url, tmp_path / "outputs", root)
    assert done.returncode == 0, done.stderr
    assert "win_rate" in done.stdout
    assert list((tmp_path / "outputs" / "judgements").glob("planted-*/replies.jsonl"))
    assert list((tmp_path / "outputs" / "wandb").rglob("*.wandb"))
    for told in (crashed.stdout, crashed.stderr, done.stdout, done.stderr):
        assert KEY not in told
    assert holding_the_key(tmp_path) == []


def test_a_bug_of_ours_in_the_middle_of_a_request_shows_no_key(judge_server, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED_KEY", KEY)
    monkeypatch.setattr("finetune_lab.client.openai._reply", lambda body: body.nothing())  # a bug: dicts have none
    monkeypatch.setattr("finetune_lab.inference.clients.vendors._start", lambda content: 1 / 0)
    limits = Limits(
        concurrency=2, timeout_seconds=5, tries=1, first_wait_seconds=0.01, longest_wait_seconds=0.1,
        patience_seconds=5, spending_limit=None, prices={},
    )  # fmt: skip
    with judge_server() as server:
        client = OpenAI(
            model="planted", endpoint=f"{server.url}/v1", api_key_env="PLANTED_KEY", family=None, max_tokens=8,
            temperature=0.0, top_logprobs=0, limit_field="max_tokens", options={},
        )  # fmt: skip
        runtime = type("Runtime", (), {"judges": limits})
        with pytest.raises(ZeroDivisionError) as error:
            ask(client, [Request(messages=({"role": "user", "content": "x"},))], tmp_path, runtime)
    shown = "".join(traceback.format_exception(error.value))
    assert "vendors.py" in shown
    assert KEY not in shown
    assert KEY not in repr(client)


def test_a_dry_run_says_what_would_be_asked_and_asks_nothing(judge_server, execute, caplog):
    quiet = [line for line in SHORT if not line.startswith("tracker")]
    execute(*quiet, "task=prepare")
    with judge_server() as server, caplog.at_level("INFO", logger="finetune_lab"):
        where = f"eval.judge_pairwise.judges.main.endpoint={server.url}/v1"
        execute(*quiet, "task=run", where, "dry=true")
        execute(*quiet, "task=run", where, "dry=true", "+runtime.judges.prices={planted:{input:1.0,output:2.0}}")
        assert not server.asked
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("would ask")]
    assert len(lines) == 2
    assert "eval judge_pairwise" in lines[0]
    assert "planted: " in lines[0]
    assert "price unknown" in lines[0]
    assert "at most about 0.0" in lines[1]


@pytest.mark.slow
def test_arms_that_were_judged_against_the_base_are_ranked_by_strength(
    judge_server, execute, tiny_engine, monkeypatch, capsys
):
    quiet = [line for line in SHORT if not line.startswith(("tracker", "method"))] + ["data.max_rows=30"]
    short = ["method.max_steps=2", "method.evaluate_every=2", "method.batch_size=2", "method.accumulation=1"]
    short += ["method.optimizer.learning_rate=5e-2", "eval.judge_pairwise.judges.main.api_key_env=null"]
    engine = tiny_engine("none")
    monkeypatch.setattr(Tiny, "load", lambda _source, _runtime: engine)
    verdicts = ("A>B", "A<B", "A=B")

    def answer(text):  # by content alone, so that it is the same in both orders, turned around
        first, second = (text.partition(f"<answer-{x}-")[2].partition(">")[2].partition("</answer")[0] for x in "AB")
        number = crc32("".join(sorted((first, second))).encode()) % 3
        verdict = verdicts[number]
        turned = {"A>B": "A<B", "A<B": "A>B", "A=B": "A=B"}[verdict]
        return f"Verdict: {verdict if first < second else turned}"

    with judge_server(answer=answer) as server:
        where = f"eval.judge_pairwise.judges.main.endpoint={server.url}/v1"
        for arm in (["method=lora"], ["method=lora", "seed=1", "method.adapter.rank=4"]):
            execute(*quiet, *short, *arm, where, "task=run", "group=study")
        assert set(server.delivered.values()) == {1}
        before = sum(server.asked.values())
        capsys.readouterr()
        execute(*quiet, *short, "method=lora", where, "task=compare", "group=study")
        assert sum(server.asked.values()) == before
    shown = capsys.readouterr().out
    assert "win_rate" in shown
    assert "Bradley–Terry strengths" in shown
