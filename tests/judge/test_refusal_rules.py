"""The rules as a judge: every exchange gets a verdict, in its order."""

from finetune_lab.judge.refusal_rules import RefusalRules


def test_every_exchange_gets_a_verdict_in_its_order():
    asked = [("a?", "Sure, here it is."), ("b?", "I cannot help with that."), ("c?", "")]
    assert [found.verdict for found in RefusalRules().judge(asked, None)] == ["complied", "refused", "incoherent"]
