"""Real files under real tokenizers and chat templates: is what is learned the answers and their ends, to the token?

python scripts/check_masks.py [--data ../shared/data] [--rows 60]; --rows 0 checks every row. docs/realdata.md lists the
files. Every row is checked by two routes that know nothing of one another (characters, and what changes when an answer
is exchanged), and by a third that decodes what is learned and compares it with the answers.
"""

import argparse
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

from finetune_lab.data.dailydialog import DailyDialog
from finetune_lab.errors import DataError
from finetune_lab.preparing.pipeline import convert, read_split
from finetune_lab.preparing.splitting import Split
from finetune_lab.preparing.tables import read_table
from finetune_lab.records import Sample
from finetune_lab.text.chat import Chat

ROOT = Path(__file__).resolve().parent.parent
ALL = Split(train=1, validation=0, test=0, seed=0)
TOKENIZERS = ("llama3", "qwen3", "phi3_mini")
OPTIONS = {"qwen3": {"enable_thinking": False}}
OWN = "own"
#: name -> (path, shape, rows in the file, rows that can be learned from)
FILES: dict[str, tuple[str, str, int, int]] = {
    "alpaca": ("instructions/alpaca_en_demo.json", "alpaca", 999, 999),
    "identity": ("instructions/identity.json", "alpaca", 91, 91),
    "tool calls": ("instructions/glaive_toolcall_en_demo.json", "tool_calls", 300, 300),
    "GSM8K": ("instructions/gsm8k_train.jsonl", "question_answer", 7473, 7473),
    "DPO": ("preferences/dpo_en_demo.json", "dpo", 300, 300),
    "KTO": ("preferences/kto_en_demo.json", "kto", 300, 150),
    "DailyDialog": ("dialogues/dailydialog_dialogues_test.txt", "dialogue", 2624, 2624),
    "XSTest, GPT-4": ("safety/xstest_v2_completions_gpt4.csv", "prompt_completion", 450, 450),
    "XSTest, Llama 2": ("safety/xstest_v2_completions_llama2orig.csv", "prompt_completion", 450, 450),
}


@dataclass(kw_only=True)
class Result:
    """What was checked of one file under one tokenizer and template."""

    num_rows: int = 0
    num_tokens: int = 0
    num_learned: int = 0
    num_exact: int = 0  # answers whose learned text is the same to the last space; the others but for white space
    num_answers: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


@cache
def load_rows(data: Path, name: str) -> tuple[Sample, ...]:
    """The rows of a file that can be learned from; AssertionError unless all that were read are accounted for."""
    place, shape, due_rows, due_kept = FILES[name]
    if shape == "dialogue":
        with tempfile.TemporaryDirectory() as folder:
            source = DailyDialog(path=data / place, exchange="whole", tidy=True, split=ALL, filters={})
            note = source.prepare(Path(folder))
            kept = read_split(Path(folder), "train")
        read, dropped, shapes = note["rows_read"], note["dropped"], note["shapes"]
    else:
        found = convert(read_table(data / place), unanswered="drop")
        kept, read, shapes = tuple(found.samples), found.num_read, dict(found.shapes)
        dropped = Counter(one.reason for one in found.dropped)
    assert shapes == {shape: due_rows}, f"{name}: {shapes}"
    assert len(kept) + sum(dropped.values()) == read, f"{name}: a row was lost"
    unlike = {why: num for why, num in dropped.items() if why != "stands twice"}
    assert len(kept) == due_kept - dropped.get("stands twice", 0), f"{name}: {unlike}"
    return kept


@cache
def load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def load_chat(data: Path, tokenizer: str, template: str) -> Chat:
    """A tokenizer with its own template, or with one of the folder's."""
    loaded = load_tokenizer(data / "tokenizers" / tokenizer)
    if template == OWN:
        return Chat.of(loaded, None, OPTIONS.get(tokenizer))
    return Chat.of(loaded, (data / "chat_templates" / f"{template}.jinja").read_text())


def fitting(data: Path, tokenizer: str) -> list[str]:
    """The templates whose control tokens are single tokens of the tokenizer."""
    loaded = load_chat(data, tokenizer, OWN).tokenizer
    found = []
    for path in sorted((data / "chat_templates").glob("*.jinja")):
        text = path.read_text()
        control = set(re.findall(r"<\|?[a-z_]+\|?>", text)) - {"<tools>", "<tool_call>", "<tool_response>"}
        control -= set(re.findall(r"<(?:function|args)[a-z-]*>", text))
        single = all(len(loaded.encode(token, add_special_tokens=False)) == 1 for token in control)
        if single and (loaded.bos_token is not None or "bos_token" not in text):
            found.append(path.stem)
    return found


def check(chat: Chat, rows: Sequence[Sample]) -> Result:
    """Check rows; a row that the template refuses is counted with its reason."""
    result = Result()
    for row in rows:
        try:
            problem = _problem(chat, row, result)
        except DataError as error:
            result.refused[re.sub(r"row \w+: |\d+", "", str(error))[:90]] += 1
            continue
        result.num_rows += 1
        if problem:
            result.wrong.append(f"row {row.id}: {problem}")
    return result


def _problem(chat: Chat, row: Sample, result: Result) -> str | None:
    tokens = chat.conversation(row)
    result.num_tokens += len(tokens.ids)
    result.num_learned += sum(tokens.targets)
    if tokens.targets != chat.mask_by_difference(row):
        return "the two routes differ"
    prompt = chat.prompt(row.prompt)
    if list(tokens.ids[: len(prompt)]) != prompt:
        return "the prompt of training is not that of use"
    if tokens.targets[len(prompt) - 1] or not tokens.targets[len(prompt)]:
        return "what is learned does not begin where the prompt ends"
    bos = chat.tokenizer.bos_token_id
    if chat.bos is not None and (tokens.ids[0] != bos or tokens.ids[1] == bos):
        return "not one BOS"
    if chat.bos is None and bos is not None and bos in tokens.ids and chat.tokenizer.bos_token not in str(row.messages):
        return "a BOS that the tokenizer does not put there"
    return _unlike(chat, row, tokens, result)


def _unlike(chat: Chat, row: Sample, tokens: Any, result: Result) -> str | None:
    """Compare every stretch that is learned, decoded, with its answer and the end token behind it."""
    pairs = zip(tokens.targets, tokens.ids, strict=True)
    stretches = [[token for _, token in run] for due, run in groupby(pairs, key=lambda pair: pair[0]) if due]
    answers = [turn["content"] for turn in row.messages if turn["role"] == "assistant"]
    if len(stretches) != len(answers):
        return f"{len(stretches)} stretches are learned, there are {len(answers)} answers"
    for answer, stretch in zip(answers, stretches, strict=True):
        if {stretch[-1]} != chat.end_tokens or stretch[-1] not in chat.special:
            return "the end token is not learned"
        said = chat.tokenizer.decode(stretch[:-1], clean_up_tokenization_spaces=False)
        result.num_answers += 1
        result.num_exact += said.strip() == answer.strip()
        if re.sub(r"\s", "", said) != re.sub(r"\s", "", answer):
            return f"learned {said[:60]!r} where the answer is {answer[:60]!r}"
    return None


def some(rows: Sequence[Sample], num: int) -> Sequence[Sample]:
    return Random(0).sample(list(rows), min(num, len(rows))) if num else rows


def results(data: Path, num: int, show: Callable[[str], None]) -> Iterator[Result]:
    """Own templates with `num` rows of each file (0: all), the others with a tenth as many."""
    for tokenizer in TOKENIZERS:
        for template in (OWN, *fitting(data, tokenizer)):
            chat = load_chat(data, tokenizer, template)
            each = num if template == OWN else max(num // 10, 3)
            for name in FILES:
                found = check(chat, some(load_rows(data, name), each))
                refused = f", refused {dict(found.refused)}" if found.refused else ""
                show(
                    f"{tokenizer:10} {template:22} {name:16} {found.num_rows:5} rows, {found.num_tokens:8} tokens, "
                    f"{found.num_learned:7} learned, {len(found.wrong)} wrong{refused}"
                )
                for line in found.wrong[:3]:
                    show(f"    {line}")
                yield found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--rows", type=int, default=60, help="of each file; 0: all")
    given = parser.parse_args()
    found = list(results(given.data, given.rows, print))
    wrong, rows = sum(len(one.wrong) for one in found), sum(one.num_rows for one in found)
    tokens, refused = sum(one.num_tokens for one in found), sum(one.refused.total() for one in found)
    exact, answers = sum(one.num_exact for one in found), sum(one.num_answers for one in found)
    print(f"{rows} rows, {tokens} tokens, {answers} answers ({exact} to the last space): {wrong} wrong")
    print(f"{refused} rows refused by a template, with its reason")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
