"""Ask a served model as many clients do: 500 requests from 16 of them, some that go away, a kill, and a new start.

    python scripts/check_server.py [--requests 500] [--clients 16] [--line "experiment=demo …"]

The server is `task=serve` in a process of its own; the client is OpenAI's. Every answer is compared with the one that
the same prompt gets alone.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai

SUBJECTS = ("boats", "lanterns", "crows", "letters", "gardens", "clocks", "bakers", "storms")


def main() -> None:
    """Run all checks; exit code 1 where one fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--line", default="model.quantization=none method=lora")
    options = parser.parse_args()
    port = free_port()
    server = start(options.line, port)
    try:
        models = [model.id for model in client(port).models.list()]
        jobs = [(models[n % len(models)], prompt(n % 40)) for n in range(options.requests)]
        alone = {job: ask(port, *job, options.tokens) for job in dict.fromkeys(jobs)}
        failed = [many_clients(port, jobs, alone, options), going_away(port, models[0])]
        server = killed_and_started(server, options.line, port, alone, options.tokens)
        failed.append(stopped(server))
    finally:
        server.kill()
    raise SystemExit(any(failed))


def prompt(number: int) -> str:
    """One of 40 prompts that get answers of several words."""
    return f"Tell me a story about {number} {SUBJECTS[number % len(SUBJECTS)]}."


def many_clients(port: int, jobs: list[Any], alone: dict[Any, str], options: Any) -> bool:
    """All requests at once, in an order of chance; True where one is lost or mixed up."""
    shuffled = random.Random(0).sample(jobs, len(jobs))
    started = time.perf_counter()
    with ThreadPoolExecutor(options.clients) as pool:
        found = list(pool.map(lambda job: ask(port, *job, options.tokens), shuffled))
    spent = time.perf_counter() - started
    wrong = [job for job, text in zip(shuffled, found, strict=True) if text != alone[job]]
    others = [job for job in wrong if found[shuffled.index(job)] in alone.values()]
    print(
        f"{len(found)} requests of {options.clients} clients over {len({job[0] for job in jobs})} models: "
        f"{len(found) - len(wrong)} as alone, {len(wrong)} other texts ({len(others)} of them another prompt's), "
        f"{len(set(alone.values()))} different answers, {len(found) / spent:.1f} requests/s"
    )
    return bool(wrong)


def going_away(port: int, model: str) -> bool:
    """Clients that close the line in the middle; True where their places are not free soon."""
    for _ in range(40):
        body = {"model": model, "messages": [{"role": "user", "content": prompt(1)}], "stream": True}
        data = json.dumps(body).encode()
        with socket.create_connection(("127.0.0.1", port)) as line:
            head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:1\r\nContent-Type: application/json\r\n"
            line.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
            line.recv(100)
    started = time.perf_counter()
    while (load := health(port)) != {"writing": 0, "waiting": 0} and time.perf_counter() - started < 60:
        time.sleep(0.05)
    print(f"40 clients went away in the middle: {load} after {time.perf_counter() - started:.2f} s")
    return load != {"writing": 0, "waiting": 0}


def killed_and_started(server: Any, line: str, port: int, alone: dict[Any, str], tokens: int) -> Any:
    """Kill it while it writes, start it on the same port, and ask again."""
    with ThreadPoolExecutor(8) as pool:
        for job in list(alone)[:8]:
            pool.submit(ask, port, *job, 200, lost=True)
        time.sleep(0.5)
        server.send_signal(signal.SIGKILL)
    server.wait()
    server = start(line, port)
    same = [ask(port, *job, tokens) == text for job, text in list(alone.items())[:8]]
    print(f"killed and started again: {sum(same)} of {len(same)} answers are the same")
    if not all(same):
        raise SystemExit(1)
    return server


def stopped(server: Any) -> bool:
    """SIGTERM; True where it does not end by itself with code 0."""
    server.send_signal(signal.SIGTERM)
    code = server.wait(timeout=60)
    print(f"SIGTERM: exit code {code}")
    return bool(code)


def start(line: str, port: int) -> Any:
    """A server, once it listens."""
    own = ["task=serve", f"task.port={port}", "tracker=none", *line.split()]
    server = subprocess.Popen([sys.executable, "-m", "finetune_lab", *own], stdout=subprocess.DEVNULL, env=os.environ)
    for _ in range(1200):
        if server.poll() is not None:
            raise SystemExit("the server ended before it listened")
        try:
            health(port)
            return server
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not listen")


def health(port: int) -> Any:
    """How many requests are being written, and how many wait."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as reply:
        return json.loads(reply.read())


def client(port: int) -> openai.OpenAI:
    """A client of the server."""
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0, timeout=300)


def ask(port: int, model: str, text: str, tokens: int, *, lost: bool = False) -> str:
    """One greedy answer, streamed for every other prompt; "" where the server may die meanwhile."""
    turns: Any = [{"role": "user", "content": text}]
    try:
        with client(port) as talk:
            create = talk.chat.completions.create
            if len(text) % 2:
                events = create(model=model, messages=turns, max_tokens=tokens, temperature=0, stream=True)
                return "".join(event.choices[0].delta.content or "" for event in events if event.choices)
            found = create(model=model, messages=turns, max_tokens=tokens, temperature=0)
            return found.choices[0].message.content or ""
    except openai.APIError:
        if lost:
            return ""
        raise


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
