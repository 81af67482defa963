"""Every backend beside its own library's plain loop: the same greedy work, ratios of interleaved rounds.

    python scripts/bench_backends.py [--rounds 7] [--limit 1.05] [--prompts 16] [--tokens 48]

transformers: module.generate over left-padded batches, sorted by length; openai_compatible: the official client's
calls from as many threads; llama_cpp: create_completion, where it is installed. Exit code 1 where the median ratio of
a backend to its loop is above the limit. Seconds are those of the processor in this process, which other work on the
machine hardly lengthens; the stand-in for a server does the same work for both sides.
"""

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_parts import composed, load_average
from judge_server import JudgeServer

AT_ONCE = 8
Way = Callable[[], Any]


def main() -> None:
    """Measure what is here; say what is not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--limit", type=float, default=1.05)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=48)
    asked = parser.parse_args()
    slow = []
    for name, opened in (("transformers", transformers), ("openai_compatible", server), ("llama_cpp", llama)):
        if name == "llama_cpp" and importlib.util.find_spec("llama_cpp") is None:
            print("llama_cpp          not installed")
            continue
        with opened(asked) as (ours, plain):
            found = ratios(ours, plain, asked.rounds)
        middle = statistics.median(found)
        print(
            f"{name:18} ours / plain loop: median {middle:.3f}, from {min(found):.3f} to {max(found):.3f} over "
            f"{len(found)} rounds (load {load_average()})",
            flush=True,
        )
        slow += [name] if middle > asked.limit else []
    raise SystemExit(bool(slow))


def ratios(ours: Way, plain: Way, rounds: int) -> list[float]:
    """Seconds of ours over seconds of the loop, round by round, in turns of which goes first."""
    ours(), plain()
    found = []
    for number in range(rounds):
        spent = {}
        for way in (ours, plain) if number % 2 else (plain, ours):
            started = time.process_time()
            way()
            spent[way] = time.process_time() - started
        found.append(spent[ours] / spent[plain])
    return found


def prompts_of(asked: Any) -> dict[str, Any]:
    """Requests of uneven length."""
    subjects = ("boats", "a crow", "two lanterns in a garden", "the letters that Nora wrote to her aunt in the hills")
    return {
        str(number): [{"role": "user", "content": f"Tell me a story about {subjects[number % 4]}, number {number}."}]
        for number in range(asked.prompts)
    }


def source_and_runtime() -> tuple[Any, Any]:
    """The embedded model, plain, on the CPU."""
    from finetune_lab.config import build

    config = composed("model=tiny", "model.quantization=none", "runtime.device=cpu", "tracker=none")
    source, runtime = build(config, "model", "runtime")
    return source, runtime


@contextmanager
def transformers(asked: Any) -> Iterator[tuple[Way, Way]]:
    """The engine in batches, and the loop that one writes by hand."""
    import torch

    from finetune_lab.backend.transformers import Transformers
    from finetune_lab.inference.backends import Served
    from finetune_lab.records import Decoding

    source, runtime = source_and_runtime()
    prompts, decoding = prompts_of(asked), Decoding(max_new_tokens=asked.tokens)
    served = Served(load=lambda: source.load(runtime).as_base(), chat=source.chat, gguf=Path)
    with Transformers().open(served, runtime) as opened:
        engine = opened._engine

        def plain() -> None:
            tokenizer, coded = engine.chat.tokenizer, [engine.chat.prompt(turns) for turns in prompts.values()]
            for start in range(0, len(coded), AT_ONCE):
                group = coded[start : start + AT_ONCE]
                width = max(map(len, group))
                ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(row)) + row for row in group])
                mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in group])
                with torch.no_grad():
                    rows = engine.module.generate(
                        input_ids=ids, attention_mask=mask, max_new_tokens=asked.tokens, do_sample=False
                    )
                tokenizer.batch_decode(rows[:, width:], skip_special_tokens=True)

        yield lambda: list(opened.generate(prompts, decoding, at_once=AT_ONCE)), plain


@contextmanager
def server(asked: Any) -> Iterator[tuple[Way, Way]]:
    """A server that takes 20 ms for an answer, asked by us and by the official client's own calls."""
    import openai

    from finetune_lab.backend.openai_compatible import OpenAICompatible
    from finetune_lab.config import build
    from finetune_lab.inference.backends import Served
    from finetune_lab.records import Decoding

    prompts, decoding = prompts_of(asked), Decoding(max_new_tokens=asked.tokens)
    source, runtime = source_and_runtime()
    with ExitStack() as stack:
        there = stack.enter_context(JudgeServer(latency_seconds=0.02))
        address = f"{there.url}/v1"
        config = composed("task=backends", f"task.backends.openai_compatible.client.endpoint={address}", "tracker=none")
        backend = build(config, "task").backends["openai_compatible"]
        assert isinstance(backend, OpenAICompatible)
        served = Served(load=lambda: source.load(runtime).as_base(), chat=source.chat, gguf=Path)
        opened = stack.enter_context(backend.open(served, runtime))

        def plain() -> None:
            with openai.OpenAI(base_url=address, api_key="none") as client, ThreadPoolExecutor(AT_ONCE) as pool:

                def ask(turns: Any) -> Any:
                    found = client.chat.completions.create(
                        model="base", messages=turns, max_tokens=asked.tokens, temperature=0
                    )
                    return found.choices[0].message.content

                list(pool.map(ask, prompts.values()))

        yield lambda: list(opened.generate(prompts, decoding, at_once=AT_ONCE)), plain


@contextmanager
def llama(asked: Any) -> Iterator[tuple[Way, Way]]:
    """llama.cpp on a GGUF file of the embedded model, by us and by its own completion call."""
    from finetune_lab.backend.llama_cpp import LlamaCpp
    from finetune_lab.inference.backends import Served
    from finetune_lab.inference.gguf_file import write_gguf
    from finetune_lab.inference.merging import plain_copy
    from finetune_lab.records import Decoding

    source, runtime = source_and_runtime()
    prompts, decoding = prompts_of(asked), Decoding(max_new_tokens=asked.tokens)
    with TemporaryDirectory() as folder:
        file, engine = Path(folder) / "model.gguf", source.load(runtime)
        write_gguf(plain_copy(engine), engine.chat, file, "f16")
        backend = LlamaCpp(file=file, context_tokens=1024, cache="f16", threads=None, gpu_layers=0)
        served = Served(load=engine.as_base, chat=lambda: engine.chat, gguf=lambda: file)
        with backend.open(served, runtime) as opened:

            def plain() -> None:
                for turns in prompts.values():
                    opened.model.create_completion(
                        engine.chat.prompt(turns), max_tokens=asked.tokens, temperature=0, stop=["<|end|>"]
                    )

            yield lambda: list(opened.generate(prompts, decoding, at_once=AT_ONCE)), plain


if __name__ == "__main__":
    main()
