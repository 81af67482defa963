"""Break files of rows in every way that files break, and prepare them: a clear message or a counted drop, never less.

Each file goes through the real preparing, in this process. Its verdict is one of: an error of ours that names the file
and the place; or splits on disk for which rows in = rows out + rows dropped by reason, and, where it is known how many
rows the broken file has, so many rows in. Anything else is a failure and is shown with the seed that makes it again.

    python scripts/check_mutations.py --files 1000        # exit code 1 where one fails
"""

import argparse
import json
import random
import re
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from hydra import compose, initialize_config_dir  # noqa: E402

from finetune_lab.config import build  # noqa: E402
from finetune_lab.errors import LabError  # noqa: E402
from finetune_lab.preparing.pipeline import read_split  # noqa: E402
from finetune_lab.preparing.splitting import SPLITS  # noqa: E402

NUM_ROWS = 12
LONGEST_MESSAGE = 1000  # a message is read by a person, whatever the row holds
_PLACE = re.compile(r"line \d+|item \d+|row \d+|byte \d+|is empty|Parquet|got no rows")
Rows = list[Any]
Random = random.Random


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A file's bytes, who reads it, what was done to it, and how many rows it has, where that can be known."""

    source: str
    name: str
    content: bytes
    done: str
    num_rows: int | None


# Rows as they should be


def alpaca(n: int) -> dict[str, Any]:
    return {"instruction": f"say {n}", "input": "", "output": f"n\u00fcmber {n}", "label": "x"}


def sharegpt(n: int) -> dict[str, Any]:
    turns = [{"from": "human", "value": f"hello {n}"}, {"from": "gpt", "value": f"hi {n}"}]
    return {"conversations": turns, "system": "be kind", "label": "x"}


def messages(n: int) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}], "label": "x"}


def question(n: int) -> dict[str, Any]:
    return {"question": f"what is {n}?", "answer": f"it is {n}", "label": "x"}


def plain(n: int) -> dict[str, Any]:
    return {"text": f"a text of number {n}", "label": "x"}


def prompt(n: int) -> dict[str, Any]:
    return {"prompt": f"tell me about {n}", "label": "safe" if n % 2 else "unsafe"}


def page(n: int) -> dict[str, Any]:
    user = {"id": "7", "username": "ada", "public_metrics": {"followers_count": 900}}
    said = {"id": f"{n}", "text": f"a post {n}", "author_id": "7", "created_at": "2026-01-01T00:00:00.000Z"}
    asked = {"type": "replied_to", "id": f"{n}"}
    reply = said | {"id": f"{n}00", "author_id": "8", "text": f"@ada a reply {n}", "referenced_tweets": [asked]}
    return {"data": [reply], "includes": {"users": [user], "tweets": [said]}, "meta": {"result_count": 1}}


def item(n: int) -> dict[str, Any]:
    author = {"id": f"{n % 2}", "userName": "ada", "followers": 900}
    asked = {"inReplyToId": f"{n - 1}"} if n % 2 else {}
    said = {"id": f"{n}", "text": f"text {n}", "author": author, "likeCount": n, "lang": "en"}
    return said | {"createdAt": "Fri Nov 24 17:49:36 +0000 2023"} | asked


def spoken(n: int) -> dict[str, Any]:
    return {"text": f"Hello {n} . __eou__ Oh , hi ! __eou__ Bye {n} __eou__"}


SHAPES = (alpaca, sharegpt, messages, question, plain)

# What happens to single values and rows


def odd_values(draw: Random) -> Any:
    """A value that is no text, or text that is no ordinary one."""
    deep: Any = "x"
    for _ in range(draw.choice([5, 99, 101, 500])):
        deep = [deep] if draw.random() < 0.5 else {"a": deep}
    return draw.choice(
        [
            *(None, True, False, 0, -1, 10**400, 1.5, 1e308, float("nan"), float("inf"), [], {}, [None], [[1, 2], 3]),
            *("", " ", "\n", "\x00", "\x1b[2J", "\ud800", "\u202e", "\ufeff", "a" * 300_000, "\u00e9" * 70_000, deep),
            *(
                {"role": 3},
                [{"role": "user"}],
                [{"role": "user", "content": None}],
                [{"from": "x" * 50_000, "value": ""}],
            ),
            *([{"role": ["user"], "content": "x"}], [[]], ["user", "hello"], {"a": {"b": [1, {"c": None}]}}),
        ]
    )


def wrong_type(rows: Rows, draw: Random) -> Rows:
    row = draw.choice(rows)
    row[draw.choice(list(row))] = odd_values(draw)
    return rows


def wrong_types_everywhere(rows: Rows, draw: Random) -> Rows:
    for row in rows:
        row[draw.choice(list(row))] = odd_values(draw)
    return rows


def missing_field(rows: Rows, draw: Random) -> Rows:
    row = draw.choice(rows)
    del row[draw.choice(list(row))]
    return rows


def odd_field_names(rows: Rows, draw: Random) -> Rows:
    row = draw.choice(rows)
    name = draw.choice(["", "__class__", "\ud800", "a" * 100_000, "\x1b[31m", "id", "facts", "messages\n"])
    row[name] = row.pop(draw.choice(list(row)))
    return rows


def many_fields(rows: Rows, draw: Random) -> Rows:
    draw.choice(rows).clear()
    rows[-1] = {f"field {n}": n for n in range(5000)}
    return rows


def not_a_row(rows: Rows, draw: Random) -> Rows:
    rows[draw.randrange(len(rows))] = draw.choice([None, 3, "text", [], [1], True, float("nan"), {}])
    return rows


def mixed_shapes(rows: Rows, draw: Random) -> Rows:
    for place in range(0, len(rows), 2):
        rows[place] = draw.choice(SHAPES)(place)
    return rows


def turns_broken(rows: Rows, draw: Random) -> Rows:
    for row in rows:
        for name in ("conversations", "messages"):
            if isinstance(row.get(name), list):
                turns = row[name]
                turns[draw.randrange(len(turns))] = odd_values(draw)
                draw.shuffle(turns)
    return rows


def answers_missing(rows: Rows, draw: Random) -> Rows:
    for row in draw.sample(rows, draw.randint(1, len(rows))):
        for name in ("output", "answer"):
            if name in row:
                row[name] = draw.choice([None, ""])
    return rows


def rows_twice(rows: Rows, draw: Random) -> Rows:
    return rows + draw.choices(rows, k=draw.randint(1, 30))


def untouched(rows: Rows, draw: Random) -> Rows:
    return rows


ROW_BREAKS = (
    *(wrong_type, wrong_types_everywhere, missing_field, odd_field_names, many_fields, not_a_row, mixed_shapes),
    *(turns_broken, answers_missing, rows_twice, untouched),
)

# What happens to bytes: the number of rows is then anybody's guess


def cut(data: bytes, draw: Random) -> bytes:
    return data[: draw.randrange(len(data))]


def flipped(data: bytes, draw: Random) -> bytes:
    found = bytearray(data)
    for _ in range(draw.choice([1, 3, 30])):
        found[draw.randrange(len(found))] = draw.randrange(256)
    return bytes(found)


def hole(data: bytes, draw: Random) -> bytes:
    start = draw.randrange(len(data))
    return data[:start] + data[start + draw.randint(1, 60) :]


def stuffed(data: bytes, draw: Random) -> bytes:
    place = draw.randrange(len(data))
    junk = draw.choice(
        [b"\x00" * 20, b"\xff\xfe", b"<html>", b"}{", b"]]", b"\r", b'"', b",,,", b"[" * 100_000, b"\xed\xa0\x80"]
    )
    return data[:place] + junk + data[place:]


def doubled(data: bytes, draw: Random) -> bytes:
    return data + data[draw.randrange(len(data)) :]


def replaced(data: bytes, draw: Random) -> bytes:
    return draw.choice(
        [
            b"",
            b" \n\t\n",
            b"[]",
            b"{}",
            b"null",
            b"[",
            b"{",
            b"\xef\xbb\xbf",
            b"PK\x03\x04" + data,
            b"PAR1",
            b"PAR1PAR1",
        ]
    )


def recoded(data: bytes, draw: Random) -> bytes:
    text = data.decode("utf-8", "surrogateescape")
    kind = draw.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7", "cp037"])
    return text.encode(kind, "replace")


BYTE_BREAKS = (cut, cut, flipped, hole, stuffed, doubled, replaced, recoded)

# Breaks of form that keep all rows


def bom(data: bytes, draw: Random) -> bytes:
    return b"\xef\xbb\xbf" + data


def windows_ends(data: bytes, draw: Random) -> bytes:
    return data.replace(b"\n", b"\r\n")


def blank_lines(data: bytes, draw: Random) -> bytes:
    return data.replace(b"\n", b"\n\n \n")


FORM_BREAKS = (bom, windows_ends, blank_lines)


def as_json(rows: Rows, draw: Random) -> bytes:
    return json.dumps(rows, indent=draw.choice([None, 2]), ensure_ascii=True).encode()


def as_lines(rows: Rows, draw: Random) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows).encode()


def as_text(rows: Rows, draw: Random) -> bytes:
    lines = [str(row.get("text", row)) if isinstance(row, dict) else str(row) for row in rows]
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass")


def as_csv(rows: Rows, draw: Random) -> bytes:
    import csv

    stream = StringIO()
    writer = csv.writer(stream)
    writer.writerow(["prompt", "label"])
    for row in rows:
        writer.writerow(
            [str(row.get(name, ""))[:100_000] for name in ("prompt", "label")] if isinstance(row, dict) else [row]
        )
    return stream.getvalue().encode("utf-8", "surrogatepass")


def as_parquet(rows: Rows, draw: Random) -> bytes:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    stream = BytesIO()
    try:
        table = arrow.Table.from_pylist([row for row in rows if isinstance(row, dict)])
    except (arrow.ArrowException, ValueError, TypeError, OverflowError, UnicodeEncodeError):  # cannot be such a file
        table = arrow.Table.from_pylist([prompt(n) for n in range(NUM_ROWS)])
    parquet.write_table(table, stream)
    return stream.getvalue()


Writer = Callable[[Rows, Random], bytes]
KINDS: tuple[tuple[str, str, Writer, Sequence[Callable[[int], dict[str, Any]]]], ...] = (
    *(("jsonl", ".json", as_json, SHAPES), ("jsonl", ".jsonl", as_lines, SHAPES)),
    *(("labelled", ".csv", as_csv, (prompt,)), ("labelled", ".parquet", as_parquet, (prompt,))),
    *(("tweets", ".json", as_json, (page, item)), ("tweets", ".jsonl", as_lines, (page, item))),
    ("dailydialog", ".txt", as_text, (spoken,)),
)


def broken(number: int, seed: int) -> Broken:
    """The file of a number: always the same."""
    draw = Random(f"{seed}:{number}")
    source, ending, write, shapes = draw.choice(KINDS)
    shape = draw.choice(shapes)
    rows: Rows = [shape(n) for n in range(NUM_ROWS)]
    change = draw.choice(ROW_BREAKS)
    how = draw.choice(["rows", "bytes", "both", "form"])
    names = []
    if how in ("rows", "both"):
        rows, names = change(rows, draw), [change.__name__]
    num_rows: int | None = len(rows) if source == "jsonl" else None  # of others a row may be none or many
    content = write(rows, draw)
    if how in ("bytes", "both"):
        damage: Callable[[bytes, Random], bytes] = draw.choice(BYTE_BREAKS)
        content, num_rows = damage(content, draw), None
        names.append(damage.__name__)
    if how == "form" and ending != ".parquet":
        form: Callable[[bytes, Random], bytes] = draw.choice(FORM_BREAKS[: 3 if source == "jsonl" else 2])
        content = form(content, draw)
        names.append(form.__name__)
    done = f"{source} {ending} {'+'.join(names)}"
    return Broken(source=source, name=f"file{number}{ending}", content=content, done=done, num_rows=num_rows)


def sources() -> dict[str, Any]:
    """The data sources with the values of their YAML; all rows go to one split."""
    one_split = "data.split={train: 1, validation: 0, test: 0, seed: 0, stratify: null}"
    own = {"jsonl": ["data.facts=[label]"]}
    found = {}
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        for name in sorted({source for source, *_ in KINDS}):
            config = compose("config", overrides=[f"data={name}", "data.path=unused", one_split, *own.get(name, [])])
            found[name] = build(config, "data")
    return found


def judged(file: Broken, source: Any, folder: Path, *, strict: bool) -> tuple[str, str]:
    """What became of a file: `told` or `prepared`, and the words; or `FAILED` and why."""
    path = folder / file.name
    path.write_bytes(file.content)
    strictness = "error" if strict else "drop"
    change = {name: strictness for name in ("unanswered", "unlabelled") if hasattr(source, name)}
    out = folder / "out"
    out.mkdir(exist_ok=True)
    try:
        note = replace(source, path=path, **change).prepare(out)
    except LabError as error:
        return _told(str(error), file.name)
    except Exception:  # this is what the script looks for
        return "FAILED", traceback.format_exc(limit=-4)
    finally:
        path.unlink()
    return _counted(note, out, file.num_rows)


def _told(message: str, name: str) -> tuple[str, str]:
    if len(message) > LONGEST_MESSAGE:
        return "FAILED", f"the message has {len(message)} characters: {message[:200]}"
    if not _PLACE.search(message):
        return "FAILED", f"the message names no place: {message}"
    if name not in message and "got no rows" not in message:
        return "FAILED", f"the message names no file: {message}"
    return "told", message


def _counted(note: dict[str, Any], out: Path, num_rows: int | None) -> tuple[str, str]:
    num_out = sum(len(read_split(out, split)) for split in SPLITS)
    dropped = note["dropped"]
    lines = sum(1 for _ in (out / "dropped.jsonl").open(encoding="utf-8"))
    if note["rows_read"] != num_out + sum(dropped.values()) or lines != sum(dropped.values()):
        return "FAILED", f"{note['rows_read']} read, {num_out} out, {dropped} dropped, {lines} lines of dropped rows"
    if num_rows is not None and note["rows_read"] != num_rows:
        return "FAILED", f"the file has {num_rows} rows, {note['rows_read']} were read"
    return "prepared", f"{num_out} out, dropped: {dropped}"


def check(numbers: Sequence[int], *, seed: int, show: bool = False) -> tuple[Counter[str], list[str]]:
    """Judge the files of `numbers`: how many of each verdict, and a line for each failure."""
    made, verdicts, failures = sources(), Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            file = broken(number, seed)
            verdict, words = judged(file, made[file.source], Path(folder), strict=number % 2 == 0)
            verdicts[verdict] += 1
            if show:
                print(f"{number} [{file.done}] {verdict}: {words[:200]!r}")
            if verdict == "FAILED":
                failures.append(f"file {number} of seed {seed} [{file.done}]: {words}")
    return verdicts, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one file by its number")
    parser.add_argument("--show", action="store_true", help="every file's verdict")
    options = parser.parse_args()
    numbers = [options.only] if options.only is not None else range(options.files)
    verdicts, failures = check(numbers, seed=options.seed, show=options.show)
    print("\n\n".join(failures))
    print(", ".join(f"{verdict} {number}" for verdict, number in verdicts.items()))
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
