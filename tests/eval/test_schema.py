"""Schema validity by stage, from what a fake model says: how far every answer came, and what is left for reading."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import ConfigError
from finetune_lab.preparing.pipeline import convert
from finetune_lab.preparing.reading import read_rows
from finetune_lab.protocols import Subject
from finetune_lab.records import Artifact, Decoding, Evaluation, Sample

ENVELOPE = {"type": "object", "required": ["type", "payload"], "properties": {"type": {"enum": ["dot"]}}}
DOT = {"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}
ASKED = {"properties": {"payload": {"properties": {"x": {"const": 1}}}}}
SAID = {
    "empty": "  \n",
    "extract": "I cannot help with that.",
    "parse": '{"type": "dot", "payload": {"x": 1}',
    "list": '[{"type": "dot", "payload": {"x": 1}}]',
    "envelope": '{"type": "dash", "payload": {"x": 1}}',
    "payload": '{"type": "dot", "payload": {"x": "one"}}',
    "request": '{"type": "dot", "payload": {"x": 2}}',
    "valid": '{"type": "dot", "payload": {"x": 1}}',
}


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    folder = tmp_path / "schemas"
    folder.mkdir()
    (folder / "envelope.json").write_text(json.dumps(ENVELOPE))
    (folder / "dot.json").write_text(json.dumps(DOT))
    return folder


@pytest.fixture
def judge(lab: Any, fake_model: Any, tmp_path: Path) -> Callable[..., Evaluation]:
    """Let the fake reply to rows, and judge what it said."""

    def run(rows: list[Sample], reply: Any, *overrides: str) -> Evaluation:
        fake = fake_model(reply=reply)
        evaluator = lab("eval=[schema]", *overrides).evaluators["schema"]

        def answers(decoding: Decoding) -> Any:
            found = {answer.sample: answer for answer in fake.generate({row.id: row.prompt for row in rows}, decoding)}
            return tuple(found[row.id] for row in rows)

        artifact = Artifact(key="a", label="base")
        subject = Subject(
            artifact=artifact,
            rows=tuple(rows),
            folder=tmp_path,
            model=lambda: fake,
            answers=answers,
            evaluation=lambda name: tmp_path,
        )
        return evaluator.evaluate(subject)

    return run


def asked(name: str, **facts: Any) -> Sample:
    return Sample.of(messages=[{"role": "user", "content": name}], facts=facts)


def values(evaluation: Evaluation) -> dict[str, float]:
    return {score.name: score.value for score in evaluation.scores}  # type: ignore[misc]


def failures(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "schema_failures_debug.jsonl").read_text().splitlines()]


def test_every_stage_is_told_and_counted(judge: Any, schemas: Path, tmp_path: Path) -> None:
    rows = [asked(stage, schema=ASKED) for stage in SAID]
    found = judge(rows, SAID, f"eval.schema.schemas='{schemas}'")
    assert [detail["stage"] for detail in found.details] == list(SAID)
    assert found.counts["stages"] == dict.fromkeys(SAID, 1)
    assert values(found) == {"request_met": 1 / 8, "schema_valid": 2 / 8, "json_parsed": 5 / 8, "ended_by_itself": 1.0}
    assert found.columns["schema_valid"] == [0, 0, 0, 0, 0, 0, 1, 1]
    assert found.counts["unscored"] == 0
    assert found.files == ("schema_failures_debug.jsonl",)
    read = failures(tmp_path)
    assert [line["stage"] for line in read] == list(SAID)[:-1]
    assert read[5]["text"] == SAID["payload"]
    assert read[5]["prompt"] == "payload"
    assert [error["path"] for error in read[5]["errors"]] == ["/payload/x"]
    assert found.counts["failures"]["type at /payload/x"] == 1


def test_without_a_request_the_schema_is_all_that_is_asked(judge: Any, schemas: Path) -> None:
    rows = [asked(stage) for stage in SAID]
    found = judge(rows, SAID, f"eval.schema.schemas='{schemas}'", "eval.schema.overlay=null")
    assert "request_met" not in values(found)
    assert values(found)["schema_valid"] == 2 / 8
    assert found.details[6]["stage"] == "valid"


def test_what_was_not_decided_in_time_is_unscored_and_not_wrong(judge: Any, schemas: Path, tmp_path: Path) -> None:
    rows = [asked(stage, schema=ASKED) for stage in SAID]
    found = judge(rows, SAID, f"eval.schema.schemas='{schemas}'", "eval.schema.limit_seconds=1e-9")
    assert found.columns["schema_valid"] == [0, 0, 0, 0, None, None, None, None]
    assert found.counts["unscored"] == 4
    assert values(found)["schema_valid"] == 0
    assert values(found)["json_parsed"] == 5 / 8
    late = judge(rows[-1:], SAID, f"eval.schema.schemas='{schemas}'", "eval.schema.limit_seconds=1e-9")
    assert values(late)["schema_valid"] is None
    assert values(late)["request_met"] is None


def test_an_answer_that_met_the_limit_says_so(judge: Any, schemas: Path) -> None:
    found = judge([asked("valid")], SAID, f"eval.schema.schemas='{schemas}'", "decoding.max_new_tokens=20")
    assert values(found)["ended_by_itself"] == 0
    assert found.details[0]["truncated"] is True
    assert found.counts["truncated"] == 1
    assert found.details[0]["stage"] == "parse"


def test_a_schema_of_the_rows_own_is_enough(judge: Any) -> None:
    rows = [asked("a", schema={"type": "object", "required": ["a"]}), asked("b", schema={"type": "array"}), asked("c")]
    found = judge(rows, {"a": '{"a": 1}', "b": '{"b": 1}', "c": '{"c": 1}'}, "eval.schema.schemas=null")
    assert found.columns["request_met"] == [1, 0, 1]


def test_the_embedded_references_are_what_they_should_be(judge: Any, root: Path) -> None:
    source = root / "finetune_lab" / "assets" / "pocketguide" / "rows.jsonl"
    rows = convert(list(read_rows(source))[:120], facts=("schema",)).samples
    replies = {row.prompt[-1]["content"]: row.reference for row in rows}
    found = judge(rows, replies, "decoding.max_new_tokens=9999")
    assert set(values(found).values()) == {1.0}
    swapped = dict(zip(replies, [*list(replies.values())[1:], next(iter(replies.values()))], strict=True))
    assert values(judge(rows, swapped, "decoding.max_new_tokens=9999"))["request_met"] < 0.1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "envelope.json").unlink(), "has no envelope.json; it has: dot"),
        (lambda folder: (folder / "dash.json").write_text("{}"), "types"),
        (lambda folder: (folder / "dot.json").write_text('{"type": "strnig"}'), "strnig"),
    ],
)
def test_schemas_that_cannot_be_used_are_told(change: Any, told: str, judge: Any, schemas: Path) -> None:
    change(schemas)
    with pytest.raises(ConfigError, match=told):
        judge([asked("valid")], SAID, f"eval.schema.schemas='{schemas}'")


def test_a_rows_own_schema_that_cannot_be_used_is_told_with_the_row(judge: Any, schemas: Path) -> None:
    row = asked("valid", schema={"type": "strnig"})
    with pytest.raises(ConfigError, match=f"row {row.id}: its own schema .*strnig"):
        judge([row], SAID, f"eval.schema.schemas='{schemas}'")


def test_the_measure_is_known_by_the_content_of_the_schemas(lab: Any, schemas: Path, tmp_path: Path) -> None:
    from finetune_lab.fingerprint import fingerprint

    def key(folder: Path) -> str:
        return fingerprint(lab("eval=[schema]", f"eval.schema.schemas='{folder}'").evaluators["schema"])

    before, other = key(schemas), tmp_path / "elsewhere"
    schemas.rename(other)
    assert key(other) == before
    (other / "dot.json").write_text(json.dumps(DOT | {"title": "a dot"}))
    assert key(other) != before
