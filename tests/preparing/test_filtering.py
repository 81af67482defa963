"""Filters run in order, no row is lost, and rows that are alike share a split that later rows do not change."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from finetune_lab.errors import DataError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.lab import Lab
from finetune_lab.preparing.families import Settled, settle
from finetune_lab.preparing.filtering import Part, described, number_of, text_of, value_of
from finetune_lab.preparing.pipeline import convert, read_split, write_splits
from finetune_lab.preparing.reading import Row
from finetune_lab.preparing.splitting import SPLITS, Split
from finetune_lab.records import Candidate, Sample, Verdict

ALL = Split(train=1, validation=0, test=0, seed=0)
THREE = Split(train=0.5, validation=0.25, test=0.25, seed=3)


@dataclass(frozen=True)
class Dividing:
    """Drops the rows whose number `by` divides; keeps what it was shown."""

    by: int

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        return [
            Verdict(reason=f"by {self.by}", detail=str(row.fields["n"]))
            if row.fields["n"] % self.by == 0
            else Verdict()
            for row in rows
        ]


@dataclass(frozen=True)
class Likeness:
    likes: dict[str, str]

    def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
        return [Verdict(like=self.likes.get(row.sample.id)) for row in rows]


def numbered(num: int) -> list[Row]:
    return [Row(fields={"text": f"text {n}", "n": n}, place=f"file, line {n + 1}") for n in range(num)]


def test_each_filter_sees_what_the_one_before_let_through(tmp_path: Path) -> None:
    rows = [*numbered(30), Row(fields={"text": "text 1", "n": 1}, place="file, line 31")]
    note = write_splits(tmp_path, convert(rows), ALL, {}, {"two": Dividing(2), "three": Dividing(3)})
    steps = [(step["step"], step["rows_in"], step["rows_out"], step["dropped"]) for step in note["steps"]]
    assert steps == [
        ("reading", 31, 30, {"stands twice": 1}),
        ("two", 30, 15, {"by 2": 15}),
        ("three", 15, 10, {"by 3": 5}),
    ]
    assert note["dropped"] == {"stands twice": 1, "two: by 2": 15, "three: by 3": 5}
    assert [example["place"] for example in note["steps"][2]["examples"]] == [f"file, line {n}" for n in (4, 10, 16)]
    dropped = [json.loads(line) for line in (tmp_path / "dropped.jsonl").read_text().splitlines()]
    assert {"step": "three", "reason": "by 3", "detail": "9"}.items() <= dropped[17].items()
    assert len(dropped) + len(read_split(tmp_path, "train")) == note["rows_read"] == 31


def test_a_filter_that_forgets_a_row_is_an_error_of_ours(tmp_path: Path) -> None:
    class Forgetful:
        def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
            return [Verdict() for _ in rows[1:]]

    with pytest.raises(ValueError, match="shorter"):
        write_splits(tmp_path, convert(numbered(3)), ALL, {}, {"forgetful": Forgetful()})


def test_filters_that_leave_nothing_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"of 4 that were read one dropped 4"):
        write_splits(tmp_path, convert(numbered(4)), ALL, {}, {"one": Dividing(1)})


def test_the_order_of_filters_is_identity_and_none_is_as_before(lab: Callable[..., Lab]) -> None:
    two, three = Dividing(2), Dividing(3)
    assert fingerprint(described({"a": two, "b": three})) != fingerprint(described({"b": three, "a": two}))
    assert described({}) == {}
    assert "filters" not in lab().data.identity()


def places(found: Settled) -> dict[str | None, str]:
    return {sample.text: name for name, samples in found.splits.items() for sample in samples}


def families(num: int, seed: int) -> tuple[list[Sample], dict[str, str]]:
    """Rows of few groups, a third of which are like one that stands before."""
    random = Random(seed)
    rows = [Sample.of(text=f"row {n}", group=f"group {random.randrange(num)}") for n in range(num)]
    likes = {row.id: random.choice(rows[:n]).id for n, row in enumerate(rows) if n and random.random() < 0.4}
    return rows, likes


def shared(likes: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Likenesses as names that both rows have."""
    found: dict[str, tuple[str, ...]] = {}
    for one, other in likes.items():
        for name in (one, other):
            found[name] = (*found.get(name, ()), f"like {other}")
    return found


@pytest.mark.parametrize("seed", range(20))
def test_no_group_and_no_family_falls_into_two_splits_and_later_rows_move_none(seed: int) -> None:
    rows, likes = families(120, seed)
    found, text = settle(rows, THREE, keys=shared(likes)), {row.id: row.text for row in rows}
    place = places(found)
    assert all(THREE.of(sample.group) == name for name, rows in found.splits.items() for sample in rows)
    assert len(place) + len(found.fallen) == len(rows)
    alike = [(text[one], text[other]) for one, other in likes.items()]
    assert all(place[one] == place[other] for one, other in alike if {one, other} <= place.keys())
    own = {row.text: row.group for row in rows}
    for group in set(own.values()):
        assert len({place[name] for name in place if own[name] == group}) <= 1
    before = settle(rows[:60], THREE, keys=shared(likes))
    assert places(before).items() <= place.items()
    assert {one.id for one, _ in before.fallen} <= {one.id for one, _ in found.fallen}
    assert len(found.fallen) < len(rows) / 4


def test_a_row_that_is_like_rows_of_two_splits_is_dropped_and_counted(tmp_path: Path) -> None:
    names = [f"group {n}" for n in range(40)]
    first, other = (next(name for name in names if THREE.of(name) == split) for split in ("train", "test"))
    given = [Row(fields={"text": str(n), "n": n, "who": names[n % 40]}, place=f"line {n}") for n in range(80)]
    found = convert(given, group_by="who")
    ids = {sample.group: sample.id for sample in found.samples}
    likes = {next(s.id for s in found.samples[40:] if s.group == other): ids[first]}
    note = write_splits(tmp_path, found, THREE, {}, {"near": Likeness(likes)})
    assert note["dropped"] == {"splitting: tied to rows of two splits": 1}
    assert sum(note["splits"][name]["rows"] for name in SPLITS) == 79


def test_rows_that_are_alike_share_a_group_afterwards(tmp_path: Path) -> None:
    found = convert(numbered(60))
    likes = {found.samples[n].id: found.samples[n - 30].id for n in range(30, 60)}
    write_splits(tmp_path, found, THREE, {}, {"near": Likeness(likes)})
    rows = [(sample, name) for name in SPLITS for sample in read_split(tmp_path, name)]
    groups = {sample.text: (sample.group, name) for sample, name in rows}
    assert len(groups) == len({sample.id for sample, _ in rows}) == 60
    text = {sample.id: sample.text for sample in found.samples}
    assert all(groups[text[one]] == groups[text[other]] for one, other in likes.items())
    assert all(sample == Sample.of(text=sample.text, group=sample.group) for sample, _ in rows if sample.text in likes)


def test_rows_that_are_like_one_that_goes_later_stay_together(tmp_path: Path) -> None:
    """Two filters of likeness, and one that drops what all are like: ten families, each still in one split."""
    found = convert(numbered(60))
    ids = [sample.id for sample in found.samples]
    near = Likeness({ids[n]: ids[n % 10] for n in range(10, 40)})
    far = Likeness({ids[n]: ids[n - 30] for n in range(40, 60)})

    class WithoutTheFirst:
        def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
            return [Verdict(reason="gone" if row.sample.id in ids[:10] else None) for row in rows]

    note = write_splits(tmp_path, found, THREE, {}, {"near": near, "far": far, "last": WithoutTheFirst()})
    assert note["dropped"] == {"last: gone": 10}
    place = {int(str(row.text).split()[1]): name for name in SPLITS for row in read_split(tmp_path, name)}
    assert len(place) == 50
    assert len(set(place.values())) == 3
    for family in range(10):
        assert len({place[n] for n in place if n % 10 == family}) == 1


def test_what_a_filter_found_joins_the_facts_and_the_name(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Labelling:
        def keep(self, rows: Sequence[Candidate]) -> list[Verdict]:
            return [Verdict(facts={"even": row.fields["n"] % 2 == 0}) for row in rows]

    found = convert(numbered(8))
    write_splits(tmp_path, found, ALL, {}, {"labelling": Labelling()})
    rows = read_split(tmp_path, "train")
    assert [row.facts for row in rows] == [{"even": n % 2 == 0} for n in range(8)]
    assert not {row.id for row in rows} & {row.id for row in found.samples}  # other content, another name
    assert [row.group for row in rows] == [row.group for row in found.samples]  # and the split that it had


def test_values_are_found_among_facts_and_fields_and_below_dots() -> None:
    sample = Sample.of(text="t", facts={"label": "a", "n": None})
    row = Candidate(sample=sample, fields={"n": 3, "author": {"followers": "1200"}, "a.b": float("nan")}, place="x")
    assert (value_of(row, "label"), value_of(row, "n"), value_of(row, "none.such")) == ("a", 3, None)
    assert [number_of(row, name) for name in ("author.followers", "n", "label", "a.b", "author")] == [
        *(1200.0, 3.0, None, None, None)
    ]


@pytest.mark.parametrize("seed", range(10))
def test_rows_that_share_any_key_share_a_split(seed: int) -> None:
    random = Random(seed)
    rows = [Sample.of(text=f"row {n}", group=f"dialogue {random.randrange(60)}") for n in range(150)]
    keys = {row.id: (f"author {random.randrange(80)}",) for row in rows}
    found = settle(rows, THREE, keys=keys)
    place = places(found)
    assert len(place) + len(found.fallen) == len(rows)
    for name in {row.group for row in rows} | {key for (key,) in keys.values()}:
        tied = [row for row in rows if name in (row.group, *keys[row.id])]
        assert len({place[row.text] for row in tied if row.text in place}) <= 1
    assert len(place) > 60


STRATIFIED = Split(train=0.8, validation=0.1, test=0.1, seed=1, stratify="label")


@pytest.mark.parametrize("seed", range(5))
def test_every_stratum_gets_the_shares_to_a_row_or_two_and_added_rows_move_none(seed: int) -> None:
    random = Random(seed)
    rows = [Sample.of(text=f"row {n}", facts={"label": random.choice("aaaaaab")}) for n in range(400)]
    strata = {row.id: str(row.facts["label"]) for row in rows}
    place = places(settle(rows, STRATIFIED, strata=strata))
    for label in "ab":
        ours = [place[row.text] for row in rows if strata[row.id] == label]
        for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
            assert abs(ours.count(name) - share * len(ours)) <= 2
    assert places(settle(rows[:150], STRATIFIED, strata=strata)).items() <= place.items()
    other = STRATIFIED.__class__(**{**STRATIFIED.identity(), "seed": 2})
    assert places(settle(rows, other, strata=strata)) != place


def test_strata_leave_groups_whole_and_a_row_without_one_is_told(tmp_path: Path) -> None:
    given = [
        Row(fields={"text": str(n), "who": f"p{n % 40}", "label": "ab"[n % 2]}, place=f"line {n}") for n in range(400)
    ]
    note = write_splits(tmp_path, convert(given, group_by="who", facts=("label",)), STRATIFIED, {})
    rows = [(sample.group, name) for name in SPLITS for sample in read_split(tmp_path, name)]
    assert len(set(rows)) == 40
    assert abs(note["splits"]["train"]["rows"] - 320) <= 20
    given[7].fields["label"] = None
    with pytest.raises(DataError, match=r"line 7: no label, which data\.split\.stratify names"):
        write_splits(tmp_path, convert(given), STRATIFIED, {})


def test_the_parts_of_a_row() -> None:
    turns = [("system", "s"), ("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2")]
    row = Sample.of(messages=[{"role": role, "content": text} for role, text in turns])
    parts: tuple[Part, ...] = ("prompt", "answer", "learned", "all")
    assert [text_of(row, part).split() for part in parts] == [
        *(["s", "q1", "a1", "q2"], ["a2"], ["a1", "a2"], ["s", "q1", "a1", "q2", "a2"])
    ]
    assert [text_of(Sample.of(text="t"), part) for part in parts] == ["", "t", "t", "t"]
