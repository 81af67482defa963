"""The server under the official client: streams, several models, limits, and clients that go away."""

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from finetune_lab.inference.adapters import loaded
from finetune_lab.records import Decoding

openai = pytest.importorskip("openai")
uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

KEY = "a-key-of-the-tests"
NUM_CLIENTS, NUM_REQUESTS = 16, 64  # scripts/check_server.py asks 500


@pytest.fixture(scope="module")
def engine(tiny_engine):
    return tiny_engine("none")


@contextmanager
def running(engine, adapters=None, models=None, *, max_rows=8, max_waiting=256, key=None, hosts=None, total=512):
    """A server on a port of its own, in a thread."""
    from finetune_lab.inference.adapters import Adapters
    from finetune_lab.inference.serving.app import Offered, Server, Settings
    from finetune_lab.inference.serving.worker import Worker

    worker = Worker(engine, adapters or Adapters(None, {}), max_rows=max_rows, max_waiting=max_waiting)
    settings = Settings(
        models={
            name: Offered(adapter=adapter, chat=engine.chat) for name, adapter in (models or {"base": None}).items()
        },
        decoding=Decoding(max_new_tokens=300),
        max_total_tokens=total,
        max_body_bytes=20_000,
        key=key,
        hosts=hosts,
    )
    server = uvicorn.Server(uvicorn.Config(Server(settings, worker).app(), log_level="error"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", worker
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()
        assert not thread.is_alive()
        assert not worker._thread.is_alive()


@pytest.fixture(scope="module")
def served(engine, drawn_adapter):
    with (
        loaded(engine, {"v1.0": drawn_adapter}) as adapters,
        running(engine, adapters, {"base": None, "v1.0": "v1.0"}, key=KEY) as (address, worker),
    ):
        yield address, worker


@pytest.fixture
def client(served):
    return openai.OpenAI(base_url=f"{served[0]}/v1", api_key=KEY, max_retries=0, timeout=60)


def asked(number):
    return [{"role": "user", "content": f"Tell me a story about {number} boats."}]


def ask(client, turns, **options):
    return client.chat.completions.create(messages=turns, **({"model": "base", "max_tokens": 16} | options))


def wait_until_idle(worker):
    for _ in range(400):
        if worker.load == (0, 0):
            return True
        time.sleep(0.05)
    return False


def test_whole_and_streamed_answers_are_the_engine_s(client, tiny_engine):
    found = ask(client, asked(1))
    stream = ask(client, asked(1), stream=True, stream_options={"include_usage": True})
    events = list(stream)
    text = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert text == found.choices[0].message.content
    assert len([event for event in events if event.choices and event.choices[0].delta.content]) > 3
    assert events[-1].usage == found.usage
    assert found.usage.completion_tokens == 16
    assert found.choices[0].finish_reason == "length"
    assert {model.id for model in client.models.list()} == {"base", "v1.0"}


def test_adapters_are_told_apart_by_name_also_side_by_side(client, drawn_adapter, engine):
    jobs = [(number, model) for number in range(6) for model in ("base", "v1.0")]
    alone = {job: ask(client, asked(job[0]), model=job[1]).choices[0].message.content for job in jobs}
    with ThreadPoolExecutor(8) as pool:
        texts = pool.map(lambda job: ask(client, asked(job[0]), model=job[1]).choices[0].message.content, jobs)
        together = dict(zip(jobs, texts, strict=True))
    assert together == alone
    assert sum(alone[number, "base"] != alone[number, "v1.0"] for number in range(6)) >= 3


def test_many_clients_get_their_own_answers(client, served):
    alone = {number: ask(client, asked(number)).choices[0].message.content for number in range(8)}
    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        numbers = [n % 8 for n in range(NUM_REQUESTS)]
        found = list(pool.map(lambda n: ask(client, asked(n)).choices[0].message.content, numbers))
    assert found == [alone[number] for number in numbers]
    assert len(set(alone.values())) > 1
    assert wait_until_idle(served[1])


def test_a_stop_string_ends_the_answer_and_frees_the_place(client, served):
    text = ask(client, asked(1), max_tokens=40).choices[0].message.content
    stop = text[10:14]
    found = ask(client, asked(1), max_tokens=40, stop=stop)
    assert found.choices[0].message.content == text[: text.index(stop)]
    assert found.choices[0].finish_reason == "stop"
    assert wait_until_idle(served[1])


def test_a_seed_repeats_a_draw(client):
    one, again, other = (ask(client, asked(2), temperature=1.2, seed=seed) for seed in (1, 1, 2))
    assert one.choices[0].message.content == again.choices[0].message.content
    assert one.choices[0].message.content != other.choices[0].message.content


def raw(address, method, path, body=b"", **headers):
    host, _, port = address.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(
        method, path, body, {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"} | named
    )
    reply = connection.getresponse()
    found = reply.status, reply.read()
    connection.close()
    return found


GOOD = {"model": "base", "messages": asked(1), "max_tokens": 4}


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, b"{not json", {}),
        (400, json.dumps(GOOD | {"messages": "hi"}).encode(), {}),
        (400, json.dumps(GOOD | {"temprature": 1}).encode(), {}),
        (400, json.dumps(GOOD | {"max_tokens": 301}).encode(), {}),
        (400, json.dumps(GOOD | {"messages": [{"role": "user", "content": "word " * 600}]}).encode(), {}),
        (404, json.dumps(GOOD | {"model": "gpt-9"}).encode(), {}),
        (413, b"x" * 30_000, {}),
        (415, json.dumps(GOOD).encode(), {"Content_Type": "text/plain"}),
        (401, json.dumps(GOOD).encode(), {"Authorization": "Bearer wrong"}),
        (401, json.dumps(GOOD).encode(), {"Authorization": ""}),
    ],
)
def test_malformed_requests_get_4xx_and_a_sentence(served, status, body, headers):
    found, told = raw(served[0], "POST", "/v1/chat/completions", body, **headers)
    assert found == status
    assert json.loads(told)["error"]["message"]
    assert KEY not in told.decode()


def test_other_methods_and_places_get_4xx(served):
    assert raw(served[0], "GET", "/v1/chat/completions")[0] == 405
    assert raw(served[0], "GET", "/v1/nothing")[0] == 404
    assert raw(served[0], "GET", "/v1/models/nothing")[0] == 404


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_its_slot(served, client, stream):
    address, worker = served
    host, _, port = address.removeprefix("http://").rpartition(":")
    body = json.dumps(GOOD | {"max_tokens": 300, "stream": stream, "stop": ["never to be seen"]}).encode()
    for _ in range(10):  # more than there are slots
        with socket.create_connection((host, int(port))) as line:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            line.sendall(head.encode() + body)
            if stream:
                assert line.recv(200)
    assert wait_until_idle(worker)
    assert ask(client, asked(3)).choices[0].message.content


def test_more_than_may_wait_are_told_to_come_again(engine):
    with running(engine, max_rows=1, max_waiting=1) as (address, worker):
        body = json.dumps(GOOD | {"max_tokens": 200}).encode()
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda _: raw(address, "POST", "/v1/chat/completions", body)[0], range(6)))
        assert set(found) == {200, 429}
        assert wait_until_idle(worker)


def test_a_page_in_a_browser_cannot_call_it_by_another_name(engine):
    with running(engine, hosts=frozenset({"127.0.0.1"})) as (address, _):
        assert raw(address, "GET", "/v1/models")[0] == 200
        assert raw(address, "GET", "/v1/models", Host="rebound.example:80")[0] == 403


def test_a_server_that_stops_tells_those_that_wait(engine):
    body = json.dumps(GOOD | {"max_tokens": 300}).encode()
    with ThreadPoolExecutor(1) as pool, running(engine) as (address, worker):
        pending = pool.submit(raw, address, "POST", "/v1/chat/completions", body)
        while worker.load == (0, 0) and not pending.done():
            time.sleep(0.01)
        worker.stop()
        assert pending.result()[0] in (200, 503)
