from __future__ import annotations

import doctest
import itertools
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planhat_api import errors
from planhat_api.resources import TASKS
from target_planhat.item import Item
from target_planhat.outcome import OutcomeKind
from target_planhat.upsert.api import ResourceApi
from target_planhat.upsert.chunks import KEYLESS_ITEMS, calls_to_find
from target_planhat.upsert.resolver import EXTRA_CALLS
from target_planhat.upsert.upserter import Upserter

SHAPES = ("keys", "nested", "item", "text", "mute", "misleading")
QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def kinds(result):
    return Counter(outcome.kind if outcome else None for outcome in result.outcomes)


def numbered(make_item, count, **special):
    """Items s0, s1, …; `bad={3}` gives those numbers that mark."""
    marks = {number: name for name, numbers in special.items() for number in numbers}
    return [
        make_item(
            sourceId=f"s{number}", n=number, **({marks[number]: True} if number in marks else {})
        )
        for number in range(count)
    ]


def rejected_places(result):
    return {
        place
        for place, outcome in enumerate(result.outcomes)
        if outcome and outcome.kind is OutcomeKind.REJECTED
    }


def test_new_records_are_created_and_known_ones_updated_or_unchanged(make_server, make_item):
    server = make_server()
    upserter = server.upserter()
    assert kinds(upserter.upsert(numbered(make_item, 3))) == {OutcomeKind.CREATED: 3}
    second = [make_item(sourceId="s0", n=0), make_item(sourceId="s1", n=9), make_item(sourceId="x")]
    assert [outcome.kind for outcome in upserter.upsert(second).outcomes] == [
        OutcomeKind.UNCHANGED,
        OutcomeKind.UPDATED,
        OutcomeKind.CREATED,
    ]


def test_a_request_holds_no_more_items_and_bytes_than_it_may(make_server, make_item):
    server = make_server()
    items = [make_item(sourceId=f"s{n}", text="x" * 100) for n in range(50)]
    server.upserter(max_items=20, max_bytes=1000).upsert(items)
    assert max(len(request) for request in server.requests) <= 20
    assert len(server.requests) > 5
    assert len(server.records) == 50


def test_a_body_that_is_too_large_is_halved_down_to_the_item_that_is(
    make_server, make_item, manners
):
    server = make_server(manners(limit=500))
    items = [make_item(sourceId=f"s{n}") for n in range(100)]
    items[37] = make_item(sourceId="s37", text="x" * 600)
    upserter = server.upserter()
    result = upserter.upsert(items)
    assert rejected_places(result) == {37}
    assert result.outcomes[37].status == 413
    assert kinds(result)[OutcomeKind.CREATED] == 99
    # What was learnt holds for the next batch.
    refused = server.attempts - len(server.requests)
    upserter.upsert([make_item(sourceId=f"t{n}") for n in range(100)])
    assert server.attempts - len(server.requests) == refused


@pytest.mark.untraced
@pytest.mark.parametrize("answers", list(itertools.product(SHAPES, [0.0, 1.0])))
@pytest.mark.parametrize("count", [1, 7])
def test_bad_records_among_5000_are_found_within_the_calls_allowed(
    make_server, make_item, manners, answers, count
):
    shape, lists = answers
    server = make_server(manners(shapes=(shape,), lists=lists))
    bad = {n * 701 + 13 for n in range(count)}
    result = server.upserter().upsert(numbered(make_item, 5000, bad=bad))
    assert rejected_places(result) == bad
    assert kinds(result) == {OutcomeKind.CREATED: 5000 - count, OutcomeKind.REJECTED: count}
    assert server.calls <= (40 if count == 1 else 200)


@pytest.mark.untraced
@pytest.mark.parametrize("count", [1, 7])
def test_bad_records_are_found_where_one_spoils_the_whole_request(
    make_server, make_item, manners, count
):
    server = make_server(manners(all_or_nothing=True))
    bad = {n * 701 + 13 for n in range(count)}
    result = server.upserter().upsert(numbered(make_item, 5000, bad=bad))
    assert rejected_places(result) == bad
    assert len(server.records) == 5000 - count
    assert server.calls <= (40 if count == 1 else 200)


def test_an_item_dropped_without_a_word_is_found(make_server, make_item):
    server = make_server()
    result = server.upserter().upsert(numbered(make_item, 5000, drop={4242}))
    assert rejected_places(result) == {4242}
    assert "did not write" in result.outcomes[4242].reason
    assert server.calls <= 40


def test_an_item_dropped_alone_is_not_taken_for_written(make_server, make_item):
    result = make_server().upserter().upsert(numbered(make_item, 1, drop={0}))
    assert kinds(result) == {OutcomeKind.REJECTED: 1}


def test_a_success_that_counts_nothing_at_all_is_believed(make_server, make_item, manners):
    server = make_server(manners(counts=False, lists=0.0, zeros=0.0))
    result = server.upserter().upsert(numbered(make_item, 10))
    assert kinds(result) == {OutcomeKind.UPDATED: 10}
    assert server.calls == 1


ODD = [
    {"error": "Internal failure"},
    {"errors": ["Internal failure"]},
    {"success": False},
    "nope",
    [],
    None,
]


@pytest.mark.parametrize("body", ODD)
@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize("count", [1, 10])
def test_a_success_that_says_anything_else_than_what_was_written_is_not_believed(
    make_server, make_item, body, keyed, count
):
    upserter = make_server(
        answers=(
            {},
            body,
        )
    ).upserter()
    assert kinds(upserter.upsert([make_item(sourceId="before")])) == {OutcomeKind.UPDATED: 1}
    items = [make_item(**({"sourceId": f"s{n}"} if keyed else {}), n=n) for n in range(count)]
    assert kinds(upserter.upsert(items)) == {OutcomeKind.REJECTED: count}


@pytest.mark.parametrize("body", ODD)
def test_a_host_that_answers_so_to_everything_ends_the_run(make_server, make_item, body):
    result = make_server(answers=(body,)).upserter().upsert(numbered(make_item, 100))
    assert isinstance(result.error, errors.PayloadError)
    assert kinds(result) == {None: 100}


def test_the_words_of_a_success_that_is_none_are_told(make_server, make_item):
    result = (
        make_server(answers=({"error": "Internal failure"},))
        .upserter()
        .upsert(numbered(make_item, 1))
    )
    assert "answers with 200 but counts nothing (Internal failure)" in str(result.error)


def test_an_item_without_key_is_not_left_open_by_such_a_host(make_server, make_item):
    result = make_server(answers=([],)).upserter().upsert([make_item(n=1)])
    assert "not known whether it was written" in result.outcomes[0].reason


@pytest.mark.parametrize("status", [200, 201, 202, 206])
@pytest.mark.parametrize("count", [1, 10])
def test_whatever_success_the_status_is_what_is_counted_is_written(
    make_server, make_item, status, count
):
    upserter = make_server(answers=({"created": count},), status=status).upserter()
    assert kinds(upserter.upsert(numbered(make_item, count))) == {OutcomeKind.CREATED: count}


@pytest.mark.untraced
@pytest.mark.parametrize("shape", ["mute", "misleading"])
@pytest.mark.parametrize(
    # The last two take more calls than EXTRA_CALLS.
    "share",
    [(1, 5000), (15, 5000), (150, 5000), (500, 1000), (1000, 1000)],
)
def test_where_answers_count_failures_each_is_found_and_nobody_else_rejected(
    make_server, make_item, manners, shape, share
):
    count, total = share
    server = make_server(manners(shapes=(shape,), lists=0.0))
    bad = set(range(0, total, total // count))
    items = numbered(make_item, total, bad=bad)
    upserter = server.upserter()
    # The second time nothing is new, and no list names what was written.
    for _ in range(2):
        before = server.calls
        assert rejected_places(upserter.upsert(items)) == bad
        assert server.calls - before <= calls_to_find(count, total) + 3


def test_what_the_calls_of_a_batch_do_not_suffice_for_stays_pending(
    make_server, make_item, manners, caplog
):
    server = make_server(manners(all_or_nothing=True))
    server.upserter().upsert([make_item(sourceId="first")])
    bad = set(range(0, 5000, 2))
    result = server.upserter().upsert(numbered(make_item, 5000, bad=bad))
    assert result.error is None
    assert server.calls <= EXTRA_CALLS + 2
    assert rejected_places(result) <= bad
    pending = result.outcomes.count(None)
    assert pending > 2500
    assert f"{pending} records stay pending" in caplog.text
    assert "Planhat refuses it" in caplog.text
    for place, outcome in enumerate(result.outcomes):
        assert place not in bad or outcome is None or outcome.kind is OutcomeKind.REJECTED


def test_no_more_records_are_rejected_than_an_answer_leaves_unwritten(
    make_server, make_item, manners, caplog
):
    server = make_server(manners(shapes=("mute",), lists=0.0))
    server.changes = [("free", ""), ("bar", "s1")]
    result = server.upserter().upsert(numbered(make_item, 100, bad={50}))
    assert rejected_places(result) == set()
    assert [place for place, outcome in enumerate(result.outcomes) if outcome is None] == [1, 50]
    assert "counted more of them as written" in caplog.text


def test_the_words_of_the_answer_are_the_reason(make_server, make_item):
    result = make_server().upserter().upsert(numbered(make_item, 3, bad={1}))
    assert result.outcomes[1].reason == "Planhat refuses it: bad value"
    assert result.outcomes[1].status == 206


@pytest.mark.parametrize("lists", [0.0, 1.0])
def test_a_text_that_means_another_record_blames_nobody_for_it(
    make_server, make_item, manners, lists
):
    server = make_server(manners(shapes=("misleading",), lists=lists))
    items = [make_item(sourceId=f"s{n}", hint="s3") for n in range(10)]
    items[7] = make_item(sourceId="s7", hint="s3", bad=True)
    assert rejected_places(server.upserter().upsert(items)) == {7}


def test_a_record_on_which_the_server_crashes_costs_no_other(make_server, make_item):
    server = make_server()
    result = server.upserter(retry_timeout=300).upsert(numbered(make_item, 5000, poison={0, 2700}))
    assert rejected_places(result) == {0, 2700}
    assert result.outcomes[0].reason == (
        "Planhat fails on this record each time (PUT /tasks: 500)."
    )
    assert len(server.records) == 4998
    assert server.calls <= 150
    assert server.waited < 300


def test_a_server_that_is_down_ends_the_batch_and_rejects_nothing(make_server, make_item):
    server = make_server(down=True)
    result = server.upserter().upsert(numbered(make_item, 5000))
    assert isinstance(result.error, errors.ServerFaultError)
    assert kinds(result) == {None: 5000}
    assert server.calls <= 10


def test_a_server_that_goes_down_in_between_rejects_nothing(make_server, make_item):
    server = make_server()
    upserter = server.upserter()
    upserter.upsert(numbered(make_item, 10))
    server.down = True
    result = upserter.upsert([make_item(sourceId="later"), make_item(sourceId="last")])
    assert isinstance(result.error, errors.ServerFaultError)
    assert kinds(result) == {None: 2}


def test_a_single_record_that_crashes_a_server_which_is_up_is_rejected(make_server, make_item):
    server = make_server()
    upserter = server.upserter()
    upserter.upsert(numbered(make_item, 10))
    result = upserter.upsert([make_item(sourceId="p", poison=True)])
    assert result.error is None
    assert kinds(result) == {OutcomeKind.REJECTED: 1}


def test_finding_out_whether_the_server_is_up_undoes_no_later_value(make_server, make_item):
    server = make_server()
    upserter = server.upserter()
    upserter.upsert([make_item(sourceId="b", n=1), make_item(sourceId="a", n=1)])
    upserter.upsert([make_item(sourceId="a", n=2), make_item(sourceId="b", n=2)])
    upserter.upsert([make_item(sourceId="b", poison=True)])
    assert next(doc for doc in server.records.values() if doc["sourceId"] == "a")["n"] == 2


def test_calls_are_bounded_where_the_server_crashes_on_very_many(make_server, make_item):
    server = make_server()
    poison = set(range(0, 5000, 2))
    result = server.upserter().upsert(numbered(make_item, 5000, poison=poison))
    assert result.error is None
    assert rejected_places(result) <= poison
    assert None in result.outcomes
    assert all(result.outcomes[place] is None for place in poison - rejected_places(result))
    assert server.calls <= EXTRA_CALLS + 10


def test_a_token_without_permission_ends_the_run_and_rejects_nothing(make_server, make_item):
    server = make_server(denied=True)
    result = server.upserter().upsert(numbered(make_item, 5000))
    assert isinstance(result.error, errors.PermissionDeniedError)
    assert "Forbidden" in str(result.error)
    assert kinds(result) == {None: 5000}
    assert server.calls <= 40


def test_a_host_that_refuses_everything_ends_the_run(make_server, make_item):
    server = make_server(refuses=errors.PayloadError("PUT /tasks", "308 does not redirect"))
    result = server.upserter().upsert(numbered(make_item, 100))
    assert isinstance(result.error, errors.PayloadError)
    assert kinds(result) == {None: 100}


def test_the_status_with_which_planhat_refuses_a_record_is_its_own(make_server, make_item):
    conflict = errors.PayloadError("PUT /tasks", "409 Conflict")
    conflict.status = 409
    result = make_server(refuses=conflict).upserter().upsert(numbered(make_item, 1))
    assert result.error.detail == "Planhat refuses it: PUT /tasks: 409 Conflict"
    server = make_server()
    upserter = server.upserter()
    upserter.upsert(numbered(make_item, 1))
    server.refuses = conflict
    assert upserter.upsert(numbered(make_item, 1)).outcomes[0].status == 409


def test_an_item_without_key_is_not_sent_again_after_an_answer_was_lost(
    make_server, make_item, manners
):
    server = make_server(manners(lost=1.0))
    result = server.upserter().upsert([make_item(n=number) for number in range(20)])
    assert kinds(result) == {OutcomeKind.REJECTED: 20}
    assert "not known whether it was written" in result.outcomes[0].reason
    assert len(server.records) == 20


def test_items_without_key_go_on_until_the_server_seems_down(make_server, make_item):
    server = make_server(down=True)
    result = server.upserter().upsert([make_item(n=number) for number in range(1000)])
    assert isinstance(result.error, errors.ServerFaultError)
    assert kinds(result) == {
        OutcomeKind.REJECTED: 3 * KEYLESS_ITEMS,
        None: 1000 - 3 * KEYLESS_ITEMS,
    }


def test_a_failed_item_without_key_is_told_by_its_echo_and_nothing_is_sent_twice(
    make_server, make_item, manners
):
    server = make_server(manners(shapes=("item",), lists=0.0))
    items = [make_item(n=number) for number in range(50)]
    items[7] = make_item(n=7, bad=True)
    result = server.upserter().upsert(items)
    assert rejected_places(result) == {7}
    assert len(server.records) == 49


def test_of_items_without_key_an_unexplained_failure_leaves_all_unknown(
    make_server, make_item, manners
):
    server = make_server(manners(shapes=("mute",)))
    result = server.upserter().upsert([make_item(n=0), make_item(n=1, bad=True)])
    assert kinds(result) == {OutcomeKind.REJECTED: 2}
    assert len(server.records) == 1


def test_a_record_that_cannot_be_encoded_is_rejected(make_server, make_item):
    result = (
        make_server().upserter().upsert([make_item(sourceId="a", x={1}), make_item(sourceId="b")])
    )
    assert [outcome.kind for outcome in result.outcomes] == [
        OutcomeKind.REJECTED,
        OutcomeKind.CREATED,
    ]


def test_of_merged_records_only_the_bad_one_is_rejected(make_server, make_item):
    server = make_server()
    items = [
        make_item(sourceId="a", n=1),
        make_item(sourceId="a", m=2),
        make_item(sourceId="a", bad=True),
        make_item(sourceId="a", n=4),
        make_item(sourceId="b"),
    ]
    result = server.upserter().upsert(items)
    assert rejected_places(result) == {2}
    stored = next(doc for doc in server.records.values() if doc["sourceId"] == "a")
    assert (stored["n"], stored["m"], stored.get("bad")) == (4, 2, None)


def test_the_first_count_of_created_records_stands_when_they_are_sent_again(
    make_server, make_item, manners
):
    server = make_server(manners(shapes=("mute",), lists=0.0))
    result = server.upserter().upsert(numbered(make_item, 100, bad={50}))
    assert kinds(result) == {OutcomeKind.CREATED: 99, OutcomeKind.REJECTED: 1}


def test_a_dry_run_sends_nothing_and_finds_what_can_be_found(make_server, make_item):
    server = make_server()
    items = [make_item(sourceId="a"), make_item(sourceId="a"), make_item(sourceId="b", x={1})]
    result = server.upserter(dry_run=True).upsert(items)
    assert server.calls == 0
    assert [outcome.kind for outcome in result.outcomes] == [
        OutcomeKind.MERGED,
        OutcomeKind.SKIPPED,
        OutcomeKind.REJECTED,
    ]


def test_the_example_of_its_use_works(make_server):
    names = {"client": make_server(), "TASKS": TASKS, "Item": Item, "Upserter": Upserter}
    names["ResourceApi"] = ResourceApi
    [example] = doctest.DocTestFinder(recurse=False).find(Upserter, globs=names)
    result = doctest.DocTestRunner().run(example)
    assert (result.failed, result.attempted) == (0, 4)


bodies = st.builds(
    dict,
    key=st.integers(0, 11),
    n=st.integers(0, 3),
    both=st.booleans(),
    custom=st.dictionaries(st.sampled_from("xyz"), st.integers(0, 2), max_size=2),
    mark=st.sampled_from([None] * 8 + ["bad", "drop", "poison"]),
)
behaviours = st.builds(
    dict,
    seed=st.integers(0, 10_000),
    shapes=st.lists(st.sampled_from(SHAPES), min_size=1, unique=True).map(tuple),
    lists=st.sampled_from([0.0, 0.5, 1.0]),
    zeros=st.sampled_from([0.0, 0.5, 1.0]),
    all_or_nothing=st.booleans(),
    lost=st.sampled_from([0.0, 0.2]),
    failing=st.sampled_from([0.0, 0.2]),
    limit=st.sampled_from([None, None, 700]),
)


def from_plan(make_item, plan):
    """Items of keys 8 and up may carry a second key as well, which their record keeps."""
    body = {"sourceId": f"s{plan['key']}", "companyId": "c", "n": plan["n"]}
    if plan["both"] and plan["key"] >= 8:
        body["externalId"] = f"e{plan['key']}"
    if plan["custom"]:
        body["custom"] = plan["custom"]
    if plan["mark"]:
        body[plan["mark"]] = True
    return make_item(**body, hint=f"s{(plan['key'] + 1) % 12}")


@pytest.mark.untraced
@QUICK
@given(st.lists(st.lists(bodies, max_size=20), min_size=1, max_size=4), behaviours)
def test_whatever_the_server_answers_records_are_conserved_in_order_and_blame_is_exact(
    make_server, make_item, manners, plans, behaviour
):
    server = make_server(manners(**behaviour))
    upserter = server.upserter(max_items=10)
    upserter.upsert([make_item(sourceId="first", companyId="c")])
    expected = {}
    for number, batch in enumerate(plans):
        # Something else always gets through: that tells a server that is up.
        items = [make_item(sourceId=f"other{number}"), *(from_plan(make_item, p) for p in batch)]
        before = server.calls
        result = upserter.upsert(items)
        assert result.error is None
        assert None not in result.outcomes
        assert server.calls - before <= EXTRA_CALLS + calls_to_find(len(items), len(items))
        for plan, item, outcome in zip(batch, items[1:], result.outcomes[1:], strict=True):
            assert (outcome.kind is OutcomeKind.REJECTED) == (plan["mark"] is not None), outcome
            if plan["mark"] is None:
                doc = expected.setdefault(item.body["sourceId"], {"custom": {}})
                doc.update({**item.body, "custom": doc["custom"] | plan["custom"]})
    stored = {
        doc["sourceId"]: doc for doc in server.records.values() if doc["sourceId"] in expected
    }
    assert len(server.records) == len(expected) + 1 + len(plans)
    for key, doc in expected.items():
        assert stored[key] | doc == {"custom": {}} | stored[key]


@QUICK
@given(
    st.lists(st.sampled_from([None, None, None, "bad", "poison"]), max_size=30),
    behaviours,
)
def test_an_item_without_key_is_never_written_twice_nor_taken_for_written(
    make_server, make_item, manners, marks, behaviour
):
    server = make_server(manners(**behaviour | {"limit": None}))
    items = [
        make_item(uid=number, **({mark: True} if mark else {})) for number, mark in enumerate(marks)
    ]
    result = server.upserter(max_items=5).upsert(items)
    written = Counter(doc["uid"] for doc in server.records.values())
    assert set(written.values()) <= {1}
    for number, outcome in enumerate(result.outcomes):
        if outcome is None:
            assert result.error is not None
            assert not written[number]
        elif outcome.kind is not OutcomeKind.REJECTED:
            assert written[number]
        elif "not known" not in outcome.reason:
            assert not written[number]
