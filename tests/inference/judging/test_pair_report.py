"""Reports of pairs on public annotations: win rates as published, and an answer made to break a judge."""

import csv
import json
from math import exp

import numpy as np
import pytest

from finetune_lab.inference.clients.exchange import Reply, Token
from finetune_lab.inference.judging.pair_report import Panelled, report
from finetune_lab.inference.judging.pairs import Pair, judged, questions
from finetune_lab.inference.judging.panel import Voice
from finetune_lab.text.verdicts import mean_of_words

MODELS = ("NullModel", "gemma-7b-it", "gpt-3.5-turbo-1106", "alpaca-7b_concise")


def annotations(realdata, model):
    return json.loads((realdata / "judge" / f"alpaca_eval_{model}.json").read_text(encoding="utf-8"))


def published(realdata, model):
    with (realdata / "judge" / "alpaca_eval_leaderboard.csv").open(encoding="utf-8", newline="") as stream:
        return next((row for row in csv.DictReader(stream) if row[""] == model), None)


def reply(text):
    return Reply(text=text, num_input_tokens=1, num_output_tokens=1, finish="end")


@pytest.mark.realdata
@pytest.mark.parametrize(("model", "least"), [("NullModel", 700), ("gemma-7b-it", 700)])
def test_probabilities_of_public_verdicts_are_read_as_they_were(realdata, model, least):
    """The annotator named the model M or m, the candidate being M where 1 is added: its preference is 1 + P(M)."""
    checked = 0
    for row in annotations(realdata, model):
        (told,) = ((row["raw_completion"] or {}).get("logprobs") or {}).get("content", [None])[:1]
        if told is None:  # a verdict that was taken from elsewhere
            continue
        token = Token(text=told["token"], top={one["token"]: one["logprob"] for one in told["top_logprobs"]})
        masses = {text.strip(): exp(value) for text, value in token.top.items()}
        if min(masses.get("m", 0), masses.get("M", 0)) == 0:
            continue
        as_numbers = {{"m": "0", "M": "1"}.get(text, text): value for text, value in token.top.items()}
        share = mean_of_words(as_numbers, ("0", "1"))
        assert share is not None
        assert min(abs(1 + share - row["preference"]), abs(2 - share - row["preference"])) < 2e-3
        checked += 1
    assert checked > least


@pytest.mark.realdata
@pytest.mark.parametrize("model", MODELS)
def test_public_preferences_give_the_published_win_rate(realdata, model):
    rows, known = annotations(realdata, model), published(realdata, model)
    pairs = [
        Pair(conversation=row["instruction"], reference=row["output_1"], candidate=row["output_2"]) for row in rows
    ]
    said = ["A<B" if row["preference"] > 1.5 else "A=B" if row["preference"] in (0, 1.5) else "A>B" for row in rows]
    turned = {"A<B": "A>B", "A>B": "A<B", "A=B": "A=B"}
    outcomes = [
        reply(f"Verdict: {verdict}")
        for pair, one in zip(pairs, said, strict=True)
        if not pair.alike
        for verdict in (one, turned[one])
    ]
    found = judged(pairs, outcomes)
    panelled = Panelled(pairs=pairs, clusters=np.arange(len(rows)), by_voice={Voice(judge="a", wording="b"): found})
    counts = report(panelled, None, 0.95)
    if known is None:
        pytest.skip(f"{model} is not on the board")
    assert counts["pairs"] == int(known["n_total"])
    assert counts["wins"] == pytest.approx(int(known["n_wins"]), abs=counts["same_text"])
    assert counts["losses"] == pytest.approx(int(known["n_wins_base"]), abs=counts["same_text"])
    assert 100 * counts["win_rate"]["value"] == pytest.approx(float(known["discrete_win_rate"]), abs=0.2)
    assert counts["voices"]["a/b"]["consistency"] == 1


@pytest.mark.realdata
def test_an_answer_made_to_break_a_judge_stays_inside_its_marks(realdata):
    row = annotations(realdata, "NullModel")[0]
    pair = Pair(conversation=row["instruction"], reference=row["output_1"], candidate=row["output_2"])
    for request in questions([pair], "plain", "answer", "- help: it helps"):
        text = request.messages[0]["content"]
        tag = text.partition("<conversation-")[2].partition(">")[0]
        assert tag not in pair.candidate
        for mark in ("answer-A", "answer-B"):
            assert text.count(f"<{mark}-{tag}>") == text.count(f"</{mark}-{tag}>") == 1
        assert text.rstrip().endswith("(B is much better)")  # the last word is ours
