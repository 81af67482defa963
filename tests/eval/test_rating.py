"""The evaluator of ratings: its scale is identity, whose answers stand beside is not."""

from typing import Any

import pytest

from finetune_lab.errors import WorldError
from finetune_lab.fingerprint import fingerprint
from finetune_lab.people.votes import Vote, append_votes, votes_file


def test_what_is_identity(lab: Any) -> None:
    def key(*line: str) -> tuple[str, str]:
        evaluator = lab("eval=[rating]", *line).evaluators["rating"]
        return fingerprint(evaluator), evaluator.votes_key()

    plain = key()
    assert key("eval.rating.beside=[base,grit]") == plain
    assert key("eval.rating.scale.highest=5")[0] != plain[0]
    assert key("eval.rating.scale.highest=5")[1] != plain[1]
    assert key("eval.rating.gold.needed=0.5")[0] != plain[0]
    assert key("eval.rating.gold.needed=0.5")[1] == plain[1]


def test_ratings_become_a_mean(lab: Any, answered: Any, row: Any, tmp_path: Any) -> None:
    evaluator = lab("eval=[rating]").evaluators["rating"]
    asked = [row("q0"), row("q1")]
    subject = answered(asked, ["one", "two"])
    object.__setattr__(subject, "folder", tmp_path / "evals" / "rating-key" / "artifact")
    with pytest.raises(WorldError, match="nobody has rated the answers of base yet"):
        evaluator.evaluate(subject)
    answers = subject.answers(evaluator.decoding)
    for item, said in zip(evaluator.ballot(asked, [answers]).items, ("3", "8"), strict=True):
        vote = Vote(
            item=item.id, shown=(item.answers[0].id,), said=said, rater="ada", time="t", seconds=1, source="terminal"
        )
        append_votes(votes_file(tmp_path, "rating", evaluator.votes_key()), [vote])
    found = evaluator.evaluate(subject)
    assert found.columns["rating"] == [3.0, 8.0]
    assert found.scores[0].value == 5.5
