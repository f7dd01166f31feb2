from __future__ import annotations

import pytest

from target_planhat.item import Item

BODY = {"sourceId": "s", "custom": {"n": [1, None]}}
KEYS = {"sourceId": "s"}


@pytest.mark.parametrize("packed", [False, True])
def test_the_body_of_an_item_is_the_same_whether_it_waits_as_json_or_not(packed):
    item = Item(dict(BODY), KEYS)
    if packed:
        item.pack()
    for _ in range(2):
        assert item.body == BODY
        assert item.encoded == b'{"sourceId":"s","custom":{"n":[1,null]}}'


def test_a_body_is_decoded_once():
    item = Item(dict(BODY), KEYS)
    item.pack()
    assert item.body is item.body


def test_an_item_that_json_cannot_hold_stays_as_it_is():
    item = Item({"n": object}, KEYS)
    item.pack()
    assert item.body["n"] is object
    with pytest.raises(TypeError):
        item.encoded  # noqa: B018 - it is the property that raises
