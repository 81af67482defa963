"""Votes in the browser: presses that come twice, a real page in a real browser, and what goes over the wire."""

import threading
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.errors import WorldError
from finetune_lab.people.items import Ballot, Item
from finetune_lab.people.pairs import OPTIONS
from finetune_lab.people.plan import Plan
from finetune_lab.people.queue import Queue
from finetune_lab.people.votes import read_votes
from finetune_lab.task.ask_browser import Desk, serve

HOSTILE = (
    "<img src=x onerror=\"document.title='broken'\"> ${document.title='broken'} {{7*7}} ![p](http://example.com/p.png)"
)


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    items = [
        Item.of([{"role": "user", "content": f"q{n} {HOSTILE}"}], [f"one{n} {HOSTILE}", f"two{n}"]) for n in range(10)
    ]
    ballot = Ballot(question="Which?", hint="", options=OPTIONS, items=tuple(items), gold=())
    plan = Plan(seed=0, overlap=0, raters_each=2)
    return Queue(ballot=ballot, plan=plan, votes=tmp_path / "votes.jsonl", rater="ada", source="browser")


def test_a_press_that_comes_twice_counts_once(queue: Queue) -> None:
    desk = Desk(queue)
    _, number = desk.open()
    desk.press("left", number)
    _, after = desk.press("left", number)  # the second half of a double click: the next item was never seen
    assert len(read_votes(queue.votes)) == 1
    assert after
    assert after != number
    told, again = desk.press("neither", after)
    assert "is not among the answers" in told
    assert again
    assert len(read_votes(queue.votes)) == 1


def test_undo_skip_and_the_end(queue: Queue) -> None:
    desk = Desk(queue)
    first, number = desk.open()
    _, number = desk.press("left", number)
    back, number = desk.press("undo", number)
    assert back.partition("</header>")[2].partition("</div></div>")[2] in first
    _, number = desk.press("bad", number)
    _, number = desk.press("skip", number)
    for _ in range(9):
        page, number = desk.press("tie", number)
    assert number == ""
    assert "Nothing is left" in page
    said = [one.said for one in read_votes(queue.votes)]
    assert said == ["left", "bad", *["tie"] * 9]
    assert desk.press("tie", "")[1] == ""
    assert len(read_votes(queue.votes)) == 11


RECORD = """
window.seen = [];
const old = window.fetch;
window.fetch = async (...given) => {
  const found = await old(...given);
  found.clone().text().then((text) => window.seen.push(String(given[0].url || given[0]), text)).catch(() => {});
  return found;
};
"""


@pytest.fixture
def served(queue: Queue) -> Any:
    """The page of a sitting, as long as the test lasts."""
    pytest.importorskip("gradio", reason="pip install .[people]")
    ready, found = threading.Event(), {}

    def listening(address: str, desk: Desk) -> None:
        found.update(address=address, desk=desk)
        ready.set()

    thread = threading.Thread(target=serve, args=(queue,), kwargs={"port": 0, "listening": listening}, daemon=True)
    thread.start()
    assert ready.wait(300)
    yield found["address"]
    found["desk"].over.set()
    thread.join(30)


def test_ten_items_by_keys_and_nothing_tells_whose_is_whose(served: str, browser: Any, queue: Queue) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def shown(driver: Any) -> str:
        found = driver.find_elements(By.CSS_SELECTOR, ".sitting")
        return str(found[0].get_attribute("textContent")) if found else ""

    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": RECORD})
    browser.get(served)
    WebDriverWait(browser, 120).until(lambda driver: "Which?" in shown(driver))
    for place in range(10):
        before = shown(browser)
        assert HOSTILE in before
        browser.find_element(By.TAG_NAME, "body").send_keys("1234"[place % 4])
        WebDriverWait(browser, 60).until(lambda driver, old=before: shown(driver) != old)
    assert "Nothing is left" in shown(browser)
    assert browser.title == "Votes"  # no text was run
    assert not browser.find_elements(By.CSS_SELECTOR, ".sitting img")
    assert [one.said for one in read_votes(queue.votes)] == ["left", "right", "tie", "bad"] * 2 + ["left", "right"]
    urls = browser.execute_script("return performance.getEntries().map((one) => one.name)")
    origin = served.rpartition("/")[0].rpartition("/")[0]
    assert [url for url in urls if url.startswith("http") and not url.startswith(origin)] == []
    wire = browser.page_source + "".join(browser.execute_script("return window.seen"))
    assert "two9" in wire  # what the buttons' answers hold was recorded
    for item in queue.ballot.items:
        assert not any(name in wire for name in (item.id, *(answer.id for answer in item.answers)))
    for word in ("reference", "candidate", "base-"):
        assert word not in "".join(
            browser.execute_script("return window.seen.filter((text) => text.includes('sitting'))")
        )
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    browser.find_element(By.ID, "finish").click()
    WebDriverWait(browser, 60).until(lambda driver: "can be closed" in shown(driver))


def test_others_are_refused(served: str) -> None:
    import httpx

    port = served.split(":")[2].partition("/")[0]
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 404
    assert httpx.get(served, headers={"Host": "evil.example"}).status_code == 403
    assert httpx.get(served, headers={"Origin": "http://evil.example"}).status_code == 403
    found = httpx.get(served)
    assert found.status_code == 200
    assert "default-src 'self'" in found.headers["content-security-policy"]


def test_a_port_that_is_taken(queue: Queue) -> None:
    import socket

    pytest.importorskip("gradio", reason="pip install .[people]")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(WorldError, match=r"task\.port: cannot listen"):
        serve(queue, port=taken.getsockname()[1])
