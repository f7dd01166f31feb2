import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_api.resources import CAMPAIGNS, TASKS
from planhat_sandbox.tenant import store
from planhat_sandbox.tenant.store import Table, sort_key


def table_of(rows):
    table = Table(TASKS)
    for number, value in enumerate(rows):
        doc = {"_id": f"{number:024x}", "isArchived": False}
        table.put(doc if value is None else {**doc, "action": value})
    return table


def actions(table, ids):
    return [table.get(found).get("action") for found in ids]


def test_values_sort_as_in_mongodb_with_missing_ones_first():
    values = [True, False, [1], {"a": 1}, "b", "a", 2, 1.5, None]
    ordered = sorted(values, key=lambda value: sort_key({"p": value}, ("p",)))
    assert ordered == [None, 1.5, 2, "a", "b", {"a": 1}, [1], False, True]
    assert sort_key({}, ("p",)) == sort_key({"p": None}, ("p",))
    assert sort_key({"custom": {"a": 5}}, ("custom", "a")) == (1, 5)
    assert sort_key({"custom": 3}, ("custom", "a")) == sort_key({}, ("p",))


def test_a_page_is_a_slice_of_the_order_either_way():
    table = table_of(["c", None, "a", "b"])
    view = table.view("all", None, ("action",))
    up = view.ids(0, 10, descending=False, rng=None)
    assert actions(table, up) == [None, "a", "b", "c"]
    assert view.ids(0, 10, descending=True, rng=None) == up[::-1]
    assert view.ids(1, 2, descending=True, rng=None) == up[::-1][1:3]
    assert view.ids(3, 10, descending=False, rng=None) == up[3:]
    assert view.ids(4, 10, descending=False, rng=None) == []


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=30),
    st.integers(0, 30),
    st.integers(1, 30),
    st.booleans(),
    st.integers(0, 999),
)
def test_a_page_with_ties_holds_distinct_rows_with_the_values_of_its_place(
    values, offset, limit, descending, seed
):
    table = table_of(values)
    view = table.view("all", None, ("action",))
    ids = view.ids(offset, limit, descending=descending, rng=random.Random(seed))
    ordered = sorted(values, reverse=descending)
    assert actions(table, ids) == ordered[offset : offset + limit]
    assert len(set(ids)) == len(ids)


def test_equal_rows_come_in_another_order_each_time_also_across_the_edges_of_a_page():
    table = table_of(["a", *["b"] * 8, "c"])
    view = table.view("all", None, ("action",))
    rng = random.Random(1)
    whole = {tuple(view.ids(0, 10, descending=False, rng=rng)) for _ in range(20)}
    cut = {frozenset(view.ids(3, 2, descending=False, rng=rng)) for _ in range(40)}
    assert len(whole) > 10
    assert len(cut) > 10, "which rows of a cut group come is open too"


def test_without_a_sort_the_rows_come_in_any_order():
    table = table_of(["a", "b", "c", "d", "e"])
    view = table.view("all", None, ())
    rng = random.Random(1)
    pages = {tuple(view.ids(0, 5, descending=False, rng=rng)) for _ in range(20)}
    assert len(pages) > 5
    assert {tuple(sorted(page)) for page in pages} == {tuple(table.rows)}


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.sampled_from([None, "x", "y"]), st.booleans()), max_size=40
    )
)
def test_views_and_keys_kept_up_to_date_equal_those_made_anew(steps):
    table = Table(CAMPAIGNS)

    def views():
        return [
            list(view.entries.slice(0, 99))
            for view in (
                table.view("all", None, ()),
                table.view("all", None, ("name",)),
                table.view("x", lambda doc: doc["name"] == "x", ("_id",)),
            )
        ]

    views()
    table.by_source("1")
    for number, name, remove in steps:
        if remove:
            table.remove(f"{number:024x}")
        else:
            table.put(
                {
                    "_id": f"{number:024x}",
                    "name": name,
                    "companyId": name,
                    "sourceId": f"{number}{name}",
                    "externalId": f"{number}",
                }
            )
    kept = views(), dict(table._sources), {k: v for k, v in table._externals.items() if v}
    table.put_encoded({})
    assert kept == (views(), *table._keys())


def test_a_blank_key_is_no_key():
    table = Table(CAMPAIGNS)
    table.put({"_id": "a", "sourceId": "", "externalId": "", "companyId": "c"})
    assert table.by_source("") is None
    assert not table.by_external("")


def test_only_so_many_orders_are_kept():
    table = table_of(["a"])
    first = table.view("0", None, ("action",))
    for number in range(1, store.VIEWS):
        table.view(str(number), None, ("action",))
    assert table.view("0", None, ("action",)) is first
    table.view("one more", None, ("action",))
    table.view("and another", None, ("action",))
    assert table.view("0", None, ("action",)) is first
    assert len(table._views) == store.VIEWS


def test_equal_rows_are_found_by_text():
    table = table_of(["a", "b", "b", "c"])
    view = table.view("all", None, ("action",))
    assert view.equal("b") == [f"{1:024x}", f"{2:024x}"]
    assert view.equal("z") == []


@pytest.mark.parametrize("count", [0, 2, 9])
def test_a_sample_is_of_distinct_rows_and_no_more_than_there_are(count):
    docs = table_of(["a", "b", "c"]).sample(random.Random(1), count)
    assert len({doc["_id"] for doc in docs}) == len(docs) == min(count, 3)


def test_a_table_knows_whether_rows_have_more_than_some_names():
    table = table_of(["a", None])
    assert table.has_only({"_id", "isArchived", "action", "status"})
    assert not table.has_only({"_id", "isArchived"})
    table.put_encoded({"7" * 24: b'{"_id":"777777777777777777777777","status":"x"}'})
    assert not table.has_only({"_id", "isArchived", "action"})
    table.put({"_id": "8" * 24, "mood": "good"})
    assert not table.has_only({"_id", "isArchived", "action", "status"})
    assert table.has_only({"_id", "isArchived", "action", "status", "mood"})
