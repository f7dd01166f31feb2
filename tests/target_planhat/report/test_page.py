"""The HTML report, as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from target_planhat.errors import InputError
from target_planhat.report.advice import advice, general
from target_planhat.report.changes import ReportFile
from target_planhat.report.html import LISTED, LONGEST_VALUE, sentence, share
from target_planhat.report.page import HtmlPage


@pytest.fixture
def page(tmp_path, summary):
    """Writes a page of records and returns its text."""

    def write(*records, **run):
        path = str(tmp_path / "report.html")
        made = HtmlPage(ReportFile(path, HtmlPage.MARK))
        for one in records:
            made.add(one)
        made.flush()
        made.finish(summary(**run))
        return Path(path).read_text()

    return write


def test_the_first_sentence_says_what_happened(summary):
    totals = {"updated": 194, "unchanged": 19_800, "rejected": 6, "created": 0}
    assert sentence(totals, summary()) == (
        "Of 20,000 records, 194 were updated, 19,800 unchanged and 6 rejected."
    )
    assert sentence({"created": 1}, summary()) == "Of 1 record, 1 was created."
    assert sentence({"created": 2, "unchanged": 1}, summary(dry_run=True)) == (
        "Dry run, nothing was written: of 3 records, 2 would be created and 1 unchanged."
    )
    assert sentence({}, summary(error="down")) == "No records came in. The run ended early."


def test_a_share_is_nothing_only_for_none_and_all_only_for_all():
    assert [share(n, 100_000) for n in (0, 1, 500, 50_000, 99_999, 100_000)] == [
        "0%",
        "< 1%",
        "< 1%",
        "50%",
        "> 99%",
        "100%",
    ]


def test_values_are_escaped_and_cut(page, record):
    text = page(
        record(1, note=("<script>alert(1)</script>", "x" * 5000)),
        record("<b>", "rejected", stream="t<i>", reason="'<img src=x onerror=alert(1)>' is not"),
        **{"t<i>": {"rejected": 1}, "tasks": {"updated": 1}},
    )
    for markup in ("<script>alert", "<b></b>", "id <b>", "t<i>", "<img"):
        assert markup not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "x" * LONGEST_VALUE + "…" in text
    assert "x" * (LONGEST_VALUE + 1) not in text


def test_nothing_is_asked_for_from_elsewhere(page, record):
    text = page(record(1, a=("b", "c")), tasks={"updated": 1})
    assert "http://" not in text
    assert "https://" not in text
    assert not re.search(r"<(link|img|iframe|object|embed|form)\b|@import|url\(|src=", text)
    assert "default-src 'none'" in text


def test_of_very_many_records_the_first_are_listed_and_the_page_says_so(page, record):
    count = 5000
    updated = [record(number, status=("a", "b")) for number in range(count)]
    rejected = [
        record(number, "rejected", reason=f"`ownerId`: no user has the address 'u{number}@x.com'.")
        for number in range(count)
    ]
    text = page(*updated, *rejected, tasks={"updated": count, "rejected": count})
    assert text.count('class="card record') == LISTED["updated"] + LISTED["rejected"]
    assert "800 of 10,000 records are listed, the first of each outcome" in text
    assert "<code>status</code> 5,000" in text
    assert text.count('class="card reason') == 1
    assert len(text) < 1_500_000


def test_reasons_are_grouped_with_what_to_do_and_those_of_rejects_come_first(page, record):
    skipped = [record(n, "skipped", reason="write_mode is update_only") for n in range(3)]
    reason = "`companyId`: no company is called 'A 7'."
    rejected = [record(7, "rejected", reason=reason), record(8, "rejected", reason=reason)]
    text = page(*skipped, *rejected, tasks={"skipped": 3, "rejected": 2})
    first = "<code>companyId</code>: no company is called &#x27;A 7&#x27;"
    assert text.index(first) < text.index("write_mode is update_only")
    assert "rejected: id 7, id 8" in text
    assert advice(reason).startswith("Correct the address or name")
    assert text.count("Correct the address or name") == 1


def test_reasons_that_differ_in_values_alone_are_one():
    assert general("`a` must be text, but is 7.") == general("`a` must be text, but is 12345.")


def test_what_a_failed_run_ended_with_is_said(page):
    text = page(tasks={"created": 1, "pending": 4}, error="PUT /tasks: 503 <down>")
    assert "The run ended early." in text
    assert "The run ended with: PUT /tasks: 503 &lt;down&gt;" in text
    assert "pending 4" in text


def test_an_earlier_page_is_replaced_and_another_file_left_alone(tmp_path, page, record):
    page(record(1), tasks={"updated": 1})
    page(record(2), tasks={"updated": 1})
    path = tmp_path / "report.html"
    assert "id 2" in path.read_text()
    assert "id 1<" not in path.read_text()
    path.write_text("<!doctype html><title>Mine</title>")
    with pytest.raises(InputError, match="something other than a report"):
        HtmlPage(ReportFile(str(path), HtmlPage.MARK))
