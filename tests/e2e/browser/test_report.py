"""The HTML report in a real browser, as somebody opens it from a mail."""

from __future__ import annotations

import pytest

from target_planhat.report.changes import RecordReport, ReportFile
from target_planhat.report.page import HtmlPage

REASONS = [
    "`ownerId`: no user has the address 'jim@acme.com'.",
    "`companyId` is missing: no task is created without it.",
    "Its keys name more than one task in Planhat: 5f1b7a9e1a2b3c4d5e6f7a8b and 5f1b7a9e1a2b.",
]
COUNTS = {"rejected": 6, "updated": 194, "created": 300, "unchanged": 99_500}


def records():
    for number in range(COUNTS["rejected"]):
        yield RecordReport("tasks", {"id": number}, None, "rejected", {}, REASONS[number % 3])
    for number in range(COUNTS["updated"]):
        changes = {
            "status": ("In-progress", "done"),
            "custom.A long name of a custom field": ({"a": [1, 2]}, "x" * 400),
            "description": (None, "<p>Called & agreed</p>"),
        }
        yield RecordReport("tasks", {"id": 100 + number}, f"{number:024x}", "updated", changes)
    for number in range(COUNTS["created"]):
        changes = {"sourceId": (None, f"visit-{number}"), "action": (None, f"Visit {number}")}
        yield RecordReport("visits", {"id": 900 + number}, f"{number:024d}", "created", changes)
    for number in range(COUNTS["unchanged"]):
        yield RecordReport("tasks", {"id": 5000 + number}, f"{number:024x}", "unchanged")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    page = HtmlPage(ReportFile(str(path), HtmlPage.MARK))
    for record in records():
        page.add(record)
    tasks = {name: COUNTS[name] for name in ("rejected", "updated", "unchanged")}
    page.finish(
        {
            "figures": {
                "tasks": {"read": sum(tasks.values()), **tasks},
                "visits": {"read": 300, "created": 300},
            },
            "calls": {"GET /tasks": 18, "PUT /tasks": 1, "GET /users": 1},
            "waits": {"retries": 2.5},
            "versions": {"singer-planhat": "1.0.0", "singer-sdk": "0.54.9", "Python": "3.11"},
            "settings": {"compare": "tenant", "write_mode": "upsert"},
            "host": "api-eu2.planhat.com",
            "ended": "2026-11-27T01:02:03+00:00",
            "seconds": 41,
            "dry_run": False,
            "error": "",
        }
    )
    return path.as_uri()


def visible(browser):
    return [card for card in browser.all(".record") if card.is_displayed()]


def test_the_page_fits_every_window_and_complains_of_nothing(browser, report, window, tmp_path):
    page = browser.open(report, **window)
    assert page.one("h1").text == (
        "Of 100,000 records, 6 were rejected, 194 updated, 300 created and 99,500 unchanged."
    )
    assert page.overflow() <= 0
    assert page.complaints() == []
    assert page.picture(tmp_path / "report.png").stat().st_size > 10_000


def test_nothing_is_loaded_but_the_page_itself(browser, report):
    assert browser.open(report).requested() == [report]


def test_a_hundred_thousand_records_are_cut_to_what_a_browser_shows_at_once(browser, report):
    page = browser.open(report)
    assert "550 of 100,000 records are listed" in page.one("#cut").text
    assert len(page.all(".record")) == 550


def test_searching_leaves_the_records_that_have_every_word(browser, report):
    page = browser.open(report)
    page.one("#search").send_keys("VISIT-17 action")
    page.until(lambda: page.one("#shown").text == "11 of 550 listed records match")
    assert all("visit-17" in card.text for card in visible(page))


def test_a_click_on_an_outcome_leaves_its_records_and_another_brings_all_back(browser, report):
    page = browser.open(report)
    button = page.one('[data-value="rejected"]')
    button.click()
    assert len(visible(page)) == 6
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert page.one("#shown").text == "550 of 550 listed records match"


def test_a_click_on_a_stream_and_a_search_work_together(browser, report):
    page = browser.open(report)
    page.one('[data-value="visits"]').click()
    page.one("#search").send_keys("900")
    page.until(lambda: page.one("#shown").text.startswith("1 of"))
    assert "created" in visible(page)[0].text
    assert "_id" not in visible(page)[0].text
    assert f"{0:024d}" in visible(page)[0].text


def test_old_and_new_values_stand_beside_each_other_and_markup_is_text(browser, report):
    page = browser.open(report)
    page.one('[data-value="updated"]').click()
    card = visible(page)[0]
    assert "<p>Called & agreed</p>" in card.text
    assert "In-progress" in card.text
    assert "nothing" in card.text
