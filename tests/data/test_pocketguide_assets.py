"""The shipped task data `pocketguide`: valid, reproducible, varied, and strict about mistakes."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from finetune_lab.text.schema_check import SchemaSet, check, compile_schemas

ROOT = Path(__file__).parent.parent.parent
ASSETS = ROOT / "finetune_lab" / "assets" / "pocketguide"
TYPES = ("itinerary", "checklist", "budget", "phrasebook")
Row = dict[str, Any]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_pocketguide", ROOT / "scripts" / "make_pocketguide.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [json.loads(line) for line in (ASSETS / "rows.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def schemas() -> SchemaSet:
    read = {path.stem: json.loads(path.read_text()) for path in (ASSETS / "schemas").glob("*.json")}
    return compile_schemas(envelope=read.pop("envelope"), payloads=read)


def outcome(text: str, row: Row, schemas: SchemaSet) -> tuple[str, str | None, set[str]]:
    verdict = check(text, schemas, overlay=row["schema"], truncated=False, limit_seconds=5.0)
    return verdict.stage, verdict.mode, {error.validator for error in verdict.errors}


def answer(row: Row) -> str:
    text: str = row["messages"][1]["content"]
    return text


def test_every_row_is_valid_and_one_line_of_plain_json(rows: list[Row], schemas: SchemaSet) -> None:
    for row in rows:
        assert outcome(answer(row), row, schemas) == ("valid", "whole", set()), row
        assert answer(row) == json.dumps(json.loads(answer(row)))
        assert json.loads(answer(row))["type"] == row["type"]
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]


def test_the_script_makes_the_shipped_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = load_script()
    # Another test measures the families; here only the bytes matter.
    monkeypatch.setattr(script, "describe", lambda rows, raw: {"max_similarity_between_families": 0.0})
    monkeypatch.setattr("sys.argv", ["make_pocketguide.py", "--rows", "2400", "--seed", "42", "--out", str(tmp_path)])
    script.main()
    assert (tmp_path / "rows.jsonl").read_bytes() == (ASSETS / "rows.jsonl").read_bytes()


def test_the_data_card_names_the_digest() -> None:
    digest = hashlib.sha256((ASSETS / "rows.jsonl").read_bytes()).hexdigest()
    assert digest in (ASSETS / "README.md").read_text()


def test_families_are_many_and_not_near_duplicates(rows: list[Row]) -> None:
    figures = load_script().describe(rows, b"")
    assert figures["rows"] == figures["distinct_prompts"] >= 1200
    assert figures["families"] >= 500
    assert figures["max_similarity_between_families"] <= 0.7


def test_lengths_and_types(rows: list[Row]) -> None:
    lengths = sorted(len(answer(row)) for row in rows)
    assert 350 <= lengths[len(lengths) // 2] <= 450
    assert lengths[-1] < 800
    assert all(80 <= len(row["messages"][0]["content"]) <= 250 for row in rows)
    assert set(Counter(row["type"] for row in rows).values()) == {len(rows) // 4}


def test_times_leave_the_named_pause(rows: list[Row]) -> None:
    for row in (row for row in rows if row["type"] == "itinerary"):
        payload = json.loads(answer(row))["payload"]
        clocks = [[int(b[k][:2]) * 60 + int(b[k][3:]) for k in ("start", "end")] for b in payload["time_block"]]
        pauses = {after[0] - before[1] for before, after in pairwise(clocks)}
        assert pauses == {payload["time_buffer"]}


def test_every_demand_of_the_overlay_stands_in_the_prompt(rows: list[Row]) -> None:
    """A model that reads the prompt can meet the overlay: constants are named in it."""

    def constants(node: Any) -> list[Any]:
        if isinstance(node, list):
            return [found for each in node for found in constants(each)]
        if not isinstance(node, dict):
            return []
        own = [node["const"]] if "const" in node else []
        return own + [found for each in node.values() for found in constants(each)]

    spoken = {"1 day": 1, "meal": "meal", **{name: name for name in TYPES}}
    for row in rows:
        prompt = row["messages"][0]["content"]
        for constant in constants(row["schema"]["properties"]["payload"]):
            assert str(constant) in prompt or constant in spoken.values(), (constant, prompt)


TEXT_MUTATIONS: dict[str, tuple[Callable[[str], str], tuple[str, str | None]]] = {
    "nothing": (lambda text: "", ("empty", None)),
    "prose only": (lambda text: "Here is your plan, have fun.", ("extract", None)),
    "trailing text": (lambda text: text + " Enjoy!", ("parse", "whole")),
    "cut": (lambda text: text[:-20], ("parse", "whole")),
    "duplicate key": (lambda text: text.replace('"title":', '"title": "A b c", "title":', 1), ("parse", "whole")),
    "single quotes": (lambda text: text.replace('"', "'"), ("parse", "whole")),
    "not a number": (lambda text: text.replace('"payload":', '"x": NaN, "payload":', 1), ("parse", "whole")),
    "list": (lambda text: f"[{text}]", ("list", "whole")),
    "fence": (lambda text: f"```json\n{text}\n```", ("valid", "fence")),
    "prose around": (lambda text: f"Here you are: {text} Have fun.", ("valid", "scan")),
    "extra key": (lambda text: text.replace("{", '{"note": 1, ', 1), ("envelope", "whole")),
    "low title": (lambda text: text.replace('"title": "', '"title": "a ', 1), ("envelope", "whole")),
    "unknown type": (lambda text: text.replace('"type": "', '"type": "my', 1), ("envelope", "whole")),
}


@pytest.mark.parametrize("name", TEXT_MUTATIONS)
@pytest.mark.parametrize("kind", TYPES)
def test_a_changed_text_fails_where_it_should(kind: str, name: str, rows: list[Row], schemas: SchemaSet) -> None:
    mutate, due = TEXT_MUTATIONS[name]
    for row in [row for row in rows if row["type"] == kind][:20]:
        assert outcome(mutate(answer(row)), row, schemas)[:2] == due


def change(path: str, value: Any) -> Callable[[Row], None]:
    """A mutation that sets the place `a.0.b` of the payload; DELETE deletes it."""

    def apply(payload: Row) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        node: Any = payload
        for part in parents:
            node = node[part]
        if value is DELETE:
            del node[last]
        else:
            node[last] = value

    return apply


DELETE = object()
VALUE_MUTATIONS = [
    ("itinerary", change("pace", DELETE), "payload", "required"),
    ("itinerary", change("pace", "lazy"), "payload", "enum"),
    ("itinerary", change("time_block.0.start", "9:00"), "payload", "pattern"),
    ("itinerary", change("time_block.0.end", "24:00"), "payload", "pattern"),
    ("itinerary", change("time_block.1.start", "05:00"), "payload", "x-ascending"),
    ("itinerary", change("time_block.1.kind", "nap"), "payload", "enum"),
    ("itinerary", change("time_buffer", 12), "payload", "multipleOf"),
    ("itinerary", change("time_buffer", 55), "request", "const"),
    ("itinerary", change("time_block.0.start", "00:05"), "request", "const"),
    ("itinerary", lambda payload: payload["time_block"].pop(), None, "minItems"),
    ("checklist", change("items.0.packed", True), "payload", "const"),
    ("checklist", change("items.0.quantity", "2"), "payload", "type"),
    ("checklist", change("items.0.group", "toys"), "payload", "enum"),
    ("checklist", lambda payload: payload["items"].reverse(), "payload", "x-ascending"),
    ("checklist", lambda payload: payload["items"].pop(), None, "minItems"),
    ("checklist", change("people", 1), "request", "const"),
    ("budget", change("lines.0.amount", 90), "payload", "x-sum"),
    ("budget", change("total", DELETE), "payload", "required"),
    ("budget", change("lines.0.amount", 15), "payload", "multipleOf"),
    ("budget", change("currency", "SEK"), "payload", "enum"),
    ("budget", lambda payload: payload.update(days=payload["days"] % 5 + 1), "request", "const"),
    ("phrasebook", change("language", "Latin"), "payload", "enum"),
    ("phrasebook", change("phrases.0.say", "Ta Ra"), "payload", "pattern"),
    ("phrasebook", change("phrases.0.when", DELETE), "payload", "required"),
    ("phrasebook", lambda payload: payload["phrases"].pop(), None, "minItems"),
]


@pytest.mark.parametrize("index", range(len(VALUE_MUTATIONS)))
def test_a_changed_value_fails_where_it_should(index: int, rows: list[Row], schemas: SchemaSet) -> None:
    kind, mutate, stage, rule = VALUE_MUTATIONS[index]
    for row in [row for row in rows if row["type"] == kind][:20]:
        value = copy.deepcopy(json.loads(answer(row)))
        mutate(value["payload"])
        found, _, rules = outcome(json.dumps(value), row, schemas)
        # A list one shorter breaks the general schema where it had three items, else the request.
        assert found == (stage or found)
        assert found in ("payload", "request")
        assert rule in rules


def test_an_answer_of_another_type_fails_the_request(rows: list[Row], schemas: SchemaSet) -> None:
    first, second = rows[0], rows[1]
    assert first["type"] != second["type"]
    assert outcome(answer(second), first, schemas)[0] == "request"
