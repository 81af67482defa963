"""Generate the task data `pocketguide`: travel requests answered in a JSON envelope.

Every row is drawn from the word lists in `vocabulary.json`; the same rows, seed and
vocabulary give the same bytes. A row that comes too close to a row of another family is
drawn again, so a split by family has no near-duplicates across its parts.

    python scripts/make_pocketguide.py --rows 2400 --seed 42 --out finetune_lab/assets/pocketguide
    python scripts/make_pocketguide.py --check --out finetune_lab/assets/pocketguide
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

ASSETS = Path(__file__).parent.parent / "finetune_lab" / "assets" / "pocketguide"
MAX_SIMILARITY = 0.7
MAX_DRAWS = 400
Json = dict[str, Any]
# (prompt sentences, title, payload, overlay of the payload)
Draft = tuple[list[str], str, Json, Json]


def clock(minutes: int) -> str:
    """Minutes since midnight as `HH:MM`."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def demand(**properties: Json) -> Json:
    """A schema that asks for each named property and for its value."""
    return {"required": list(properties), "properties": properties}


def exactly(count: int, **rest: Any) -> Json:
    """A schema of a list with `count` items and whatever else `rest` asks."""
    return {"minItems": count, "maxItems": count, **rest}


def numbered(items: list[Json]) -> list[Json]:
    """The items with their place in the list in front: `1/3`, `2/3`, `3/3`."""
    return [{"n": f"{number}/{len(items)}", **item} for number, item in enumerate(items, 1)]


def day_plan(rng: Random, words: Json, theme: str, count: int, start: str, pause: int) -> list[Json]:
    """`count` blocks from `start` (HH:MM) on, one of them a meal, `pause` minutes between."""
    places = rng.sample(sorted(words["visits"][theme].items()), count - 1)
    places.insert(rng.randrange(1, count), (rng.choice(words["meals"]), "meal"))
    blocks, now = [], int(start[:2]) * 60 + int(start[3:])
    for place, kind in places:
        end = now + rng.choice([30, 60, 90])
        blocks.append({"start": clock(now), "end": clock(end), "place": place, "kind": kind})
        now = end + pause
    return numbered(blocks)


def itinerary(rng: Random, words: Json, city: str, theme: str) -> Draft:
    """One day of three to five stops."""
    count = rng.choice([3, 4, 5])
    pace, start, pause = (rng.choice(words[key]) for key in ("paces", "starts", "buffers"))
    prompt = [
        rng.choice([f"Plan one day in {city} at a {pace} pace.", f"We have one day in {city} and like a {pace} pace."]),
        rng.choice([f"We love {theme}.", f"Show us {theme}.", f"The theme is {theme}."]),
        rng.choice([f"Start at {start} with {count} stops.", f"Make {count} stops, the first at {start}."]),
        rng.choice([f"Leave {pause} minutes between stops.", f"Keep {pause} minutes free between stops."]),
        rng.choice(["One stop is a meal.", "We need a meal on the way."]),
    ]
    blocks = day_plan(rng, words, theme, count, start, pause)
    payload = {"pace": pace, "time_buffer": pause, "time_block": blocks}
    asked = exactly(count, contains=demand(kind={"const": "meal"}), prefixItems=[demand(start={"const": start})])
    overlay = demand(pace={"const": pace}, time_buffer={"const": pause}, time_block=asked)
    return prompt, f"A {pace} trip for {theme} in {city}", payload, overlay


def checklist(rng: Random, words: Json, city: str, theme: str) -> Draft:
    """Three to five things, the first of which the request names."""
    people, count = rng.randint(2, 6), rng.choice([3, 4, 5])
    pool = {**words["trips"][theme], **dict(rng.sample(sorted(words["basics"].items()), 3))}
    chosen = rng.sample(sorted(pool), count)
    items = [{"item": item, "group": pool[item], "quantity": rng.randint(1, 6), "packed": False} for item in chosen]
    named = chosen[0]
    prompt = [
        rng.choice([f"Make a packing list for a {theme} near {city}.", f"What do we pack for a {theme} near {city}?"]),
        rng.choice([f"We are {people} people.", f"It is for {people} people."]),
        rng.choice([f"List {count} things.", f"We want {count} things on the list."]),
        rng.choice([f"Begin with the {named}.", f"The first is the {named}."]),
    ]
    asked = exactly(count, prefixItems=[demand(item={"const": named})])
    overlay = demand(people={"const": people}, items=asked)
    return prompt, f"Packing list for {city}", {"people": people, "items": numbered(items)}, overlay


def budget(rng: Random, words: Json, city: str, theme: str) -> Draft:
    """Three to five costs of the same size, in whole tens, and their total."""
    currency, days, count = rng.choice(words["currencies"]), rng.randint(1, 5), rng.choice([3, 4, 5])
    share = rng.choice([10, 20, 30])
    total = share * count
    labels = rng.sample(words["plans"][theme], count)
    lines = [{"label": label, "amount": share, "pay": rng.choice(words["pays"])} for label in labels]
    prompt = [
        rng.choice([f"Make a budget for a {theme} in {city}.", f"Work out the costs of a {theme} in {city}."]),
        rng.choice(["It takes {} days.", "We stay {} days."]).format(days) if days > 1 else "It takes 1 day.",
        rng.choice([f"Count in {currency}.", f"We pay in {currency}."]),
        rng.choice([f"Give {count} lines of {share} each.", f"Write {count} lines, {share} for each."]),
    ]
    payload = {"currency": currency, "days": days, "lines": numbered(lines), "total": total}
    asked = exactly(count, items=demand(amount={"const": share}))
    overlay = demand(currency={"const": currency}, days={"const": days}, lines=asked)
    return prompt, f"Budget for a {theme} in {city}", payload, overlay


def translate(language: str, meaning: str) -> str:
    """The phrase of an invented language: always the same for the same meaning."""
    syllables = [a + b for a in "bdklmnrstv" for b in "aeiou"]
    rng = Random(f"{language}/{meaning}")
    return " ".join("".join(rng.choices(syllables, k=rng.choice([1, 2, 2]))) for _ in range(rng.choice([1, 2, 2])))


def phrasebook(rng: Random, words: Json, city: str, theme: str) -> Draft:
    """Three to five phrases of an invented language, the first of which the request names."""
    language, register = rng.choice(words["languages"]), rng.choice(words["registers"])
    count = rng.choice([3, 4, 5])
    pool = {**words["talks"][theme], **dict(rng.sample(sorted(words["manners"].items()), 2))}
    chosen = rng.sample(sorted(pool), count)
    phrases = [{"means": text, "say": translate(language, text), "when": pool[text]} for text in chosen]
    named = chosen[0]
    prompt = [
        rng.choice([f"We travel to {city} and want to speak {language}.", f"Teach me {language} for {city}."]),
        rng.choice([f"We need it {theme}.", f"It is for talk {theme}."]),
        rng.choice([f"Give {count} {register} phrases.", f"Write {count} phrases in a {register} tone."]),
        rng.choice([f"Begin with {named}.", f"The first is {named}."]),
    ]
    asked = exactly(count, prefixItems=[demand(means={"const": named})])
    overlay = demand(language={"const": language}, register={"const": register}, phrases=asked)
    payload = {"language": language, "register": register, "phrases": numbered(phrases)}
    return prompt, f"{language} phrases for {city}", payload, overlay


MAKERS: dict[str, tuple[str, Callable[[Random, Json, str, str], Draft]]] = {
    "itinerary": ("visits", itinerary),
    "checklist": ("trips", checklist),
    "budget": ("plans", budget),
    "phrasebook": ("talks", phrasebook),
}


def draw_row(rng: Random, words: Json, kind: str, city: str, theme: str) -> Json:
    """One row of the given family; its answer meets its schemas by construction."""
    (head, *tail), title, payload, overlay = MAKERS[kind][1](rng, words, city, theme)
    rng.shuffle(tail)
    prompt = " ".join([head, *tail, "Answer in JSON."])
    answer = json.dumps({"type": kind, "title": title, "payload": payload})
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    schema = demand(type={"const": kind}, title={"pattern": rf"\b{city}\b"}, payload=overlay)
    return {"messages": messages, "type": kind, "family": f"{kind}/{city}/{theme}", "schema": schema}


class Shingles:
    """Rows as bit sets of word 3-shingles: Jaccard by two operations on integers."""

    def __init__(self) -> None:
        self._bit_of: dict[tuple[str, ...], int] = {}
        self._seen: list[tuple[str, int, int]] = []

    def bits(self, row: Json) -> int:
        """The row's prompt and answer as a set of word 3-shingles."""
        words = re.findall(r"\w+", " ".join(message["content"] for message in row["messages"]).lower())
        shingles = {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
        return sum(1 << self._bit_of.setdefault(shingle, len(self._bit_of)) for shingle in sorted(shingles))

    def nearest(self, row: Json) -> float:
        """The highest Jaccard with an added row of another family; 0 if there is none."""
        mine, family, best = self.bits(row), row["family"], 0.0
        size = mine.bit_count()
        for name, bits, count in self._seen:
            shared = (mine & bits).bit_count()
            if name != family and shared > best * (size + count - shared):
                best = shared / (size + count - shared)
        return best

    def add(self, row: Json) -> None:
        """Remember the row for later calls of `nearest`."""
        bits = self.bits(row)
        self._seen.append((row["family"], bits, bits.bit_count()))


def families(rng: Random, words: Json) -> Iterator[tuple[str, str, str]]:
    """(type, city, theme) without end: the types in turn, each one's families in seeded order."""
    orders = {kind: list(product(words["cities"], words[pool])) for kind, (pool, _) in MAKERS.items()}
    for pairs in orders.values():
        rng.shuffle(pairs)
    while True:
        for pairs in zip(*orders.values(), strict=True):
            for kind, (city, theme) in zip(orders, pairs, strict=True):
                yield kind, city, theme


def make_rows(num_rows: int, seed: int, words: Json) -> list[Json]:
    """`num_rows` rows with prompts all different and no near-duplicate in another family.

    Raises RuntimeError where the word lists are too small for that many rows.
    """
    rng, shingles, prompts = Random(seed), Shingles(), set()
    rows: list[Json] = []
    for (kind, city, theme), _ in zip(families(rng, words), range(num_rows), strict=False):
        for _ in range(MAX_DRAWS):
            row = draw_row(rng, words, kind, city, theme)
            if row["messages"][0]["content"] not in prompts and shingles.nearest(row) <= MAX_SIMILARITY:
                break
        else:
            raise RuntimeError(f"{kind}/{city}/{theme}: no new row in {MAX_DRAWS} draws; add words or ask for less")
        prompts.add(row["messages"][0]["content"])
        shingles.add(row)
        rows.append(row)
    return rows


def describe(rows: list[Json], raw: bytes) -> Json:
    """The figures of the data card: counts, lengths in characters, nearest families, digest."""
    shingles, nearest = Shingles(), 0.0
    for row in rows:
        nearest = max(nearest, shingles.nearest(row))
        shingles.add(row)
    prompts, answers = ([row["messages"][turn]["content"] for row in rows] for turn in (0, 1))
    return {
        "rows": len(rows),
        "types": dict(Counter(row["type"] for row in rows)),
        "families": len({row["family"] for row in rows}),
        "distinct_prompts": len(set(prompts)),
        "prompt_chars_min_median_max": spread(prompts),
        "answer_chars_min_median_max": spread(answers),
        "max_similarity_between_families": round(nearest, 4),
        "sha256": hashlib.sha256(raw).hexdigest(),
    }


def spread(texts: list[str]) -> list[float]:
    """Lowest, median and highest length, in characters."""
    lengths = [len(text) for text in texts]
    return [min(lengths), statistics.median(lengths), max(lengths)]


def main() -> None:
    """Write `rows.jsonl` (or, with --check, only read it) and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--out", type=Path, default=ASSETS)
    parser.add_argument("--check", action="store_true", help="measure the file that is there; write nothing")
    arguments = parser.parse_args()
    path = arguments.out / "rows.jsonl"
    if not arguments.check:
        words = json.loads((ASSETS / "vocabulary.json").read_text(encoding="utf-8"))
        rows = make_rows(arguments.rows, arguments.seed, words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())
    raw = path.read_bytes()
    figures = describe([json.loads(line) for line in raw.splitlines()], raw)
    print(json.dumps(figures, indent=2))
    if figures["max_similarity_between_families"] > MAX_SIMILARITY:
        raise SystemExit(f"{path}: families closer than {MAX_SIMILARITY}")


if __name__ == "__main__":
    main()
