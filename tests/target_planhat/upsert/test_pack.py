from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_planhat.item import Item
from target_planhat.upsert.chunks import Limits, encoded_as_one
from target_planhat.upsert.merge import MergedItem, waves
from target_planhat.upsert.pack import Pack, Packed

LINE = b'{"type":"RECORD","record":{"n":%d}}\n'
BODIES = [{"sourceId": f"s{n}", "n": n} for n in range(5)]


def packed(bodies, *, seal=True):
    pack = Pack()
    items = [
        Packed(pack, pack.add(body, LINE % n), {"sourceId": body["sourceId"]}, "c")
        for n, body in enumerate(bodies)
    ]
    if seal:
        pack.seal()
    return items


def merged(items):
    return [MergedItem((n,), (item,)) for n, item in enumerate(items)]


@pytest.mark.parametrize("seal", [False, True])
def test_what_was_packed_comes_out_again(seal):
    for _ in range(2):
        for n, item in enumerate(packed(BODIES, seal=seal)):
            assert item.body == BODIES[n]
            assert item.pack.message(item.place) in {LINE % n, LINE[:-1] % n}


def test_a_packed_item_is_the_same_record_as_one_that_is_not():
    [one] = packed([{"externalId": "e", "sourceId": "s"}])
    one = one._replace(keys={"externalId": "e", "sourceId": "s"})
    assert one.identities == Item(one.body, one.keys, "c").identities


def test_the_inputs_last_line_may_lack_its_end_and_be_of_several_items():
    last = b'{"record":{"n":1}}'
    pack = Pack()
    for line in (LINE % 0, last, last):
        pack.add({}, line)
    pack.seal()
    assert [pack.message(n) for n in range(3)] == [LINE[:-1] % 0, last, last]


def test_an_item_that_json_cannot_carry_leaves_its_pack_as_it_was():
    items = packed([*BODIES, {"sourceId": "odd", "n": object}])
    assert items[0].pack.encoded is None
    assert items[5].body["n"] is object
    assert items[5].pack.message(5) == LINE % 5
    assert encoded_as_one(merged(items), Limits()) is None


def test_whole_packs_are_a_body_as_they_are():
    items = packed(BODIES[:3]) + packed(BODIES[3:])
    assert orjson.loads(encoded_as_one(merged(items), Limits())) == BODIES
    assert encoded_as_one(merged(items), Limits(items=4)) is None
    assert encoded_as_one(merged(items), Limits(bytes=50)) is None


def test_an_item_without_a_key_goes_no_such_way():
    items = [*packed(BODIES[:2]), *(one._replace(keys={}) for one in packed(BODIES[2:]))]
    assert encoded_as_one(merged(items), Limits()) is None


@given(st.data())
def test_a_body_made_of_packs_holds_what_its_items_hold(data):
    """Whichever items are left out, merged or not packed at all."""
    count = data.draw(st.integers(1, 8))
    keys = data.draw(st.lists(st.sampled_from("abcdefgh"), min_size=count, max_size=count))
    bodies = [{"sourceId": key, "n": n} for n, key in enumerate(keys)]
    cut = data.draw(st.integers(0, count))
    items = packed(bodies[:cut]) + packed(bodies[cut:])
    loose = [Item(body, {"sourceId": body["sourceId"]}, "c") for body in bodies]
    drawn = data.draw(st.lists(st.sampled_from(["packed", "loose", "out"]), min_size=count))
    chosen = [
        {"packed": items, "loose": loose}[how][n]
        for n, how in enumerate(drawn[:count])
        if how != "out"
    ]
    for wave in waves(chosen):
        body = encoded_as_one(wave, Limits())
        assert body is None or orjson.loads(body) == [item.body for item in wave]
