from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from target_planhat.item import Item
from target_planhat.upsert.chunks import Limits, encoded_as_one
from target_planhat.upsert.merge import MergedItem, waves

BODIES = [{"sourceId": f"s{n}", "n": n} for n in range(5)]


def items(bodies):
    return [Item(body, {"sourceId": body["sourceId"]}, "c") for body in bodies]


def merged(found):
    return [MergedItem((n,), (item,)) for n, item in enumerate(found)]


def test_a_wave_that_fits_into_one_request_is_encoded_as_one():
    wave = merged(items(BODIES))
    assert orjson.loads(encoded_as_one(wave, Limits())) == BODIES
    assert orjson.loads(encoded_as_one(wave[:1], Limits())) == BODIES[:1]


def test_a_wave_that_does_not_fit_is_not():
    wave = merged(items(BODIES))
    size = len(encoded_as_one(wave, Limits(items=5)))
    assert encoded_as_one(wave, Limits(items=4)) is None
    assert encoded_as_one(wave, Limits(bytes=size)) is not None
    assert encoded_as_one(wave, Limits(bytes=size - 1)) is None
    assert encoded_as_one([], Limits()) is None


def test_an_item_without_a_key_goes_no_such_way():
    assert encoded_as_one(merged([*items(BODIES), Item({"n": 6}, {})]), Limits()) is None


def test_nor_does_one_that_json_cannot_hold():
    odd = {"sourceId": "odd", "n": object}
    assert encoded_as_one(merged(items([*BODIES, odd])), Limits()) is None


@given(st.data())
def test_a_body_holds_what_its_items_hold(data):
    """Whichever items are packed or merged."""
    keys = data.draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8))
    chosen = items([{"sourceId": key, "n": n} for n, key in enumerate(keys)])
    for item in chosen:
        if data.draw(st.booleans()):
            item.pack()
    for wave in waves(chosen):
        body = encoded_as_one(wave, Limits())
        assert orjson.loads(body) == [item.body for item in wave]
