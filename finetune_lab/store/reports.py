"""From the newest comparison of a group, outputs/reports/<group>/comparison.json, to rows."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finetune_lab.store.folders import read_json
from finetune_lab.store.indexing import Tables, plain

REPORT_TABLES = ("statistical_tests", "comparative_analysis", "recommendations")
REPORT = "comparison.json"
_SECTIONS = ("arms", "tallies", "ranking", "fronts", "trainings", "strengths")


def read_report(path: Path) -> Tables:
    """The rows of one comparison, table by table; the group is the name of its folder."""
    found = read_json(path)
    group = group_of(path)
    tests = [("arms", None, row) for row in found["differences"]]
    tests += [("knob", row["path"], row["difference"]) for row in found.get("knobs", [])]
    return {
        "statistical_tests": [_test(group, place, *row) for place, row in enumerate(tests)],
        "comparative_analysis": list(_analysis(group, found)),
        "recommendations": [_decision(group, place, row) for place, row in enumerate(found.get("decisions", []))],
    }


def group_of(path: Path) -> str:
    """The group whose comparison lies at `path`."""
    return path.parent.name


def _test(group: str, position: int, kind: str, knob: str | None, row: Mapping[str, Any]) -> dict[str, Any]:
    same = ("evaluator", "difference", "low", "high", "confidence", "interval", "test", "p_value", "p_adjusted")
    effect = row["effects"][0] if row["effects"] else {}
    return {
        "group_name": group,
        "position": position,
        "kind": kind,
        "knob": knob,
        "metric": row["name"],
        "reference": row["reference_label"],
        "candidate": row["candidate_label"],
        "reference_value": row["reference"],
        "candidate_value": row["candidate"],
        "effect_name": effect.get("name"),
        "effect": effect.get("value"),
        "is_primary": int(row["primary"]),
        "caveats": plain(row["caveats"]),
        **{name: row[name] for name in (*same, "adjustment", "num_pairs", "num_seeds", "verdict")},
    }


def _analysis(group: str, found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for section in _SECTIONS:
        for place, row in enumerate(found.get(section, [])):
            about = {"group_name": group, "section": section, "position": place, "label": _label(row)}
            yield about | {"found": plain(row)}
    for place, sentence in enumerate(found.get("left_out", [])):
        about = {"group_name": group, "section": "left_out", "position": place, "label": sentence}
        yield about | {"found": "{}"}


def _label(row: Mapping[str, Any]) -> str:
    if "label" in row:
        return str(row["label"])
    if "candidate_label" in row:
        return f"{row['reference_label']} → {row['candidate_label']}, {row['evaluator']}/{row['name']}"
    return f"{row['quality']} against {', '.join(row['costs'])}"


def _decision(group: str, position: int, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "group_name": group,
        "position": position,
        "label": row["label"],
        "outcome": row["outcome"],
        "declared_beforehand": int(row["beforehand"]),
        "declaration": row["declaration"],
        "facts": plain(row["facts"]),
        "conditions": plain(row["conditions"]),
        "refused": int(row["refused"]) if "refused" in row else None,
    }
