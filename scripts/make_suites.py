"""Generate the prompt suite `pocketguide`: twenty requests of the embedded task that its rows do not hold.

They are drawn as the rows are (scripts/make_pocketguide.py), from another seed; none repeats a prompt of the rows, and
none comes closer to them than rows of different families come to one another. The other suites are written by hand.

    python scripts/make_suites.py            # the same rows and seed give the same bytes
    python scripts/make_suites.py --check    # says whether the file is current, writes nothing
"""

import argparse
import json
import sys
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scripts.make_pocketguide import ASSETS, MAKERS, MAX_SIMILARITY, Shingles, draw_row  # noqa: E402

PATH = ROOT / "finetune_lab" / "assets" / "suites" / "pocketguide-1.jsonl"
SEED, OF_EACH = 20, 5


def make() -> str:
    """The file's text: five requests of each type in turn, each with its answer, type and schema."""
    words = json.loads((ASSETS / "vocabulary.json").read_text(encoding="utf-8"))
    lines = (ASSETS / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    rows, shingles, rng = [json.loads(line) for line in lines], Shingles(), Random(SEED)
    for row in rows:
        shingles.add(row | {"family": "rows"})
    prompts = {row["messages"][0]["content"] for row in rows}
    found: list[dict[str, Any]] = []
    while len(found) < OF_EACH * len(MAKERS):
        kind = list(MAKERS)[len(found) % len(MAKERS)]
        pool = MAKERS[kind][0]
        row = draw_row(rng, words, kind, rng.choice(words["cities"]), rng.choice(sorted(words[pool])))
        if row["messages"][0]["content"] not in prompts and shingles.nearest(row) <= MAX_SIMILARITY:
            prompts.add(row["messages"][0]["content"])
            shingles.add(row)
            found.append({name: row[name] for name in ("messages", "type", "schema")})
    return "".join(json.dumps(row) + "\n" for row in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    if parser.parse_args().check:
        raise SystemExit(0 if PATH.read_text(encoding="utf-8") == make() else f"{PATH} is not current")
    PATH.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
