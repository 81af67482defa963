"""scripts/collect_replies.py against a server on this machine that answers as the X API v2 and Apify do."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-that-must-not-be-seen"
PRICE = 0.01


@dataclass
class Service:
    """Replies by conversation (their likes), what goes wrong next, and what was asked."""

    replies: dict[str, list[int]]
    operator: str = "filters"  # filters | ignored | refused | hides
    trouble: list[str] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    charged: int = 0
    runs: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    url: str = ""

    def found(self, query: str) -> list[dict[str, Any]] | None:
        """The posts of a query; None where the query is refused."""
        words = dict(word.split(":") for word in query.split() if ":" in word)
        likes = list(enumerate(self.replies[words["conversation_id"]]))
        least = int(words.get("min_faves", 0))
        if least and self.operator == "refused":
            return None
        if least and self.operator == "hides":
            likes = []
        if least and self.operator == "filters":
            likes = [(place, num) for place, num in likes if num >= least]
        name = words["conversation_id"]
        return [
            {"id": f"{name}{place:05}", "text": f"reply {place} \u00fc", "author_id": "7", "likeCount": num}
            | {"conversation_id": name, "public_metrics": {"like_count": num}}
            for place, num in likes
        ]


class Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        service: Service = self.server.service
        parts = urlsplit(self.path)
        options = {name: values[0] for name, values in parse_qs(parts.query).items()}
        service.asked.append((parts.path, options))
        service.keys.add(self.headers.get("Authorization", ""))
        if parts.path.startswith("/2/tweets"):
            self._x(service, parts.path, options)
        else:
            self._apify(service, parts.path, options)

    def do_POST(self) -> None:
        service: Service = self.server.service
        service.asked.append((urlsplit(self.path).path, {}))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        options = parse_qs(urlsplit(self.path).query)
        service.runs.append(
            {"input": json.loads(body), "most": int(options["maxItems"][0]), "id": f"run{len(service.runs)}"}
        )
        if service.trouble and service.trouble[0] == "hang after start":
            service.trouble.pop(0)
            time.sleep(60)
        self._json(201, {"data": self._run(service, service.runs[-1])})

    def _x(self, service: Service, path: str, options: dict[str, str]) -> None:
        trouble = service.trouble.pop(0) if service.trouble and "search" in path else ""
        if trouble == "429":
            self._json(429, {"title": "Too Many Requests"}, **{"x-rate-limit-reset": str(int(time.time()))})
        elif trouble == "429 for long":
            self._json(429, {"title": "Too Many Requests"}, **{"x-rate-limit-reset": str(int(time.time()) + 9000)})
        elif trouble == "401":
            self._json(401, {"title": "Unauthorized", "detail": "Unauthorized \x1b[2J"})
        elif trouble.isdigit():
            self._json(int(trouble), {})
        elif trouble == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"data": [')
            self.close_connection = True
        elif trouble == "hang":
            time.sleep(60)
        elif trouble == "nonsense":
            self._json(200, {"data": "x"})
        else:
            self._posts(service, path, options)

    def _posts(self, service: Service, path: str, options: dict[str, str]) -> None:
        found = service.found(options["query"])
        if found is None:
            said = "There were errors processing your request: Reference to invalid operator 'min_faves'"
            self._json(400, {"errors": [{"message": said}], "title": "Invalid Request"})
            return
        if "counts" in path:
            self._json(200, {"data": [], "meta": {"total_tweet_count": len(found)}})
            return
        start = int(options.get("next_token", "t0")[1:])
        most = int(options["max_results"])
        assert 10 <= most <= 100
        posts, stop = found[start : start + most], start + most
        service.charged += len(posts)
        meta: dict[str, Any] = {"result_count": len(posts)} | ({"next_token": f"t{stop}"} if stop < len(found) else {})
        self._json(200, ({"data": posts, "includes": {"users": [{"id": "7"}]}} if posts else {}) | {"meta": meta})

    def _run(self, service: Service, run: dict[str, Any]) -> dict[str, Any]:
        when = datetime.now(UTC).isoformat()
        names = {f"default{kind}Id": run["id"] for kind in ("KeyValueStore", "Dataset", "RequestQueue")}
        return {
            "id": run["id"],
            "actId": "act",
            "userId": "u",
            "status": "SUCCEEDED",
            "startedAt": when,
            "finishedAt": when,
            "buildId": "b",
            "buildNumber": "0.0.1",
            "exitCode": 0,
            "containerUrl": "http://x",
            "generalAccess": "RESTRICTED",
            "meta": {"origin": "API"},
            "stats": {"restartCount": 0, "resurrectCount": 0, "computeUnits": 0.1},
            "options": {"build": "latest", "timeoutSecs": 300, "memoryMbytes": 256, "diskMbytes": 512},
            **names,
            "usageTotalUsd": 0.1,
        }

    def _apify(self, service: Service, path: str, options: dict[str, str]) -> None:
        parts = path.strip("/").split("/")
        if service.trouble and service.trouble[0].isdigit():
            self._json(int(service.trouble.pop(0)), {"error": {"type": "x", "message": "in trouble"}})
        elif "datasets" in parts:
            run = next(run for run in service.runs if run["id"] == parts[2])
            items = (service.found(run["input"]["searchTerms"][0]) or [])[: run["most"]]
            start = int(options["offset"])
            page = items[start : start + min(40, int(options["limit"]))]
            heads = {"x-apify-pagination-total": len(items), "x-apify-pagination-offset": start}
            heads |= {
                "x-apify-pagination-limit": 40,
                "x-apify-pagination-desc": "false",
                "x-apify-pagination-count": len(page),
            }
            if service.trouble and service.trouble[0] == "hang at items" and start:
                service.trouble.pop(0)
                time.sleep(60)
            self._json(200, page, **{name: str(value) for name, value in heads.items()})
        elif parts[-1] == "runs":
            newest = [self._run(service, run) for run in service.runs[::-1][:1]]
            about = {"total": len(service.runs), "offset": 0, "limit": 1, "desc": True, "count": len(newest)}
            self._json(200, {"data": {**about, "items": newest}})
        else:
            run = next(run for run in service.runs if run["id"] == parts[-1])
            self._json(200, {"data": self._run(service, run)})

    def _json(self, status: int, body: Any, **heads: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in heads.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that was killed is part of the test."""

    made = Quiet(("127.0.0.1", 0), Handler)
    made.service = Service(replies={"1": [n % 80 for n in range(250)], "2": [n % 80 for n in range(40)]})  # type: ignore[attr-defined]
    made.service.url = f"http://127.0.0.1:{made.server_port}"  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made.service  # type: ignore[attr-defined]
    made.shutdown()
    made.server_close()


def line(service: Service, what: str, out: Path, *options: str, kind: str = "x") -> list[str]:
    own = ["--url", service.url, "--out", str(out), "--first-wait", "0.01", "--usd-per-post", str(PRICE)]
    return [sys.executable, str(ROOT / "scripts" / "collect_replies.py"), what, kind, *own, *options]


ENVIRONMENT = {**os.environ, "X_BEARER_TOKEN": KEY, "APIFY_TOKEN": KEY}


@pytest.fixture(scope="module")
def main() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "scripts"))
    import collect_replies

    yield collect_replies.main
    sys.path.remove(str(ROOT / "scripts"))


@dataclass(frozen=True)
class Done:
    """What a line printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(
    main: Callable[[list[str]], int],
    service: Service,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Done]:
    """Run the script's line to its end, in this process; an exception would fail the test."""
    for name in ("X_BEARER_TOKEN", "APIFY_TOKEN"):
        monkeypatch.setenv(name, KEY)

    def go(what: str, *options: str, kind: str = "x") -> Done:
        code = main(line(service, what, tmp_path / "r.jsonl", *options, kind=kind)[2:])
        shown = capsys.readouterr()
        assert KEY not in shown.out + shown.err
        return Done(returncode=code, stdout=shown.out, stderr=shown.err)

    return go


def killed(service: Service, out: Path, *options: str, kind: str = "x", mark: str) -> None:
    """Start a line and kill it for good when the service has come to its trouble `mark`."""
    child = subprocess.Popen(
        line(service, "collect", out, *options, kind=kind), env=ENVIRONMENT, stdout=subprocess.DEVNULL
    )
    while mark in service.trouble:
        assert child.poll() is None, "ended before the trouble"
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()


def ids(out: Path) -> list[str]:
    return [post["id"] for page in map(json.loads, out.read_text().splitlines()) for post in page["data"]]


COLLECT = ("--conversation", "1", "--conversation", "2", "--spend-at-most", "5", "--yes")


def state(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out.with_name(f"{out.name}.state.json").read_text())
    return found


def test_nothing_is_spent_before_the_projection_is_agreed_to(run: Any, service: Service) -> None:
    done = run("collect", *COLLECT[:-1])
    assert "at most 290 replies for 2.90 USD; limit 5 USD" in done.stdout
    assert "nothing was spent; add --yes" in done.stdout
    assert service.charged == 0
    assert all("counts" in path for path, _ in service.asked)


def test_all_pages_in_spite_of_limits_errors_and_a_cut_line(run: Any, service: Service, tmp_path: Path) -> None:
    service.trouble = ["429", "", "503", "cut", "", "500"]
    done = run("collect", *COLLECT)
    assert done.returncode == 0, done.stderr
    assert ids(tmp_path / "r.jsonl") == [f"1{n:05}" for n in range(250)] + [f"2{n:05}" for n in range(40)]
    found = state(tmp_path / "r.jsonl")
    assert found["spent_usd"] == pytest.approx(2.90)
    assert found["reserved_usd"] == pytest.approx(1.00)  # the answer that was cut may have been charged
    assert service.keys == {f"Bearer {KEY}"}
    assert KEY not in (tmp_path / "r.jsonl.state.json").read_text()


def test_a_killed_collection_goes_on_without_a_row_twice(run: Any, service: Service, tmp_path: Path) -> None:
    service.trouble = ["", "", "hang"]
    killed(service, tmp_path / "r.jsonl", *COLLECT, mark="hang")
    with (tmp_path / "r.jsonl").open("a") as stream:
        stream.write('{"data": [{"id": "torn')  # as a kill in the middle of a write leaves it
    before = service.charged
    assert run("collect", *COLLECT).returncode == 0
    assert len(ids(tmp_path / "r.jsonl")) == len(set(ids(tmp_path / "r.jsonl"))) == 290
    assert service.charged == 290
    assert before == 200
    again = run("collect", *COLLECT)
    assert "2 of 2 conversations are done" in again.stdout
    assert service.charged == 290


def test_the_spending_limit_holds_and_more_money_goes_on(run: Any, service: Service, tmp_path: Path) -> None:
    poor = [*COLLECT[:-2], "1.55", "--yes"]
    done = run("collect", *poor)
    assert done.returncode == 2
    assert "stopped at the spending limit" in done.stderr
    assert service.charged * PRICE <= 1.55
    assert service.charged == 155
    assert run("collect", *COLLECT).returncode == 0
    assert len(set(ids(tmp_path / "r.jsonl"))) == 290


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (["429 for long"], "asks to wait 90"),
        (["500"] * 5, "the API is in trouble (500), 5 times"),
        (["cut"] * 5, "the line was cut"),
        (["401"], "does not accept the key (401): Unauthorized \\x1b"),
        (["nonsense"], "no list of posts"),
    ],
)
def test_what_stays_is_told(run: Any, service: Service, trouble: list[str], told: str) -> None:
    service.trouble = trouble
    done = run("collect", *COLLECT)
    assert done.returncode == 2
    assert told in done.stderr


def test_no_key(run: Any) -> None:
    done = run("collect", *COLLECT, "--key-from", "NO_SUCH_NAME")
    assert done.returncode == 2
    assert "NO_SUCH_NAME is not set" in done.stderr


PROBE = ("--conversation", "1", "--least-likes", "40", "--sample", "80", "--spend-at-most", "3")


@pytest.mark.parametrize(
    ("operator", "told", "usd"),
    [
        ("filters", "it filters", "1.25"),
        ("ignored", "it is ignored", "2.50"),
        ("refused", "it is refused", "2.50"),
        ("hides", "it hides too much", "2.50"),
    ],
)
def test_the_probe_tells_what_the_operator_does(run: Any, service: Service, operator: str, told: str, usd: str) -> None:
    service.operator = operator
    done = run("probe", *PROBE, "--yes")
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    assert "250 replies; of the 80 newest" in done.stdout
    assert f"projected: 125 [98, 152] such replies for {usd} USD" in done.stdout
    assert service.charged <= 160


def test_a_probe_spends_nothing_unasked_and_keeps_to_the_limit(run: Any, service: Service) -> None:
    done = run("probe", *PROBE)
    assert "reads 160 posts at most, for 1.60 USD at most" in done.stdout
    assert "250 replies are there; all of them would cost 2.50 USD" in done.stdout
    assert service.charged == 0
    assert run("probe", *PROBE[:-1], "0.3", "--yes").returncode == 2
    assert service.charged * PRICE <= 0.3


@pytest.fixture
def actor(tmp_path: Path) -> list[str]:
    pytest.importorskip("apify_client", reason="pip install .[collect]")
    path = tmp_path / "input.json"
    path.write_text('{"searchTerms": ["{query}"], "maxItems": "{max_items}"}')
    return ["--actor", "user~scraper", "--input", str(path), "--most-items", "100"]


def items(out: Path) -> list[str]:
    return [json.loads(text)["id"] for text in out.read_text().splitlines()]


def test_apify_is_run_once_for_each_conversation(run: Any, service: Service, actor: list[str], tmp_path: Path) -> None:
    service.trouble = ["429", "503"]
    done = run("collect", *COLLECT, *actor, kind="apify")
    assert done.returncode == 0, done.stderr
    assert items(tmp_path / "r.jsonl") == [f"1{n:05}" for n in range(100)] + [f"2{n:05}" for n in range(40)]
    assert [one["input"]["maxItems"] for one in service.runs] == [100, 100]
    assert state(tmp_path / "r.jsonl")["spent_usd"] == pytest.approx(1.40)
    assert "2 of 2" in run("collect", *COLLECT, *actor, kind="apify").stdout
    assert len(service.runs) == 2


@pytest.mark.parametrize("trouble", ["hang after start", "hang at items"])
def test_a_killed_apify_collection_pays_for_no_second_run(
    run: Any, service: Service, actor: list[str], tmp_path: Path, trouble: str
) -> None:
    service.trouble = [trouble]
    killed(service, tmp_path / "r.jsonl", *COLLECT, *actor, kind="apify", mark=trouble)
    done = run("collect", *COLLECT, *actor, kind="apify")
    assert done.returncode == 0, done.stderr
    assert len(service.runs) == 2
    assert len(items(tmp_path / "r.jsonl")) == len(set(items(tmp_path / "r.jsonl"))) == 140


def test_what_apify_refuses_is_told(run: Any, service: Service, actor: list[str]) -> None:
    service.trouble = ["401"]
    done = run("collect", *COLLECT, *actor, kind="apify")
    assert done.returncode == 2
    assert "Apify answers 401: in trouble" in done.stderr


def test_the_probe_of_apify(run: Any, service: Service, actor: list[str]) -> None:
    service.operator = "ignored"
    done = run("probe", *PROBE, *actor, "--yes", kind="apify")
    assert done.returncode == 0, done.stderr
    assert "it is ignored" in done.stdout
