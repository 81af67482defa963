"""A report in a real browser: no error, every chart drawn, the search works, hostile text stays text."""

import json
from pathlib import Path
from typing import Any

import pytest

from finetune_lab.reporting.forms import UNKNOWN, formed

DRAW_ALL = """
for (const [place, act] of waitingDrawings) if (!place.dataset.drawn) { near.unobserve(place); act(); }
return [...document.querySelectorAll('[data-block]')].map((place) => [place.dataset.kind, place.dataset.drawn ?? '',
  place.querySelectorAll('.drawn svg path, .drawn svg rect, .drawn table td').length])
"""
CELLS = """
const cells = (table) => [...table.querySelectorAll('tbody td')];
return [...document.querySelectorAll('figure.table table')].flatMap((table) => cells(table).map(
  (cell) => [table.dataset.query, Number(cell.parentNode.dataset.row), cell.dataset.column, cell.textContent]))
"""


@pytest.fixture(scope="module")
def opened(browser: Any, study: Path) -> Any:
    """The report, everything in it drawn."""
    browser.get("about:blank")
    browser.get_log("browser")  # what another page left there is not the report's
    browser.get((study / "reports" / "study" / "report.html").as_uri())
    drawn = browser.execute_script(DRAW_ALL)
    assert drawn
    assert [one for one in drawn if one[1] != "yes"] == []
    assert [one for one in drawn if one[0] == "chart" and one[2] < 3] == []
    return browser


def test_nothing_is_wrong_in_the_console(opened: Any) -> None:
    assert opened.get_log("browser") == []


def test_every_chart_has_a_title_and_words(opened: Any) -> None:
    charts = opened.find_elements("css selector", "figure.chart")
    assert len(charts) > 10
    for chart in charts:
        assert chart.find_element("css selector", "h3").get_attribute("textContent")
        assert len(chart.find_element("css selector", ".drawn").get_attribute("aria-label")) > 20
        assert chart.find_element("css selector", "details.data summary")


def test_cells_are_shown_as_their_values_are(opened: Any, page_of: Any) -> None:
    data = json.loads(page_of.scripts["report-data"])
    forms = {
        (block["query"], column["name"]): column for block in data["blocks"] for column in block.get("columns", [])
    }
    cells = opened.execute_script(CELLS)
    assert len(cells) > 300
    for query, row, column, text in cells:
        value = data["queries"][query]["rows"][row][data["queries"][query]["columns"].index(column)]
        told = forms[query, column]
        due = told["missing"] if value is None else formed(value, told["form"])
        assert text in (due, f"▲ {due}", f"▼ {due}", f"= {due}", f"? {due}"), (query, column, value)
        assert value is not None or text in ("–", UNKNOWN)


def test_the_search_finds_what_was_answered(opened: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    place = opened.find_element("css selector", ".samples")
    search = place.find_element("css selector", "input[type=search]")
    before = place.find_element("css selector", ".controls").text
    search.send_keys('grit0 SAYS {"day": 11}')
    WebDriverWait(opened, 30).until(lambda _: place.find_element("css selector", ".controls").text != before)
    assert len(place.find_elements("css selector", "article")) == 1
    assert [one.text for one in place.find_elements("css selector", "mark")] == ['grit0 says {"day": 11}']
    search.clear()
    search.send_keys("nothing says this")
    WebDriverWait(opened, 30).until(lambda _: not place.find_elements("css selector", "article"))
    opened.execute_script("arguments[0].value = ''; arguments[0].dispatchEvent(new Event('input'))", search)
    WebDriverWait(opened, 30).until(lambda _: place.find_elements("css selector", "article"))


def test_hostile_text_stays_text(opened: Any, made_up: Any) -> None:
    assert opened.execute_script("return window.hacked ?? null") is None
    shown = opened.execute_script(
        "return [...document.querySelectorAll('.sample .text')].map((one) => one.textContent)"
    )
    assert made_up.HOSTILE[0] in shown
    assert made_up.HOSTILE[1] in shown
    assert any("\\x1b[2J\\x1b]0;title\\x07" in text and "\\u202e" in text for text in shown)
    assert (
        opened.execute_script("return document.querySelectorAll('main img, main iframe, main script, main b').length")
        == 0
    )
    runs = opened.execute_script("return document.getElementById('training').textContent")
    assert f"out of memory {made_up.HOSTILE[0]}" in runs


def test_tables_are_sorted_filtered_and_paged(opened: Any) -> None:
    def column() -> Any:
        return opened.execute_script(
            "return [...arguments[0].querySelectorAll('tbody tr')].map((row) => row.children[2].textContent)", table
        )

    table = next(
        one
        for one in opened.find_elements("css selector", "figure.table")
        if one.find_element("css selector", "h3").text == "All scores"
    )
    head = table.find_elements("css selector", "th button")[2]
    opened.execute_script("arguments[0].click(); arguments[0].click()", head)
    values = [float(one.replace("−", "-").replace(",", "")) for one in column()]
    assert values == sorted(values, reverse=True)
    first = column()
    opened.execute_script("arguments[0].click()", table.find_elements("css selector", ".button")[1])
    assert column() != first
    find = table.find_element("css selector", "input")
    opened.execute_script("arguments[0].value='safe_over'; arguments[0].dispatchEvent(new Event('input'))", find)
    rows = table.find_elements("css selector", "tbody tr")
    assert rows
    assert all("safe_over" in row.get_attribute("textContent") for row in rows)


@pytest.mark.parametrize(("width", "theme"), [(390, "light"), (390, "dark"), (1280, "dark")])
def test_phone_and_dark(opened: Any, width: int, theme: str) -> None:
    mobile = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", mobile)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    wide = opened.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width, "the page itself never scrolls sideways"
    colour = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]"
    assert (opened.execute_script(colour) < 60) == (theme == "dark")
    opened.execute_script("document.querySelector('[data-theme-choice=light]').click()")
    assert opened.execute_script(colour) > 200
    opened.execute_script("document.querySelector('[data-theme-choice=auto]').click()")
    assert opened.get_log("browser") == []


@pytest.mark.parametrize("num_runs", [1, 2])
def test_few_arms_are_drawn_as_well(
    browser: Any, compose_line: Any, made_up: Any, tmp_path: Path, num_runs: int
) -> None:
    made_up.fill(tmp_path, made_up.few()[: 2 * num_runs : 2], num_samples=12).close()
    lab, task = compose_line("task=report", "group=study", "task.compare.resamples=99", outputs=tmp_path)
    task.execute(lab)
    lab.store.close()
    browser.get((tmp_path / "reports" / "study" / "report.html").as_uri())
    assert [one for one in browser.execute_script(DRAW_ALL) if one[1] != "yes"] == []
    assert browser.get_log("browser") == []
    told = browser.execute_script("return document.querySelectorAll('#results .chart')[1].textContent")
    assert told.count("lora") > 0
