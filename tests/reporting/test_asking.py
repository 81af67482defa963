"""Each question is asked once, and a line that would fill a section replaces what it is about."""

from types import SimpleNamespace
from typing import Any

from finetune_lab.reporting.asking import Asking, Wanted


def asking(overrides: tuple[str, ...], measured_by: dict[str, str]) -> Asking:
    asked: list[str] = []

    def ask(sql: str, parameters: Any) -> Any:
        asked.append(sql)
        return SimpleNamespace(sql=sql, parameters=parameters, columns=("a",), rows=((len(asked),),))

    store = SimpleNamespace(ask=ask)
    wanted = Wanted(
        group="g", parameters={}, uses=(), measured_by=measured_by, currency="EUR", program="lab", overrides=overrides
    )
    return Asking(store, wanted)


def test_a_question_is_asked_once() -> None:
    ask = asking((), {})
    assert ask("one", "select 1") is ask("again", "select 1")
    assert ask("two", "select 2").cell(0, "a").value == 2
    assert list(ask.queries) == ["q1", "q2"]


def test_lines_replace_the_part_that_they_are_about() -> None:
    own = ("method=lora", "method.rank=4", "adapter@method.adapter=dora", "eval=[text]", "+eval.text.x=1", "seed=2")
    ask = asking(own, {"spectra": "method=grit", "layers": "eval=[aqi]"})
    assert ask.line("spectra") == "lab eval=[text] +eval.text.x=1 seed=2 group=g method=grit"
    assert ask.line("layers") == "lab method=lora method.rank=4 adapter@method.adapter=dora seed=2 group=g eval=[aqi]"
    assert ask.line() == " ".join(["lab", *own, "group=g"])
