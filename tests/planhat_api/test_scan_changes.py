"""Whatever changes between two requests, no row that was there all along is lost.

One corner cannot be decided and is left out: where a server ignores descending order, a row that
leaves just before the look behind a page, and another that arrives just after it with an id or
time of long ago, cancel out. So nothing is inserted between other rows on such a server, unless
it is all that happens.
"""

from __future__ import annotations

import random
from itertools import combinations_with_replacement, islice, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from planhat_api.paging import CannotSortError, Page, Position
from planhat_api.scan import scan

QUIET = 60
"""Requests after which a list changes no more: one that always does may never be read whole."""
ORDERS = ("by_id", "by_time", "by_unique_time")


@st.composite
def situations(draw, kit):
    """A list, the order to read it in, and how."""
    order = draw(st.sampled_from(ORDERS))
    ties = draw(st.sampled_from([0, 0.3, 0.8])) if order == "by_time" else 0
    lacking = draw(st.integers(0, 3)) if order == "by_time" else 0
    listing = kit.filled(
        draw(st.integers(lacking, 30)),
        lacking=lacking,
        seed=draw(st.integers(0, 2**32)),
        ties=ties,
        cap=draw(st.sampled_from([10**6, 2, 3, 5, 8])),
        ignores=draw(st.sampled_from(["nothing", "descending"])),
        short=draw(st.sampled_from([0, 0.3])),
        halved=draw(st.sampled_from([0, 0.3])),
    )
    order = getattr(kit, order)
    start = None
    if values := [value for value in map(order.value, listing.rows) if value]:
        hint = draw(st.sampled_from([None, 0, 5, 12, 10**7]))
        value = draw(st.sampled_from([None, *values]))
        start = value and Position(value, offset=hint)
    how = {"limit": draw(st.integers(2, 12)), "widest": 12, "start": start}
    return listing, order, how


def may_come_between(listing, order, kit):
    """Say whether rows may be inserted between others; an old time might be taken already."""
    return listing.ignores == "nothing" and order is not kit.by_unique_time


@pytest.mark.untraced
@settings(max_examples=400, deadline=None)
@given(st.data())
def test_nothing_is_lost_whatever_changes_between_two_requests(kit, data):
    listing, order, how = data.draw(situations(kit))
    between = may_come_between(listing, order, kit)
    most = data.draw(st.integers(0, 5))

    def changes():
        if len(listing.requests) < QUIET:
            for _ in range(listing.random.randint(0, most)):
                listing.change(between=between)

    try:
        listing.read(order, **how, changes=changes)
    except CannotSortError:
        assert not order.unique
    else:
        assert not listing.lost


class PendingRequestError(BaseException):
    """The scan asks for what has not been answered yet."""


class Reading(RuleBasedStateMachine):
    """A scan that stands still at each request until the list has changed as it pleases.

    The scan is begun anew for each answer, with all answers up to it: the same answers lead to
    the same next request.
    """

    kit = None

    @initialize(data=st.data())
    def begin(self, data):
        self.listing, self.cursor, self.how = data.draw(situations(self.kit))
        self.listing.begin(self.cursor, self.how["start"] or Position())
        self.answers = []
        self.goes_on = True
        self.advance()

    def advance(self):
        answers = iter(self.answers)

        def fetch(request):
            if (answer := next(answers, None)) is not None:
                return answer
            self.request = request
            raise PendingRequestError

        try:
            self.listing.take(scan(fetch, self.cursor, **self.how))
        except PendingRequestError:
            return
        except CannotSortError:
            assert not self.cursor.unique
        else:
            assert not self.listing.lost
        self.goes_on = False

    @precondition(lambda self: self.goes_on)
    @rule()
    def answer(self):
        self.answers.append(self.listing.answer(self.request))
        self.advance()

    @rule()
    def insert(self):
        self.listing.insert()

    @precondition(lambda self: may_come_between(self.listing, self.cursor, self.kit))
    @rule()
    def insert_between(self):
        self.listing.insert_between()

    @precondition(lambda self: self.listing.rows)
    @rule(data=st.data())
    def delete_or_archive(self, data):
        self.listing.leave(data.draw(st.sampled_from(self.listing.rows)))

    @precondition(lambda self: self.listing.rows)
    @rule(data=st.data())
    def update(self, data):
        self.listing.update(data.draw(st.sampled_from(self.listing.rows)))

    def teardown(self):
        while getattr(self, "goes_on", False):
            self.answer()


@pytest.mark.untraced
def test_a_scan_that_waits_at_each_request_for_any_changes_loses_nothing(kit):
    Reading.kit = kit
    run_state_machine_as_test(
        Reading,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
        ),
    )


# Every small list, with every one or two changes between any two requests.


class SmallList:
    """Rows as (id, cursor); ties turn round at each request."""

    def __init__(self, rows, changes, *, falls):
        self.rows, self.changes, self.falls = list(rows), changes, falls
        self.requests = 0

    def answer(self, request):
        for when, change in self.changes:
            if when == self.requests:
                change(self.rows)
        self.requests += 1
        turned = self.rows[:: -1 if self.requests % 2 else 1]
        falling = request.sort.startswith("-") and self.falls
        found = sorted(turned, key=lambda row: row[1], reverse=falling)
        return Page(found[request.offset : request.offset + request.limit], request.limit)


def insert(value, number):
    def change(rows):
        if all(row[0] != number for row in rows):
            rows.append((number, value))

    return change


def delete(number):
    return lambda rows: rows.__setitem__(slice(None), [row for row in rows if row[0] != number])


def update(number, value):
    def change(rows):
        if any(row[0] == number for row in rows):
            delete(number)(rows)
            rows.append((number, value))

    return change


def small_lists(most):
    """Yield the cursors of all lists of so many rows; "" is none, and comes first."""
    for count in range(most + 1):
        for steps in product((0, 1), repeat=count):
            # A first step of 0 leaves the rows at its head without the cursor.
            level, values = 0, []
            for step in steps:
                level += step
                values.append(f"{2 * level:02d}" if level else "")
            yield values


def check_small_list(kit, values, *, unique, falls, limit, start, changes):
    """Read one small list; return how many requests that took, or None if it cannot be sorted."""
    rows = list(enumerate(values))
    listing = SmallList(rows, changes, falls=falls)
    order = kit.order("c", value=lambda row: row[1], identity=lambda row: row[0], unique=unique)
    seen = set()
    try:
        for batch in scan(listing.answer, order, limit=limit, widest=4, start=start):
            seen.update(row[0] for row in batch.rows)
    except CannotSortError:
        assert not unique
        return None
    first = start.value if start else ""
    owed = {number for number, value in rows if not value or value >= first}
    alive = {number for number, _ in listing.rows}
    assert not (owed & alive) - seen, (values, unique, falls, limit, start, listing.rows)
    return listing.requests


@pytest.mark.untraced
@pytest.mark.parametrize("falls", [True, False])
@pytest.mark.parametrize(("most", "changes", "every"), [(4, 1, 1), (3, 2, 1), (4, 2, 23)])
def test_every_small_list_is_read_whole_whatever_changes_come(kit, most, changes, every, falls):
    """Of two changes to four rows only some pairs; all of them pass too, but take minutes."""
    read = unread = 0
    for values in small_lists(most):
        unique = len(set(values)) == len(values) and "" not in values
        middle = values[len(values) // 2] if values else ""
        starts = [None] + ([Position(middle, offset=1)] if middle else [])
        now = f"{2 * len(values) + 2:02d}"
        kinds = [insert(now, 90)]
        if falls or changes == 1:
            kinds.append(insert("03", 91))
        if values and not unique:
            kinds.append(insert(values[-1], 92))
        for number in range(len(values)):
            kinds += [delete(number), update(number, f"{now}{number}")]
        for limit, start, is_unique in product((2, 3), starts, {unique, False}):
            how = {"unique": is_unique, "falls": falls, "limit": limit, "start": start}
            requests = check_small_list(kit, values, **how, changes=[]) or 4
            moments = range(1, requests + 1)
            whens = combinations_with_replacement(moments, changes)
            sequences = product(whens, product(kinds, repeat=changes))
            for when, chosen in islice(sequences, 0, None, every):
                sequence = list(zip(when, chosen, strict=True))
                if check_small_list(kit, values, **how, changes=sequence) is None:
                    unread += 1
                else:
                    read += 1
    assert read > 9 * unread


# Large lists.


@pytest.mark.untraced
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("order", ORDERS)
def test_a_large_list_that_changes_all_the_time_is_read_whole(kit, order, seed):
    order = getattr(kit, order)
    ties = 0.9 if order is kit.by_time else 0
    lacking = 50 if order is kit.by_time else 0
    listing = kit.filled(20_000, seed=seed, ties=ties, lacking=lacking, halved=0.1, cap=1_500)
    chance = random.Random(seed)

    def changes():
        if len(listing.requests) < QUIET:
            for _ in range(chance.choice([0, 3, 30, 100])):
                listing.change(between=order is not kit.by_unique_time)

    listing.read(order, limit=2_000, widest=10_000, changes=changes)
    assert len(listing.owed) > 15_000
    assert not listing.lost
    middle = sorted(map(order.value, listing.rows))[12_000]
    start = Position(middle, offset=[None, 9_000][seed % 2])
    listing.requests.clear()
    listing.seen.clear()
    listing.read(order, limit=2_000, widest=10_000, start=start, changes=changes)
    assert not listing.lost
