"""The review in the browser: a person's clicks in a real one, hostile rows, and what the server refuses."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from finetune_lab.preparing.decisions import read_decisions
from finetune_lab.preparing.review_queue import ReviewQueue
from finetune_lab.records import Sample
from finetune_lab.task.review_server import ReviewServer

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "</textarea></pre><form action=http://evil.example><style>*{display:none}</style>\u202e\x1b[2J &lt; \"'"
)
ROWS = [
    Sample.of(messages=[{"role": "user", "content": q}, {"role": "assistant", "content": a}], facts={"label": "x"})
    for q, a in [(HOSTILE, f"\n{HOSTILE}"), ("What is 2 + 2?", "4\nof course"), ("Hi", "Hello"), ("Bye", "So long")]
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    queue = ReviewQueue(
        rows=ROWS, decisions=tmp_path / "d.jsonl", reviewer="ada", twice=0, label="label", labels=("x", "y")
    )
    made = ReviewServer(queue, 0)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def ask(server: ReviewServer, method: str = "GET", path: str | None = None, body: Any = None, **headers: str) -> Any:
    link = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    form = urlencode(body) if isinstance(body, dict) else body
    link.request(method, path or urlsplit(server.address).path, form, headers)
    answer = link.getresponse()
    answer.text = answer.read().decode()  # type: ignore[attr-defined]
    return answer


def test_it_listens_on_this_machine_alone(server: ReviewServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_the_address_is_a_secret_and_other_names_for_this_machine_are_refused(server: ReviewServer) -> None:
    body = {"row": ROWS[0].id, "decision": "keep"}
    assert ask(server, path="/").status == 404
    assert ask(server, path=f"/{server.token[:-1]}x/").status == 404
    assert ask(server, "POST", "/", body).status == 404
    assert ask(server, Host="evil.example").status == 403  # a name of the attacker's that points here
    assert ask(server, "POST", None, body, Origin="http://evil.example").status == 403
    assert read_decisions(server.queue.decisions) == []
    assert ask(server).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"row": "unknown", "decision": "keep"}, 400),
        ({"row": ROWS[1].id, "decision": "burn"}, 400),
        ({"row": ROWS[1].id, "decision": "relabel", "label": "z"}, 400),
        ({"row": ROWS[1].id, "decision": "edit", "text": "4\r\nof course"}, 400),  # browsers send these line ends
        ({}, 400),
        (b"\xff\xfe=1", 400),
        ("&".join(f"a{n}=1" for n in range(100)), 400),
    ],
)
def test_nonsense_is_refused_and_not_written(server: ReviewServer, body: Any, status: int) -> None:
    assert ask(server, "POST", None, body).status == status
    assert read_decisions(server.queue.decisions) == []


def test_a_body_that_is_too_long_is_not_read(server: ReviewServer) -> None:
    assert ask(server, "POST", None, None, **{"Content-Length": "99999999999"}).status == 413


def test_the_page_fetches_nothing_and_runs_nothing(server: ReviewServer) -> None:
    answer = ask(server)
    assert "default-src 'none'" in answer.getheader("Content-Security-Policy")
    assert answer.getheader("Cache-Control") == "no-store"
    assert "\x1b" not in answer.text.partition("<textarea")[0]
    assert (answer.text.count("<form"), answer.text.count("<textarea")) == (4, 1)
    assert answer.text.count("<style") == 1
    assert not any(tag in answer.text for tag in ("<script", "<img", "<link", "<iframe", " href="))


def test_a_person_reviews_in_a_browser(server: ReviewServer, browser: Any, tmp_path: Path) -> None:
    def press(kind: str) -> None:
        browser.find_element("css selector", f"button[value={kind}]").click()

    def sees(words: str) -> bool:
        """Wait for the page that a click asked for."""
        return bool(WebDriverWait(browser, 60).until(lambda opened: words in opened.page_source))

    def text() -> Any:
        return browser.find_element("css selector", "textarea[name=text]")

    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(server.address)
    assert browser.title == "Review"  # nothing in the row has run
    assert HOSTILE.split("\u202e")[0] in browser.find_element("css selector", "article pre").text
    assert "\\u202e\\x1b[2J" in browser.find_element("css selector", "article pre").text
    assert text().get_attribute("value").replace("\x1b", "") == f"\n{HOSTILE}".replace("\x1b", "")
    browser.save_screenshot(str(tmp_path / "hostile.png"))
    press("drop")
    assert sees("What is 2 + 2?")
    press("edit")  # unchanged: told, and nothing lost
    assert sees("the text is unchanged")
    text().clear()
    text().send_keys("four\nin all")
    press("edit")
    assert sees("Hello")
    assert len(browser.find_elements("css selector", "form")) == 4
    browser.find_element("css selector", "option[value=y]").click()
    press("relabel")
    assert sees("So long")
    press("skip")  # the only one left: it comes again
    assert sees("3 of 4 done")
    press("keep")
    assert sees("Nothing is left")
    press("back")
    assert sees("So long")
    press("drop")
    assert sees("drop 2")
    browser.save_screenshot(str(tmp_path / "done.png"))
    press("finish")
    assert sees("Finished")
    found = {one.row: one.outcome for one in read_decisions(server.queue.decisions)}
    assert list(found.values()) == [
        *(("drop", None, None), ("edit", "four\nin all", None), ("relabel", None, "y"), ("drop", None, None))
    ]


def test_the_return_key_in_the_label_relabels(tmp_path: Path, browser: Any) -> None:
    """Not the first button of the page, which would keep the row."""
    from selenium.webdriver.support.ui import WebDriverWait

    path = tmp_path / "d.jsonl"
    made = ReviewServer(ReviewQueue(rows=ROWS, decisions=path, reviewer="ada", twice=0, label="label", labels=()), 0)
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    browser.get(made.address)
    field = browser.find_element("css selector", "input[name=label]")
    assert field.get_attribute("value") == "x"
    field.send_keys("yz\n")
    WebDriverWait(browser, 60).until(lambda opened: "1 of 4 done" in opened.page_source)
    made.shutdown()
    made.server_close()
    assert [one.outcome for one in read_decisions(path)] == [("relabel", None, "xyz")]
