from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from target_planhat.item import Item
from target_planhat.upsert.merge import waves


def item(**body):
    keys = {name: body[name] for name in ("_id", "sourceId", "externalId") if name in body}
    return Item(body, keys, body.get("companyId"))


def positions(items):
    return [[list(item.positions) for item in wave] for wave in waves(items)]


def test_items_with_nothing_in_common_are_sent_each_for_itself():
    assert positions([item(sourceId="a"), item(sourceId="b"), item(n=1), item(n=1)]) == [
        [[0], [1], [2], [3]]
    ]


def test_a_later_item_wins_property_by_property_and_custom_key_by_key():
    [[merged]] = waves(
        [
            item(sourceId="a", action="old", status="open", custom={"x": 1, "y": 1}),
            item(sourceId="a", action="new", custom={"y": 2, "z": 2}),
            item(sourceId="a", status=None),
        ]
    )
    assert merged.body == {
        "sourceId": "a",
        "action": "new",
        "status": None,
        "custom": {"x": 1, "y": 2, "z": 2},
    }


def test_merging_leaves_the_items_as_they_were():
    first = item(sourceId="a", custom={"x": 1})
    waves([first, item(sourceId="a", custom={"y": 2})])
    assert first.body == {"sourceId": "a", "custom": {"x": 1}}


def test_any_key_in_common_joins_items():
    assert positions([item(_id="1", sourceId="x"), item(sourceId="x"), item(_id="1")]) == [
        [[0, 1, 2]]
    ]


def test_an_item_with_the_keys_of_two_tells_that_they_are_one():
    assert positions([item(_id="1"), item(sourceId="x"), item(_id="1", sourceId="x")]) == [
        [[0, 1, 2]]
    ]


def test_an_external_id_counts_with_its_company():
    items = [
        item(externalId="e", companyId="c"),
        item(externalId="e", companyId="d"),
        item(externalId="e", companyId="c"),
    ]
    assert positions(items) == [[[0, 2], [1]]]


def test_items_that_contradict_each_other_go_out_one_after_the_other():
    items = [item(_id="1", sourceId="x"), item(_id="2", sourceId="x"), item(sourceId="x")]
    assert positions(items) == [[[0]], [[1, 2]]]


def test_what_follows_a_contradiction_stays_behind_it():
    items = [
        item(_id="1", sourceId="x"),
        item(_id="2", sourceId="x"),
        item(_id="3", sourceId="x"),
        item(_id="2", n=4),
        item(_id="9"),
    ]
    assert positions(items) == [[[0], [4]], [[1, 3]], [[2]]]


def test_thousands_of_items_of_one_record_are_merged_in_no_time():
    [[merged]] = waves([item(sourceId="a", n=n) for n in range(5000)])
    assert merged.body["n"] == 4999
    left, right = merged.split()
    assert (left.body["n"], right.body["n"]) == (2499, 4999)


keyed = st.builds(
    lambda ids, n: item(n=n, companyId="c", **ids),
    st.dictionaries(
        st.sampled_from(["_id", "sourceId", "externalId"]), st.sampled_from("abc"), max_size=3
    ),
    st.integers(0, 9),
)


@given(st.lists(keyed, max_size=15))
def test_every_item_goes_out_once_and_no_key_is_twice_in_a_wave(items):
    built = waves(items)
    sent = [member for wave in built for item in wave for member in item.positions]
    assert sorted(sent) == list(range(len(items)))
    for wave in built:
        keys = Counter(key for item in wave for key in item.keys.items())
        assert set(keys.values()) <= {1}
        for group in wave:
            assert list(group.positions) == sorted(group.positions)
            for one in group.items:
                assert all(group.keys[name] == value for name, value in one.keys.items())


@given(st.lists(keyed, max_size=15))
def test_items_with_the_same_key_go_out_in_their_order(items):
    wave_of = {
        member: number
        for number, wave in enumerate(waves(items))
        for group in wave
        for member in group.positions
    }
    for later, one in enumerate(items):
        for earlier in range(later):
            if set(items[earlier].identities) & set(one.identities):
                assert wave_of[earlier] <= wave_of[later]
