"""task=calibrate_pairs: people's preferences, a judge that errs, what is kept and corrected, and mistakes."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from finetune_lab.errors import ConfigError, DataError


def borrowed(name):
    """The fixture of tests/eval/conftest.py with this name."""
    found = spec_from_file_location("eval_conftest", Path(__file__).parents[1] / "eval" / "conftest.py")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return getattr(module, name)


answered, row = borrowed("answered"), borrowed("row")

MAIN = "eval.judge_pairwise.judges.main"


def line(server):
    return [
        "eval=[judge_pairwise]",
        f"{MAIN}.model=planted",
        f"{MAIN}.endpoint={server.url}/v1",
        f"{MAIN}.api_key_env=null",
    ]


def planted(text):
    """Prefers `good`, but for answers that are `shiny`, which it always takes."""
    (a, b) = (text.partition(f"<answer-{x}-")[2].partition(">\n")[2].partition("\n</answer")[0] for x in "AB")
    worth = [("shiny" in one, "good" in one) for one in (a, b)]
    return f"Verdict: A{'>' if worth[0] > worth[1] else '<' if worth[0] < worth[1] else '='}B"


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def labelled():
    """40 pairs: a fifth of the lost ones shine."""
    rows = [{"prompt": f"p{n}", "reference": "bad", "candidate": "good", "preferred": "candidate"} for n in range(20)]
    for n in range(20):
        shine = "shiny" if n < 4 else "bad"
        rows.append({"prompt": f"l{n}", "reference": "good", "candidate": shine, "preferred": "reference"})
    rows.append({"prompt": "t", "reference": "good one", "candidate": "good two", "preferred": "tie"})
    return rows


def test_what_is_kept_corrects_the_win_rate_of_the_same_judges(judge_server, execute, lab, answered, row, tmp_path):
    path = write(tmp_path / "x.jsonl", labelled())
    with judge_server(answer=planted) as server:
        done = execute("task=calibrate_pairs", f"task.paths={path}", *line(server))
        (kept,) = (done.outputs / "calibration").glob("judge_pairwise-*.json")
        told = json.loads(kept.read_text())
        assert told["gain"] == pytest.approx(0.8)
        assert told["table"]["won"] == {"num": 20, "total": 20.0, "squares": 20.0}
        assert told["table"]["lost"]["total"] == 4.0
        assert told["table"]["tied"]["num"] == 1
        assert 0.7 < told["kappa"]["value"] < 1
        made = lab(*line(server), f"eval.judge_pairwise.calibration={kept}")
        rows = [row(f"q{n}") for n in range(20)]
        true = np.arange(20) < 10  # the candidate is better in half, and shines in a fifth of the others
        reference = ["bad" if won else "good" for won in true]
        candidate = ["good" if won else "shiny" if n % 5 == 0 else "bad" for n, won in enumerate(true)]
        sides = [answered(rows, texts, ask=made.ask) for texts in (reference, candidate)]
        found = made.evaluators["judge_pairwise"].contrast(*sides)
    assert found.counts["win_rate"]["value"] == pytest.approx(0.6)
    assert found.counts["win_rate_corrected"]["value"] == pytest.approx(0.5)


def test_mistakes_are_named(judge_server, execute, tmp_path):
    wrong = write(tmp_path / "x.jsonl", [labelled()[0] | {"preferred": "both"}])
    with judge_server() as server:
        with pytest.raises(DataError, match="unknown label 'both'"):
            execute("task=calibrate_pairs", f"task.paths={wrong}", *line(server))
        with pytest.raises(DataError, match="no column 'text'"):
            execute("task=calibrate_pairs", f"task.paths={wrong}", "task.prompt=text", *line(server))
        with pytest.raises(ConfigError, match=r"no judge of pairs.*eval=\[judge_pairwise\]"):
            execute("task=calibrate_pairs", f"task.paths={wrong}", "eval=[schema]")
        assert not server.asked
