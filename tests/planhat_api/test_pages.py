"""Pages asked for ahead, of a bearable size, in halves where they fail."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import wait

import pytest

from planhat_api import pages as pages_module
from planhat_api.errors import (
    AuthenticationError,
    NotJsonError,
    PayloadError,
    RateLimitedError,
    ServerFaultError,
    TimedOutError,
)
from planhat_api.pages import FIRST_PAGE, PATIENCE, Pages
from planhat_api.paging import Cursor, PageRequest
from planhat_api.resources import TASKS
from planhat_api.scan import scan

BY_ID = Cursor("_id", lambda row: row["_id"], lambda row: row["_id"], unique=True)
OVERLAP = 1


class Undecoded:
    def __init__(self, rows, size, broken):
        self._rows = rows
        self.size = size
        self._broken = broken

    def rows(self, decode=None):
        assert decode is None
        if self._broken:
            raise NotJsonError("GET /tasks", "broken")
        return self._rows


class Server:
    """A list of so many rows, as the client gives it; everything asked for is noted."""

    def __init__(self, rows, *, row_bytes=100):
        self.rows = rows
        self.row_bytes = row_bytes
        self.queries = []
        self.patience = {}
        self.underway = 0
        self.most = 0
        self.lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()
        self.fail = lambda offset, limit: None  # noqa: ARG005
        self.broken = lambda offset, limit: False  # noqa: ARG005

    def list_rows(self, _, query, *, retry_timeout=None):
        offset, limit = query["offset"], query["limit"]
        with self.lock:
            self.queries.append(query)
            self.patience[offset, limit] = retry_timeout
            self.underway += 1
            self.most = max(self.most, self.underway)
        try:
            self.gate.wait(5)
            if error := self.fail(offset, limit):
                raise error
            order = range(self.rows - 1, -1, -1) if query["sort"][0] == "-" else range(self.rows)
            return [{"_id": f"{number:08d}"} for number in order[offset : offset + limit]]
        finally:
            with self.lock:
                self.underway -= 1

    def list_page(self, resource, query, *, retry_timeout=None):
        rows = self.list_rows(resource, query, retry_timeout=retry_timeout)
        broken = self.broken(query["offset"], query["limit"])
        return Undecoded(rows, self.row_bytes * len(rows) + 2, broken)

    @property
    def asked(self):
        return [(query["offset"], query["limit"]) for query in self.queries]


def settle(pages):
    """Wait until what was asked for ahead is there."""
    assert not wait(pages._ahead.values(), timeout=5).not_done


@pytest.fixture
def open_pages():
    """Open pages of a server; whatever was opened is closed."""
    opened = []

    def open_them(server, *, parallel=4, select=None, filters=None):
        pages = Pages(server, TASKS, filters or {}, parallel=parallel, probe=["_id"], select=select)
        opened.append(pages)
        return pages

    yield open_them
    for pages in opened:
        pages.close()


def page(offset, limit=10, overlap=OVERLAP, **more):
    return PageRequest("_id", offset, limit, overlap=overlap, **more)


def read_on(pages, count, *, limit=10, offset=0):
    """Ask for pages one after the other as a scan does; return their sizes."""
    sizes = []
    for _ in range(count):
        rows = pages(page(offset, limit)).rows
        sizes.append(len(rows))
        offset += len(rows) - OVERLAP
    return sizes


def test_pages_come_in_order_whichever_is_answered_first(open_pages):
    server = Server(500)
    server.fail = lambda offset, _: time.sleep(0.003 * (offset % 3))
    pages = open_pages(server)
    offset, ids = 0, []
    while rows := pages(page(offset)).rows[OVERLAP if ids else 0 :]:
        ids += [row["_id"] for row in rows]
        offset = len(ids) - OVERLAP
    assert ids == [f"{number:08d}" for number in range(500)]


def test_what_was_asked_for_ahead_is_not_asked_for_again(open_pages):
    server = Server(10_000)
    pages = open_pages(server)
    read_on(pages, 50)
    settle(pages)
    assert set(Counter(server.asked).values()) == {1}
    assert len(server.asked) == 50 + 4


def asked_ahead(pages, server, first):
    """Read on from an offset; return how many requests were ahead after each page."""
    ahead, before = [], len(server.asked)
    for number in range(6):
        read_on(pages, 1, offset=first + 9 * number)
        settle(pages)
        ahead.append(len(server.asked) - before - number - 1)
    return ahead


def test_the_window_grows_to_what_is_allowed_and_no_further(open_pages):
    server = Server(10_000)
    assert asked_ahead(open_pages(server, parallel=4), server, 0) == [0, 1, 2, 4, 4, 4]
    server = Server(10_000)
    assert asked_ahead(open_pages(server, parallel=1), server, 0) == [0] * 6


@pytest.mark.parametrize("parallel", [1, 2, 4, 9])
def test_never_more_requests_are_under_way_than_allowed(open_pages, parallel):
    server = Server(3000)
    server.fail = lambda *_: time.sleep(0.001)
    pages = open_pages(server, parallel=parallel)
    for each in (0, 9, 18, 27, 36, 1500, 1509, 1518, 7, 16, 25):
        pages(page(each))
        pages(PageRequest("_id", each, 1, probe=True))
        pages(PageRequest("-_id", 0, 200))
    assert server.most <= parallel
    assert parallel == 1 or server.most > 1


def test_nothing_is_asked_for_behind_a_short_first_page(open_pages):
    server = Server(5)
    pages = open_pages(server)
    pages(page(0))
    settle(pages)
    assert server.asked == [(0, 10)]


def test_a_scan_that_goes_elsewhere_leaves_what_was_asked_for_ahead(open_pages):
    server = Server(10_000)
    pages = open_pages(server, parallel=3)
    read_on(pages, 4)
    settle(pages)
    server.queries.clear()
    rows = pages(page(5000)).rows
    settle(pages)
    assert rows[0]["_id"] == "00005000"
    # The first one there is a guess, and the window grows anew.
    assert server.asked == [(5000, 10)]


def test_the_first_page_is_small_and_the_next_as_large_as_rows_allow(open_pages):
    server = Server(100_000, row_bytes=100)
    assert read_on(open_pages(server), 4, limit=10_000) == [FIRST_PAGE, 4000, 10_000, 10_000]


def test_pages_of_large_rows_keep_to_the_bytes_allowed(open_pages):
    server = Server(100_000, row_bytes=7000)
    sizes = read_on(open_pages(server, parallel=4), 12, limit=10_000)
    assert max(sizes) * 7000 <= pages_module.PAGE_BYTES * 5 // 4
    # One size, or nothing that was asked for ahead would fit.
    assert len(set(sizes)) <= 2


def test_rows_of_all_sizes_do_not_make_what_was_asked_for_ahead_useless(open_pages):
    server = Server(200_000)
    pages = open_pages(server)
    offset = 0
    for number in range(40):
        server.row_bytes = 3900 + 17 * (number % 9)
        offset += len(pages(page(offset, 10_000)).rows) - OVERLAP
    settle(pages)
    assert len(server.asked) <= 40 + 8


def test_the_more_requests_at_once_the_smaller_their_pages(open_pages):
    server = Server(100_000, row_bytes=10_000)
    sizes = read_on(open_pages(server, parallel=48), 8, limit=10_000)
    assert sizes[-1] * 10_000 <= pages_module.BYTES_AHEAD // 48 * 5 // 4


def test_pages_grow_smaller_where_rows_grow_larger(open_pages):
    server = Server(100_000, row_bytes=100)
    pages = open_pages(server)
    read_on(pages, 3, limit=10_000)
    server.row_bytes = 10_000
    assert read_on(pages, 2, limit=10_000, offset=20_000)[-1] < 1500


def test_a_scan_reads_all_whatever_the_size_of_the_pages(open_pages):
    server = Server(30_000, row_bytes=3000)
    batches = scan(open_pages(server), BY_ID, limit=10_000)
    ids = [row["_id"] for batch in batches for row in batch.rows]
    assert ids == [f"{number:08d}" for number in range(30_000)]


@pytest.mark.parametrize(("error", "quick"), [(ServerFaultError, True), (TimedOutError, False)])
def test_a_page_too_large_to_be_answered_is_asked_for_in_parts(open_pages, error, quick):
    server = Server(10_000)
    server.fail = lambda _, limit: error("GET /tasks", "x") if limit > 300 else None
    pages = open_pages(server)
    found = pages(page(0, 1000))
    assert (len(found.rows), found.asked) == (250, 250)
    assert server.asked == ([(0, 1000), (0, 500), (0, 250)] if quick else [(0, 1000), (0, 250)])
    assert server.patience[0, 1000] == PATIENCE
    # Retries have told already that waiting does not help.
    assert server.patience[0, 250] == 0


def test_rows_that_cannot_be_had_at_all_are_an_error_after_full_patience(open_pages):
    server = Server(100)
    server.fail = lambda *_: ServerFaultError("GET /tasks", "500")
    pages = open_pages(server)
    with pytest.raises(ServerFaultError, match=r"\(rows 7 to 7 of the list\)"):
        pages(page(7, 100))
    assert [limit for _, limit in server.asked] == [100, 50, 25, 12, 6, 3, 1]
    assert [server.patience[7, limit] for limit in (100, 50, 3, 1)] == [PATIENCE, 0, 0, None]


def test_behind_the_first_page_a_single_row_would_be_one_that_has_been_read(open_pages):
    server = Server(100)
    pages = open_pages(server)
    pages(page(0, 8))
    server.fail = lambda *_: ServerFaultError("GET /tasks", "500")
    with pytest.raises(ServerFaultError, match=r"\(rows 7 to 8 of the list\)"):
        pages(page(7, 8))
    assert [limit for offset, limit in server.asked if offset == 7] == [8, 4, 2]


@pytest.mark.parametrize("error", [ServerFaultError, TimedOutError, NotJsonError])
@pytest.mark.parametrize("place", [0, 1, 2, 640, 999, 1000, 4321, 9999])
def test_a_row_that_can_never_be_given_is_closed_in_on_and_named(open_pages, place, error):
    server = Server(10_000)

    def fail(offset, limit):
        falling = server.queries[-1]["sort"].startswith("-")
        there = 9999 - place if falling else place
        if offset <= there < offset + limit:
            failed.append(limit)
            fault = error("GET /tasks", "x")
            fault.too_much = True
            return fault
        return None

    failed = []
    server.fail = fail
    batches = []
    with pytest.raises(error, match=rf"rows {max(0, place - 1)} to {place} of the list"):
        batches.extend(scan(open_pages(server, parallel=1), BY_ID, limit=10_000))
    ids = [row["_id"] for batch in batches for row in batch.rows]
    assert ids == [f"{number:08d}" for number in range(place)]
    tried = [key for key, patience in server.patience.items() if patience == PATIENCE]
    assert len(tried) < 12
    # Each halves what is left, and none is larger than one that has failed there.
    assert len(failed) <= 14
    assert len(server.asked) < 70


def test_a_page_that_the_reading_can_do_without_is_given_up_soon(open_pages):
    server = Server(10)
    server.fail = lambda *_: ServerFaultError("GET /tasks", "500")
    for request in (
        PageRequest("_id", 5, 1, probe=True, optional=True),
        PageRequest("-_id", 5, 1),
    ):
        found = open_pages(server)(request)
        assert (found.rows, found.asked) == ((), 0)
        assert server.patience[5, 1] == PATIENCE


def test_a_look_that_is_rate_limited_is_an_error_all_the_same(open_pages):
    server = Server(10)
    server.fail = lambda *_: RateLimitedError("GET /tasks", "429")
    with pytest.raises(RateLimitedError):
        open_pages(server)(PageRequest("-_id", 0, 200))


def test_a_look_that_fails_leaves_pages_their_patience(open_pages):
    server = Server(1000)
    server.fail = lambda *_: (
        ServerFaultError("GET /tasks", "500") if server.queries[-1]["sort"] == "-_id" else None
    )
    pages = open_pages(server)
    pages(PageRequest("-_id", 0, 200))
    pages(page(0, 100))
    assert server.patience[0, 100] == PATIENCE


def test_an_offset_that_is_refused_is_named(open_pages):
    server = Server(100)
    server.fail = lambda *_: PayloadError("GET /tasks", "400 offset")
    with pytest.raises(PayloadError, match=r"rows 50 to 59 of the list"):
        open_pages(server)(page(50))


@pytest.mark.parametrize("error", [AuthenticationError, RateLimitedError])
def test_what_a_smaller_page_would_not_mend_is_an_error_at_once(open_pages, error):
    server = Server(100)
    server.fail = lambda *_: error("GET /tasks", "x")
    with pytest.raises(error):
        open_pages(server)(page(0, 100))
    assert server.asked == [(0, 100)]


def test_after_an_outage_pages_grow_again(open_pages):
    server = Server(1_000_000)
    outage = iter(range(9))
    server.fail = lambda *_: (
        ServerFaultError("GET /tasks", "502") if next(outage, None) is not None else None
    )
    sizes = read_on(open_pages(server, parallel=1), 12, limit=10_000)
    assert sizes[0] < 10
    assert sizes[-1] == 10_000


def test_a_limit_that_stays_is_tried_more_and_more_rarely(open_pages):
    server = Server(1_000_000)
    server.fail = lambda _, limit: ServerFaultError("GET /tasks", "504") if limit > 500 else None
    sizes = read_on(open_pages(server, parallel=1), 300, limit=10_000)
    failed = sum(limit > 500 for _, limit in server.asked)
    assert set(sizes) <= {250, 500}
    assert failed <= 2 * 12


def test_a_failure_ahead_is_dealt_with_when_its_turn_comes(open_pages):
    server = Server(1000)
    server.fail = lambda offset, limit: (
        ServerFaultError("GET /tasks", "500") if offset == 27 and limit > 5 else None
    )
    pages = open_pages(server)
    assert read_on(pages, 3) == [10, 10, 10]
    assert [row["_id"] for row in pages(page(27)).rows] == [f"{n:08d}" for n in range(27, 32)]


def test_a_page_broken_inside_its_brackets_is_asked_for_again(open_pages):
    server = Server(100)
    server.broken = lambda *_: True
    assert len(open_pages(server)(page(0)).rows) == 10
    assert server.asked == [(0, 10), (0, 10)]
    assert server.patience[0, 10] == PATIENCE


def test_a_group_of_ties_is_asked_for_as_wide_as_it_needs(open_pages):
    server = Server(20_000)
    found = open_pages(server)(page(0, 10_000, widest=True))
    assert (len(found.rows), found.asked) == (10_000, 10_000)


@pytest.mark.parametrize(
    "request_", [PageRequest("-_id", 0, 200), PageRequest("_id", 0, 200, widest=True)]
)
def test_a_look_that_cannot_be_answered_is_halved_too_and_leaves_pages_as_they_are(
    open_pages, request_
):
    server = Server(10_000)
    server.fail = lambda _, limit: ServerFaultError("GET /tasks", "500") if limit == 200 else None
    pages = open_pages(server)
    assert pages(request_).asked == 100
    assert pages(page(0, 10_000)).asked == FIRST_PAGE


def test_a_look_keeps_what_was_asked_for_ahead(open_pages):
    server = Server(10_000)
    pages = open_pages(server)
    read_on(pages, 5)
    settle(pages)
    before = len(server.asked)
    pages(PageRequest("-_id", 0, 200))
    read_on(pages, 3, offset=45)
    settle(pages)
    assert len(server.asked) == before + 1 + 3


def test_pages_hold_filters_order_and_what_to_select(open_pages):
    server = Server(10)
    pages = open_pages(server, select=["_id", "action"], filters={"isArchived": "true"})
    pages(page(0))
    pages(PageRequest("_id", 3, 1, probe=True))
    common = {"isArchived": "true", "sort": "_id"}
    assert server.queries == [
        {**common, "limit": 10, "offset": 0, "select": "_id,action"},
        {**common, "limit": 1, "offset": 3, "select": "_id"},
    ]


def test_nothing_is_selected_where_everything_is_given(open_pages):
    server = Server(10)
    open_pages(server)(page(0))
    assert "select" not in server.queries[0]


def test_closing_drops_what_waits_and_leaves_no_thread(open_pages):
    server = Server(10_000)
    before = threading.active_count()
    pages = open_pages(server, parallel=4)
    read_on(pages, 4)
    settle(pages)
    server.gate.clear()
    pages._forget()
    pages._window = 3
    pages._ask_ahead(page(900))
    started = len(server.asked)
    pages.close()
    server.gate.set()
    for _ in range(1000):
        if threading.active_count() <= before:
            break
        time.sleep(0.002)
    assert threading.active_count() <= before
    assert len(server.asked) <= started + 4
