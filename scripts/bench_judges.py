"""How much faster many questions at a time are: judgements against a server that takes 50 ms for each.

Blocks of one at a time and of many at a time take turns, each with its own server and nothing kept before.

    python scripts/bench_judges.py --num 1000 --at-a-time 16     # exit code 1 below twelve times
"""

import argparse
import contextlib
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from finetune_lab.client.openai import OpenAI  # noqa: E402
from finetune_lab.inference.clients.asking import ask  # noqa: E402
from finetune_lab.inference.clients.exchange import Reply, Request  # noqa: E402
from finetune_lab.inference.clients.limits import Limits  # noqa: E402

LEAST = 12.0
QUESTION = "Which is better? " * 60  # about the length of a short pair


@contextlib.contextmanager
def server(latency_seconds: float) -> Iterator[str]:
    """The address of a judge server in a process of its own."""
    command = [sys.executable, str(ROOT / "scripts" / "judge_server.py"), "--latency", str(latency_seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def seconds(url: str, num: int, at_a_time: int, place: Path) -> float:
    """How long `num` new questions take."""
    limits = Limits(
        concurrency=at_a_time,
        timeout_seconds=30,
        tries=3,
        first_wait_seconds=0.1,
        longest_wait_seconds=1,
        patience_seconds=60,
        spending_limit=None,
        prices={},
    )
    client = OpenAI(
        model="planted",
        endpoint=f"{url}/v1",
        api_key_env=None,
        family=None,
        max_tokens=64,
        temperature=0.0,
        top_logprobs=0,
        limit_field="max_tokens",
        options={},
    )
    questions = [Request(messages=({"role": "user", "content": f"{QUESTION}{number}"},)) for number in range(num)]
    started = time.perf_counter()
    asked = ask(client, questions, place, SimpleNamespace(judges=limits))
    taken = time.perf_counter() - started
    assert all(isinstance(one, Reply) for one in asked.outcomes), "a reply is missing"
    return taken


def ratios(*, num: int, blocks: int, at_a_time: int, latency_seconds: float) -> list[float]:
    """Time of one at a time over time of many, for each of the blocks that take turns."""
    found = []
    with server(latency_seconds) as url, TemporaryDirectory() as folder:
        seconds(url, at_a_time, at_a_time, Path(folder) / "warm")  # imports, and the first connections
        for block in range(blocks):
            alone, many = (seconds(url, num // blocks, n, Path(folder) / f"{block}-{n}") for n in (1, at_a_time))
            found.append(alone / many)
            print(f"block {block + 1}: {alone:.2f} s, {many:.2f} s, {found[-1]:.1f} times", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=1000)
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--at-a-time", type=int, default=16)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds")
    chosen = parser.parse_args()
    logging.disable()
    found = ratios(num=chosen.num, blocks=chosen.blocks, at_a_time=chosen.at_a_time, latency_seconds=chosen.latency)
    told = f"{min(found):.1f} to {max(found):.1f}, median {median(found):.1f} times one at a time"
    print(f"{chosen.num} judgements, {chosen.at_a_time} at a time: {told}")
    raise SystemExit(median(found) < LEAST)


if __name__ == "__main__":
    main()
