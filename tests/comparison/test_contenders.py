"""Who stands in a comparison: seeds together, arms apart, and one model in two modes as two bases."""

from types import SimpleNamespace

from finetune_lab.comparison.contenders import contenders


def member(run, base, label="rag", seed=0, **changes):
    model = {"repo": "q", "template_options": {"enable_thinking": changes.pop("thinking", False)}}
    config = {"model": model, "method": {"num_examples": 2, **changes}, "seed": seed}
    return SimpleNamespace(run=run, base=base, label=label, model="q", config=config, measures={"schema": "m"})


def labels(*members):
    arms, bases = contenders(members)
    return [one.label for one in bases], [one.label for one in arms]


def test_seeds_are_one_arm_and_one_base_needs_no_name():
    assert labels(member("a", "b"), member("c", "b", seed=1)) == (["base"], ["rag"])


def test_one_model_in_two_modes_is_two_bases_with_names_of_their_own():
    found = [member("a", "b", thinking=True), member("c", "d"), member("e", "d", label="qlora")]
    assert labels(*found) == (
        ["base q enable_thinking=True", "base q enable_thinking=False"],
        ["rag q enable_thinking=True", "rag q enable_thinking=False", "qlora q enable_thinking=False"],
    )
    _, bases = contenders(found)
    assert [dict(one.config) for one in bases] == [{}, {}]
