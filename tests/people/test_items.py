"""An item is its content: nothing of it tells whose answer is whose, and sides are drawn evenly."""

from finetune_lab.people.items import Item, alike, distinct, draw, in_places

PROMPT = [{"role": "user", "content": "q"}]


def test_who_wrote_which_answer_leaves_no_trace() -> None:
    assert Item.of(PROMPT, ["a", "b"]) == Item.of(PROMPT, ["b", "a"])


def test_an_item_is_its_prompt_and_its_texts() -> None:
    first = Item.of(PROMPT, ["a", "b"])
    assert first.id != Item.of(PROMPT, ["a", "c"]).id
    assert first.id != Item.of([{"role": "user", "content": "p"}], ["a", "b"]).id
    assert Item.of(PROMPT, ["\ud800"]).id  # half a surrogate, as models write them
    assert distinct([first, Item.of(PROMPT, ["b", "a"])]) == (first,)


def test_the_same_text_is_level() -> None:
    assert alike(["a ", " a"])
    assert not alike(["a", "b"])


def test_sides_are_even_for_every_rater_and_differ_between_raters() -> None:
    places = {rater: [in_places(("a", "b"), str(n), rater, "0")[0] for n in range(2000)] for rater in ("ada", "bob")}
    for column in places.values():
        assert abs(column.count("a") - 1000) < 4 * 500**0.5
    same = sum(one == other for one, other in zip(*places.values(), strict=True))
    assert abs(same - 1000) < 4 * 500**0.5
    assert places["ada"] == [in_places(("a", "b"), str(n), "ada", "0")[0] for n in range(2000)]


def test_draws_are_those_of_the_published_functions() -> None:
    """FNV-1a of "foobar" is bf9cf968; what follows is MurmurHash3's finaliser, which keeps 0 at 0."""
    found = 0xBF9CF968
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        found = (found ^ found >> shift) * factor % 2**32
    assert draw("foobar") == found ^ found >> 16
    assert draw("a", "b") != draw("ab")
