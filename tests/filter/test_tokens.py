"""Length in tokens is what the model's own template and tokenizer make of a row."""

from typing import Any

from finetune_lab.fingerprint import fingerprint


def test_tokens_are_those_of_the_template(lab: Any, candidate: Any) -> None:
    rows = [candidate(prompt="where to?", answer=answer) for answer in ("a", "a b c d e f g h i j k l m n o p")]
    chat = lab().model.chat()
    lengths = [len(chat.conversation(row.sample).ids) for row in rows]
    assert lengths[0] < lengths[1]
    line = ["filter@data.filters=[tokens]", f"data.filters.tokens.most={lengths[1] - 1}"]
    one = lab(*line).data.filters["tokens"]
    assert [v.reason for v in one.keep(rows)] == [None, f"over {lengths[1] - 1} tokens"]
    learned = [sum(chat.conversation(row.sample).targets) for row in rows]
    line = ["filter@data.filters=[tokens]", "data.filters.tokens.part=answer", f"data.filters.tokens.most={learned[0]}"]
    found = lab(*line).data.filters["tokens"].keep(rows)
    assert [v.detail for v in found] == ["", str(learned[1])]


def test_the_tokenizer_counts_and_the_weights_do_not(lab: Any) -> None:
    line = ["filter@data.filters=[tokens]"]
    plain, quantised = (lab(*line, f"model.quantization={q}").data for q in ("none", "nf4"))
    assert fingerprint(plain) == fingerprint(quantised)
    assert plain.filters["tokens"].identity()["tokenizer"] == lab().model.tokenizer_digest()
