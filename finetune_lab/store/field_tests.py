"""Field tests, outputs/field/<group>/<name>-<key>/: the sixth migration, and from a folder to rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finetune_lab.store.folders import note_of, read_json
from finetune_lab.store.indexing import Tables, plain

KIND, RESULTS = "field test", "results.json"

FIELD = (
    """create table field_results (       -- one row an outcome of two arms in a log of deployed replies
    field_test text not null,        -- names the log's content and how it was looked at
    position integer not null,
    group_name text not null,
    log text not null,               -- the file's name
    reference text not null,         -- arms, as the log names them
    candidate text not null,
    outcome text not null,
    reference_mean real,             -- of the counts as they are
    candidate_mean real,
    ratio real,                      -- candidate / reference with covariates held equal; null: unknown
    low real,
    high real,
    naive_ratio real,                -- without covariates
    naive_low real,
    naive_high real,
    confidence real not null,
    p_value real,
    p_adjusted real,                 -- Holm, over the outcomes
    verdict text not null,           -- more, fewer, unclear, unknown
    num_rows integer not null,
    weeks_needed real,               -- null: unknown, or no number of weeks would do
    detectable_ratio real,
    looks_random integer not null,   -- the assignment of replies to arms
    caveats text not null,           -- JSON
    folder text not null,            -- below outputs/
    primary key (field_test, position)
) without rowid""",
)


def read_field_test(folder: Path) -> Tables:
    """The rows of one field test; the group is the name of the folder around it."""
    note, found = note_of(folder, KIND), read_json(folder / RESULTS)
    about = {"field_test": f"{folder.parent.name}-{note['key']}", "group_name": folder.parent.name, "log": note["log"]}
    about |= {"confidence": note["confidence"], "folder": str(folder)}
    pairs = [(pair, one) for pair in found["comparisons"] for one in pair["found"]]
    return {"field_results": [about | {"position": n} | _row(*pair) for n, pair in enumerate(pairs)]}


def _row(pair: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    adjusted, naive = one["adjusted"], one["naive"]
    row = {name: pair[name] for name in ("reference", "candidate")}
    row |= {name: one[name] for name in ("outcome", "reference_mean", "candidate_mean", "p_adjusted", "verdict")}
    return row | {
        "ratio": adjusted["value"],
        "low": adjusted["low"],
        "high": adjusted["high"],
        "p_value": adjusted["p_value"],
        "naive_ratio": naive["value"],
        "naive_low": naive["low"],
        "naive_high": naive["high"],
        "num_rows": one["num_rows"],
        "weeks_needed": one["plan"]["weeks"],
        "detectable_ratio": one["plan"]["detectable_ratio"],
        "looks_random": int(pair["balance"]["looks_random"]),
        "caveats": plain(pair["caveats"]),
    }
