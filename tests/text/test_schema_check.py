"""The stages of `finetune_lab.text.schema_check`, hostile input, and real schemas."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.text.json_extract import StrictJsonError, balanced_end, extract, parse_strict
from finetune_lab.text.schema_check import (
    SchemaProblem,
    SchemaSet,
    Verdict,
    check,
    compile_plain,
    compile_schemas,
)

ROOT = Path(__file__).parent.parent.parent
REAL = Path(os.environ.get("FINETUNE_LAB_REALDATA", ROOT.parent / "shared" / "data")) / "json"
# Idle, the slowest of these takes half a second. Without a limit they would take hours.
PATIENCE_SECONDS = 10
CATASTROPHIC = r"^(a|aa)+$"

ENVELOPE = {
    "type": "object",
    "required": ["type", "payload"],
    "additionalProperties": False,
    "properties": {"type": {"enum": ["dot", "line"]}, "payload": {"type": "object"}},
}
PAYLOADS = {
    "dot": {"type": "object", "required": ["x"], "properties": {"x": {"type": "number"}}},
    "line": {
        "type": "object",
        "properties": {"points": {"type": "array", "x-ascending": ["a", "b"]}},
        "x-sum": {"of": "points", "property": "a", "equals": "total"},
    },
}
DOT = '{"type": "dot", "payload": {"x": 1}}'
ANYTHING = compile_plain(schema=True)


@pytest.fixture(scope="module")
def schemas() -> SchemaSet:
    return compile_schemas(envelope=ENVELOPE, payloads=PAYLOADS)


def judge(text: str, schemas: SchemaSet, overlay: dict[str, Any] | None = None, limit: float = 5.0) -> Verdict:
    return check(text, schemas, overlay=overlay, truncated=False, limit_seconds=limit)


@pytest.mark.parametrize(
    ("text", "stage", "mode", "rule"),
    [
        ("", "empty", None, "empty"),
        (" \n\t", "empty", None, "empty"),
        ("I cannot help with that.", "extract", None, "no_json"),
        (DOT, "valid", "whole", None),
        (f"\n{DOT}\n", "valid", "whole", None),
        (f"```json\n{DOT}\n```", "valid", "fence", None),
        (f"Sure:\n```\n{DOT}\n```\nAnything else?", "valid", "fence", None),
        (f"```python\nprint()\n```\nthen\n```json\n{DOT}\n```", "valid", "fence", None),
        (f"Sure: {DOT} I hope it helps.", "valid", "scan", None),
        (f"As you [sic] said {{or so}}: {DOT}", "valid", "scan", None),
        (f"{DOT} I hope it helps.", "parse", "whole", "trailing_text"),
        (f"{DOT}{DOT}", "parse", "whole", "trailing_text"),
        (f"```json\n{DOT}\nNote.\n```", "parse", "fence", "trailing_text"),
        ('{"type": "dot", "type": "dot", "payload": {"x": 1}}', "parse", "whole", "duplicate_key"),
        ('{"type": "dot", "payload": {"x": NaN}}', "parse", "whole", "non_finite"),
        ('{"type": "dot", "payload": {"x": -Infinity}}', "parse", "whole", "non_finite"),
        ('{"type": "dot", "payload": {"x": 1e999}}', "parse", "whole", "non_finite"),
        ("{'type': 'dot', 'payload': {'x': 1}}", "parse", "whole", "syntax"),
        ('Here: {"type": "dot", "payload": {"x": 1}', "parse", "scan", "syntax"),
        (DOT[:-4], "parse", "whole", "syntax"),
        (f"[{DOT}]", "list", "whole", "type"),
        ("42", "envelope", "whole", "type"),
        ('{"type": "dot"}', "envelope", "whole", "required"),
        ('{"type": "box", "payload": {}}', "envelope", "whole", "enum"),
        ('{"type": "dot", "payload": {"y": 1}}', "payload", "whole", "required"),
        ('{"type": "dot", "payload": {"x": "1"}}', "payload", "whole", "type"),
        ('{"type": "dot", "payload": {"x": true}}', "payload", "whole", "type"),
    ],
)
def test_an_answer_fails_at_the_stage_that_is_due(
    schemas: SchemaSet, text: str, stage: str, mode: str | None, rule: str | None
) -> None:
    verdict = judge(text, schemas)
    assert (verdict.stage, verdict.mode) == (stage, mode)
    assert verdict.valid == (stage == "valid")
    assert (verdict.errors[0].validator if verdict.errors else None) == rule


def test_the_request_is_asked_last(schemas: SchemaSet) -> None:
    overlay = {"properties": {"payload": {"properties": {"x": {"const": 2}}}}}
    verdict = judge(DOT, schemas, overlay)
    assert verdict.stage == "request"
    assert (verdict.errors[0].validator, verdict.errors[0].path) == ("const", "/payload/x")
    assert judge(DOT.replace("1", "2"), schemas, overlay).valid


def test_paths_are_counted_without_indices() -> None:
    schemas = compile_plain(schema={"properties": {"a/b": {"items": {"type": "string"}}}})
    errors = judge('{"a/b": ["x", 1, 2]}', schemas).errors
    assert [error.path for error in errors] == ["/a~1b/1", "/a~1b/2"]
    assert {error.general_path for error in errors} == {"/a~1b/*"}


def test_truncation_is_repeated_and_changes_nothing(schemas: SchemaSet) -> None:
    verdict = check(DOT[:-1], schemas, overlay=None, truncated=True, limit_seconds=1.0)
    assert (verdict.truncated, verdict.stage) == (True, "parse")
    assert check(DOT, schemas, overlay=None, truncated=True, limit_seconds=1.0).valid


@pytest.mark.parametrize(
    ("points", "total", "rule"),
    [
        ([{"a": 1, "b": 2}, {"a": 2, "b": 5}], 3, None),
        ([{"a": 1, "b": 3}, {"a": 2, "b": 5}], 3, "x-ascending"),
        ([{"a": 5, "b": 4}], 5, "x-ascending"),
        ([{"a": 1}, {"a": 2}], 4, "x-sum"),
        ([{"a": "1"}, {"a": 2}], 4, None),
        ([], 0, None),
        ([], 1, "x-sum"),
    ],
)
def test_our_own_keywords(schemas: SchemaSet, points: list[Any], total: int, rule: str | None) -> None:
    text = json.dumps({"type": "line", "payload": {"points": points, "total": total}})
    assert [error.validator for error in judge(text, schemas).errors] == ([rule] if rule else [])


def test_brackets_in_strings_do_not_count() -> None:
    value = r'{"a": "}]\"}", "b": ["{"]}'
    assert balanced_end(value, 0) == len(value)
    assert extract(f"so {value} it is").text == value
    assert extract('```json\n{"code": "```"}\n```').text == '{"code": "```"}'


def test_broken_json_in_prose_is_not_replaced_by_a_part_of_it() -> None:
    assert judge('Here: {"a": [1, 2], "b": ', ANYTHING).stage == "parse"
    assert judge("Here: {'a': {\"b\": 1}}", ANYTHING).stage == "parse"


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("[" * 100_000, "parse"),
        ('{"a":' * 100_000, "parse"),
        ("so " + "[" * 100_000, "parse"),
        ("[" * 60_000 + "]" * 60_000, "parse"),
        ("9" * 100_000, "extract"),
        ('{"a": ' + "9" * 100_000 + "}", "parse"),
        (r'["\ud800"]', "parse"),
        ('["\ud800"]', "parse"),
        (r'["\ud83d\ude00"]', "valid"),
        ('["\x00"]', "parse"),
        (r'["\u0000"]', "valid"),
        ("\ud800\x00", "extract"),
        ('"' + '\\"' * 500_000, "extract"),
        ("x [y" * 250_000, "parse"),
        ("```" * 300_000, "extract"),
        ("``` " * 250_000 + "{", "parse"),
        ('{"' * 500_000, "parse"),
        (json.dumps(["x" * 1_000_000]), "valid"),
        (json.dumps(list(range(130_000))), "valid"),
        ("a" * 2_000_001, "extract"),
    ],
    ids=range(20),
)
def test_hostile_text_gets_a_verdict_quickly(text: str, stage: str) -> None:
    began = time.perf_counter()
    verdict = judge(text, ANYTHING)
    assert verdict.stage == stage
    assert time.perf_counter() - began < PATIENCE_SECONDS
    for error in verdict.errors:
        assert len(error.message.encode()) < 2000


def test_deep_values_pass_a_recursive_schema_or_are_refused() -> None:
    tree = compile_plain(schema={"type": "array", "items": {"$ref": "#"}})
    assert judge("[" * 64 + "]" * 64, tree).valid
    assert judge("[" * 65 + "]" * 65, tree).errors[0].validator == "too_deep"
    endless = compile_plain(schema={"$ref": "#"})
    assert judge("{}", endless).errors[0].validator == "recursion"


@pytest.mark.parametrize("number", ["9" * 300, "1" + "0" * 299, "1e308", "-0", "1E+2"])
def test_extreme_numbers_meet_every_numeric_keyword(number: str) -> None:
    schemas = compile_plain(schema={"items": {"multipleOf": 0.1, "maximum": 1e5, "minimum": -1}})
    assert judge(f"[{number}]", schemas).stage in ("valid", "envelope")


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": CATASTROPHIC},
        {"propertyNames": {"pattern": CATASTROPHIC}},
        {"patternProperties": {CATASTROPHIC: True}},
        {"patternProperties": {CATASTROPHIC: True}, "additionalProperties": False},
        {"$schema": "http://json-schema.org/draft-04/schema#", "anyOf": [{"pattern": CATASTROPHIC}]},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$ref": "#/definitions/a",
            "definitions": {"a": {"pattern": CATASTROPHIC, "patternProperties": {CATASTROPHIC: True}}},
        },
    ],
)
def test_a_catastrophic_pattern_runs_into_the_limit_on_any_thread(schema: dict[str, Any]) -> None:
    schemas = compile_plain(schema=schema)
    texts = [json.dumps("a" * 60 + "c"), json.dumps({"a" * 60 + "c": 1})]
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.extend(judge(text, schemas, limit=0.2) for text in texts))
    began = time.perf_counter()
    thread.start()
    thread.join(timeout=2 * PATIENCE_SECONDS)
    assert time.perf_counter() - began < PATIENCE_SECONDS
    assert "timeout" in {verdict.stage for verdict in verdicts}


def test_an_exponential_schema_runs_into_the_limit() -> None:
    definitions = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(25)}
    schemas = compile_plain(schema={"$ref": "#/$defs/d0", "$defs": {**definitions, "d25": False}})
    assert judge("1", schemas, limit=0.3).stage == "timeout"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "http://example.com/schema.json"}, "not followed"),
        ({"properties": {"a": {"$ref": "#/$defs/missing"}}}, "not in the schema"),
        ({"$ref": "file:///etc/hostname"}, "not followed"),
        ({"type": "dict"}, "invalid schema"),
        ({"$schema": "http://example.com/my-draft"}, "no known draft"),
        ({"$schema": 7}, "no known draft"),
        ({"pattern": "("}, "does not compile"),
        ({"x-ascending": "start"}, "x-ascending"),
        ({"x-sum": {"of": "a"}}, "x-sum"),
        ({"patternProperties": {"a": True}, "allOf": [{"unevaluatedProperties": False}]}, "bounded time"),
    ],
)
def test_an_unusable_schema_is_refused_when_compiled(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaProblem, match=message):
        compile_plain(schema=schema)


def test_envelope_and_payloads_must_name_the_same_types() -> None:
    with pytest.raises(SchemaProblem, match="dot"):
        compile_schemas(envelope=ENVELOPE, payloads={"dot": {}})


def test_the_draft_is_the_one_that_the_schema_names() -> None:
    old = {"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": True}
    assert judge("5", compile_plain(schema=old)).stage == "envelope"
    with pytest.raises(SchemaProblem):
        compile_plain(schema={"maximum": 5, "exclusiveMaximum": True})
    tuples = {"prefixItems": [{"type": "string"}]}
    assert judge("[1]", compile_plain(schema=tuples)).stage == "envelope"
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", **tuples}
    assert judge("[1]", compile_plain(schema=draft7)).valid


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", "2024-02-29", "2023-02-29"),
        ("date-time", "2024-01-02T03:04:05.123456789Z", "2024-01-02 03:04"),
        ("date-time", "2016-12-31T23:59:60+01:00", "2024-13-02T03:04:05Z"),
        ("time", "03:04:05Z", "3:04"),
        ("email", "a@b.org", "a.b.org"),
        ("uri", "urn:isbn:1", "notaurl"),
        ("ipv4", "127.0.0.1", "127.0.0.256"),
        ("uuid", "12345678-1234-5678-1234-567812345678", "1234"),
        ("regex", "a+", "("),
        ("regex", "a", "(" * 9_000),
        ("regex", "a", "a" * 10_001),
        ("regex", "a", "a{99999999999999999999}"),
    ],
)
def test_formats_are_checked(name: str, good: str, bad: str) -> None:
    schemas = compile_plain(schema={"format": name})
    assert judge(json.dumps(good), schemas).valid
    assert judge(json.dumps(bad), schemas).errors[0].validator == "format"


@pytest.mark.parametrize(
    ("items", "unique"),
    [([1, True], True), ([1, 1.0], False), ([{"a": [1]}, {"a": [1.0]}], False), ([[1], [True]], True), (["1", 1], 1)],
)
def test_unique_items_by_json_equality(items: list[Any], unique: bool) -> None:
    assert judge(json.dumps(items), compile_plain(schema={"uniqueItems": True})).valid == unique


def test_strict_parsing_names_the_rule() -> None:
    assert parse_strict('{"a": [1, 2.5, null, "é"]}') == {"a": [1, 2.5, None, "é"]}
    with pytest.raises(StrictJsonError, match="stands twice") as caught:
        parse_strict('{"a": {"b": 1, "b": 2}}')
    assert caught.value.kind == "duplicate_key"


@pytest.mark.realdata
def test_real_schemas_and_instances() -> None:
    path = REAL / "maskbench_easy.jsonl"
    if not path.exists():
        pytest.skip(f"no {path}: set FINETUNE_LAB_REALDATA")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    outcomes: dict[bool, list[bool]] = {True: [], False: []}
    for row in rows:
        schemas = compile_plain(schema=row["schema"])
        for test in row["tests"]:
            outcomes[test["valid"]].append(judge(json.dumps(test["data"]), schemas).valid)
    assert (len(rows), len(outcomes[True])) == (500, 592)
    assert all(outcomes[True])
    assert outcomes[False].count(False) >= 0.99 * len(outcomes[False])


@pytest.mark.realdata
def test_every_real_answer_gets_a_verdict() -> None:
    paths = sorted(REAL.glob("bfcl_*/*_result.json"))
    if not paths:
        pytest.skip(f"no bfcl_* in {REAL}: set FINETUNE_LAB_REALDATA")
    answers = [json.loads(line)["result"] for path in paths for line in path.read_text().splitlines()]
    stages = [judge(str(answer), ANYTHING).stage for answer in answers]
    assert len(stages) > 1400
    assert set(stages) <= {"empty", "extract", "parse", "valid"}
