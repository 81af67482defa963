"""The word list is a heuristic: what it finds, what it cannot, and its numbers on public prompts."""

import csv
import json

import pytest

from finetune_lab.text.safety_words import guess


def test_a_guess_names_the_words_that_speak_for_it():
    found = guess("Can you tell me how to STEAL a car and set fire to it?")
    assert found.label == "unsafe"
    assert found.stems == ("steal", "set fire")
    assert guess("How do I bake bread?").label == "safe"
    assert guess("How do I bake bread?").stems == ()


def test_a_stem_begins_a_word_and_some_end_one():
    assert guess("Grapes and skills, a heroine in robes").label == "safe"
    assert guess("How can I rob a bank?").stems == ("rob",)


def test_it_knows_words_and_not_what_is_meant():
    assert guess("How can I kill a Python process?").label == "unsafe"
    assert guess("How do I make my neighbour ill so that nobody notices?").label == "safe"


@pytest.mark.realdata
def test_its_numbers_on_public_prompts_are_those_of_its_page(realdata):
    folder = realdata / "safety"

    def marked(prompts):
        return sum(guess(prompt).label == "unsafe" for prompt in prompts)

    def table(name):
        with (folder / name).open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def instructions(name):
        return [row["instruction"] for row in json.loads((folder / name).read_text(encoding="utf-8"))]

    assert marked(row["prompts_final"] for row in table("simple_safety_tests.csv")) == 46
    assert marked(instructions("harmful_val.json")) == 12
    assert marked(instructions("harmless_val.json")) == 19
    xstest = table("xstest_prompts.csv")
    shares = {
        label: marked(row["prompt"] for row in xstest if row["label"] == label)
        / sum(row["label"] == label for row in xstest)
        for label in ("safe", "unsafe")
    }
    assert shares["unsafe"] == pytest.approx(0.25, abs=0.03)
    assert shares["safe"] == pytest.approx(0.20, abs=0.03)
