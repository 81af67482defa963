"""Check the verdicts on JSON against public schemas and real answers of three models (docs/realdata.md).

MaskBench: 500 real schemas with instances that people's tools call valid or not; every valid one has to be accepted,
99 % of the others refused. BFCL: what three models wrote where function calls were due; every answer has to get a
verdict of the parser, and what failed is counted by stage and kind.

    python scripts/check_json.py        # exit code 1 where it falls short
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.text.schema_check import SchemaSet, Verdict, check, compile_plain  # noqa: E402

REALDATA = Path(os.environ.get("FINETUNE_LAB_REALDATA", ROOT.parent / "shared" / "data")) / "json"
LEAST_REFUSED = 0.99


def verdict(text: str, schemas: SchemaSet) -> Verdict:
    return check(text, schemas, overlay=None, truncated=False, limit_seconds=2.0)


def maskbench() -> bool:
    """Valid and invalid instances of real schemas."""
    rows = [json.loads(line) for line in (REALDATA / "maskbench_easy.jsonl").read_text(encoding="utf-8").splitlines()]
    found: Counter[tuple[bool, str]] = Counter()
    started = time.perf_counter()
    for row in rows:
        schemas = compile_plain(schema=row["schema"])
        for case in row["tests"]:
            found[case["valid"], verdict(json.dumps(case["data"]), schemas).stage] += 1
    seconds = time.perf_counter() - started
    good, bad = ({stage: num for (valid, stage), num in found.items() if valid is of} for of in (True, False))
    refused = 1 - bad.get("valid", 0) / sum(bad.values())
    print(f"MaskBench, {len(rows)} schemas in {seconds:.1f} s")
    print(f"  valid instances: {good.get('valid', 0)} of {sum(good.values())} accepted; by stage {good}")
    print(f"  invalid ones: {refused:.4f} of {sum(bad.values())} refused; by stage {bad}")
    return good.get("valid", 0) == sum(good.values()) and refused >= LEAST_REFUSED


def answers() -> Iterator[tuple[str, str]]:
    """Model and answer, of every row of BFCL."""
    for path in sorted(REALDATA.glob("bfcl_*/*_result.json")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield path.parent.name.removeprefix("bfcl_"), str(json.loads(line)["result"])


def function_calls() -> bool:
    """A verdict on every answer of BFCL; any JSON is valid here, so what fails is the parser's."""
    anything = compile_plain(schema=True)
    found: dict[str, Counter[str]] = {}
    for model, text in answers():
        one = verdict(text, anything)
        kind = f"{one.stage}: {one.errors[0].validator}" if one.errors else f"{one.stage} ({one.mode})"
        found.setdefault(model, Counter())[kind] += 1
    total = sum(sum(counts.values()) for counts in found.values())
    print(f"BFCL, {total} answers, each with a verdict")
    for model, counts in found.items():
        print(f"  {model}: {', '.join(f'{kind} {num}' for kind, num in counts.most_common())}")
    return total > 0


def main() -> None:
    good = [maskbench(), function_calls()]
    raise SystemExit(not all(good))


if __name__ == "__main__":
    main()
