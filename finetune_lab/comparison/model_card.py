"""A model card in the hub's format, from what is on record: base, data, method, scores with intervals, limits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune_lab.comparison.parity import Parity
from finetune_lab.maths.compare import Difference
from finetune_lab.records import Decoding
from finetune_lab.text.terminal import visible


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a card tells. `config` is that of the run (method, data, seed); `report` what its training left behind."""

    name: str
    key: str
    base_name: str
    data: str
    method: str
    form: str
    library: str
    config: Mapping[str, Any]
    report: Mapping[str, Any]
    rows: Mapping[str, int]
    differences: Sequence[Difference]
    parity: Parity
    decoding: Decoding
    made: Mapping[str, Any]


def model_card(facts: Facts) -> str:
    """The text of a README.md with the hub's header."""
    return f"---\n{_header(facts)}\n---\n\n{_body(facts)}"


def _header(facts: Facts) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=facts.data,
            dataset_name=facts.data,
            dataset_split="test",
            metric_type=f"{found.evaluator}/{found.name}",
            metric_name=f"{found.evaluator}/{found.name}",
            metric_value=float(f"{found.candidate:.6g}"),
        )
        for found in facts.differences
        if found.candidate is not None
    ]
    known = ModelCardData(
        base_model=facts.base_name,
        library_name=facts.library,
        pipeline_tag="text-generation",
        tags=["finetune-lab", facts.method],
        model_name=facts.name,
        eval_results=results or None,
    )
    return known.to_yaml().strip()


def _body(facts: Facts) -> str:
    parts = [
        f"# {facts.name}",
        f"`{facts.base_name}` after `{facts.method}` on `{facts.data}`: {facts.form}. Made by finetune_lab, run "
        f"`{facts.key}`.",
        "## Scores",
        _scores(facts.differences),
        "## Data",
        _data(facts),
        "## Training",
        _table(("", ""), [(name, value) for name, value in _training(facts)]),
        "## This export beside what was scored",
        "\n".join(f"- {line}" for line in facts.parity.lines()),
        "## Limits",
        _limits(facts),
        "## How to decode",
        _decoding(facts.decoding),
    ]
    return "\n\n".join(parts) + "\n"


def _scores(differences: Sequence[Difference]) -> str:
    if not differences:
        return "Not scored yet: `task=run` scores base and tuned model, and another export then tells it here."
    rows = [
        (
            f"{found.evaluator}/{found.name} {'↑' if found.higher_is_better else '↓'}",
            _number(found.reference),
            _number(found.candidate),
            _number(found.difference, "+"),
            f"[{_number(found.low, '+')}, {_number(found.high, '+')}]",
            found.verdict,
        )
        for found in differences
    ]
    percent = f"{100 * differences[0].confidence:g} % interval"
    pairs = max(found.num_pairs for found in differences)
    return (
        _table(("score", "base", "tuned", "difference", percent, ""), rows)
        + f"\n\nOn {pairs} held-out samples that both models saw; the intervals cover these samples, not the noise of "
        "training: one seed."
    )


def _data(facts: Facts) -> str:
    counts = ", ".join(f"{name} {number}" for name, number in facts.rows.items())
    return f"`{facts.data}`: {counts or 'nothing is on record'} rows. The scores are of rows that training never saw."


def _training(facts: Facts) -> Iterator[tuple[str, str]]:
    for name in ("num_steps", "best_step", "best_validation_loss", "final_training_loss", "num_target_tokens"):
        if facts.report.get(name) is not None:
            yield name.replace("_", " "), _number(facts.report[name])
    if facts.report.get("num_trainable_parameters"):
        share = f"{facts.report['num_trainable_parameters']:,} of {facts.report['num_parameters']:,}"
        yield "trained parameters", share
    yield from ((f"`{name}`", f"`{value}`") for name, value in _leaves(facts.config))
    yield from ((name, str(facts.made[name])) for name in ("commit", "time") if facts.made.get(name))


def _limits(facts: Facts) -> str:
    worse = [found for found in facts.differences if found.verdict == "worse"]
    open_ = [found for found in facts.differences if found.verdict in ("same", "unclear")]
    lines = [
        "What it is good for is what the scores above cover; other tasks, languages and lengths were not measured."
    ]
    if worse:
        lines.append(f"Worse than its base by {', '.join(f'{one.evaluator}/{one.name}' for one in worse)}.")
    if open_:
        lines.append(f"No difference was shown in {', '.join(f'{one.evaluator}/{one.name}' for one in open_)}.")
    lines.append("What the base model may not be used for, and what it gets wrong, holds here as well.")
    return "\n".join(f"- {line}" for line in lines)


def _decoding(decoding: Decoding) -> str:
    how = "greedy" if decoding.temperature == 0 else f"sampled at temperature {decoding.temperature:g}"
    settings = ", ".join(f"`{name}={value}`" for name, value in vars(decoding).items())
    return f"Scored with {how} decoding: {settings}. Prompts go through the chat template that lies in this folder."


def _leaves(node: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{name}.")
        elif name not in ("_target_", "path", "paths"):  # places on a machine are nobody's affair
            yield f"{above}{name}", value


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return visible(str(value)).replace("|", "\\|").replace("\n", " ")


def _number(value: Any, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.4g}" if isinstance(value, float) else f"{value:,}"
