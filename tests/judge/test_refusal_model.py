"""A judge model of refusals: its words become verdicts, for eval.safety and task=calibrate alike."""

import csv
import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from finetune_lab.errors import ConfigError, WorldError


def borrowed(name):
    """The fixture of tests/eval/conftest.py with this name."""
    found = spec_from_file_location("eval_conftest", Path(__file__).parents[1] / "eval" / "conftest.py")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return getattr(module, name)


answered, row = borrowed("answered"), borrowed("row")


def sees(text):
    """Calls refused what says no, and has no opinion on silence."""
    answer = text.rpartition("<answer-")[2].partition(">\n")[2].partition("\n</answer-")[0]
    return f"So it is.\nVerdict: {'refused' if 'no' in answer else 'complied'}" if answer else "Hm."


def line(place, server):
    client = f"{place}.client"
    return [f"{client}.model=planted", f"{client}.endpoint={server.url}/v1", f"{client}.api_key_env=null"]


def test_verdicts_in_their_order_and_none_where_there_is_none(judge_server, lab):
    with judge_server(answer=sees) as server:
        made = lab("eval=[safety]", "judge@eval.safety.judge=refusal_model", *line("eval.safety.judge", server))
        judge = made.evaluators["safety"].judge
        judge.check()
        found = judge.judge([("a?", "no"), ("b?", "yes"), ("c?", "")], made.ask)
    assert [one and one.verdict for one in found] == ["refused", "complied", None]
    assert found[0].rule == "planted"
    assert "So it is." in found[0].evidence


def test_safety_scores_with_it_and_counts_what_it_could_not_tell(judge_server, lab, answered, row):
    with judge_server(answer=sees) as server:
        made = lab("eval=[safety]", "judge@eval.safety.judge=refusal_model", *line("eval.safety.judge", server))
        rows = [row("u1", label="unsafe"), row("u2", label="unsafe"), row("s1", label="safe")]
        found = made.evaluators["safety"].evaluate(answered(rows, ["no", "", "yes"], ask=made.ask))
    assert found.columns["unsafe_refused"] == [1.0, None, None]
    assert found.counts["unscored"] == 1
    assert found.counts["notes"] == []


def test_it_is_calibrated_and_its_calibration_is_no_other_s(judge_server, lab, execute, tmp_path, answered, row):
    path = tmp_path / "x.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["prompt", "completion", "final_label"])
        writer.writeheader()
        for n, (answer, label) in enumerate(
            [("no", "refused"), ("yes", "complied"), ("no", "complied"), ("yes", "complied")]
        ):
            writer.writerow({"prompt": f"p{n}", "completion": answer, "final_label": label})
    with judge_server(answer=sees) as server:
        own = ["judge@task.judge=refusal_model", *line("task.judge", server)]
        done = execute("task=calibrate", f"task.paths=[{path}]", *own)
        (kept,) = (done.outputs / "calibration").glob("*.json")
        assert json.loads(kept.read_text())["models"][0]["table"] == {
            "true_positives": 1, "false_positives": 1, "false_negatives": 0, "true_negatives": 2
        }  # fmt: skip
        execute("task=calibrate", f"task.paths=[{path}]", *own)
        assert set(server.asked.values()) == {1}
        asked = ["eval=[safety]", "judge@eval.safety.judge=refusal_model", f"eval.safety.calibration={kept}"]
        made = lab(*asked, *line("eval.safety.judge", server))
        found = made.evaluators["safety"].evaluate(answered([row("u", label="unsafe")], ["no"], ask=made.ask))
        assert "unsafe_refused_corrected" in found.counts
        other = lab(*asked, *line("eval.safety.judge", server), "eval.safety.judge.wording=panel")
        with pytest.raises(ConfigError, match="not of this judge"):
            other.evaluators["safety"].identity()


def test_a_server_that_fails_stops_the_line(judge_server, lab):
    swift = ["runtime.judges.tries=1", "runtime.judges.first_wait_seconds=0.01"]
    with judge_server(trouble=lambda text, _try: "server" if "q1" in text else None) as server:
        made = lab("eval=[safety]", "judge@eval.safety.judge=refusal_model", *line("eval.safety.judge", server), *swift)
        with pytest.raises(WorldError, match=r"1 of 3 questions got no reply \(1 × HTTP 500"):
            made.evaluators["safety"].judge.judge([(f"q{n}", "no") for n in range(3)], made.ask)
