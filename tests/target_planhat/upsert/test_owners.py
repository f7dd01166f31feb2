from __future__ import annotations

import pytest

from target_planhat.item import Deletion, Item
from target_planhat.upsert import owners as module
from target_planhat.upsert.owners import KeyOwners


def item(key, row, *, stream="calls", names=("Gsid",), company=None, name="sourceId"):
    return Item({}, {name: key}, company, origin=((stream, names), row))


def deletion(key, row, *, stream="calls"):
    return Deletion({"sourceId": key}, None, ((stream, ("Gsid",)), row))


@pytest.fixture
def owners():
    return KeyOwners()


def test_records_that_share_a_key_are_told_with_both_and_the_way_out(owners):
    found, distinct = owners.check([item("a", "g1"), item("b", "g2"), item("a", "g3")])
    assert found.keys() == {0, 2}
    assert not distinct
    assert found[0] == (
        "Its sourceId 'a' is also that of another record: calls Gsid 'g1' and calls Gsid 'g3' "
        "would become one in Planhat. Map a column to sourceId that tells them apart; if they are "
        "one record, say so by `__key_properties__: [sourceId]` in the stream's map."
    )
    assert "calls Gsid 'g3' and calls Gsid 'g1'" in found[2]


def test_a_record_may_come_again_and_again_also_under_another_key(owners):
    assert owners.check([item("a", 1), item("a", 1), item("b", 1)]) == ({}, False)
    assert owners.check([item("a", 1), item("c", 2)]) == ({}, True)


def test_in_a_later_batch_the_record_that_comes_second_is_told_and_each_one_after_it(owners):
    owners.check([item("a", 1)])
    assert owners.check([item("a", 2), item("b", 3)])[0].keys() == {0}
    assert owners.check([item("a", 3)])[0].keys() == {0}
    assert owners.check([item("b", 3)]) == ({}, True)


def test_records_of_two_streams_with_the_same_key_values_are_two(owners):
    assert owners.check([item("a", 1, stream="x"), item("a", 1, stream="y")])[0].keys() == {0, 1}
    assert owners.check([item("b", 1, stream="x")])[0] == {}
    assert owners.check([item("b", 1, stream="y")])[0].keys() == {0}


def test_streams_whose_maps_declare_planhats_keys_may_meet(owners):
    declared = {"stream": "", "names": ("sourceId",)}
    assert owners.check([item("a", "a", **declared), item("a", "a", **declared)])[0] == {}


def test_an_external_id_counts_with_its_company(owners):
    one = item("e", 1, company="c", name="externalId")
    other = item("e", 2, company="d", name="externalId")
    assert owners.check([one, other]) == ({}, True)
    assert owners.check([item("e", 3, company="d", name="externalId")])[0].keys() == {0}


def test_several_key_properties_are_all_named(owners):
    names = ("a", "b")
    found, _ = owners.check([item("k", (1, None), names=names), item("k", (1, 2), names=names)])
    assert "calls a 1, b null and calls a 1, b 2" in found[0]


def test_any_key_in_common_counts(owners):
    both = Item({}, {"_id": "1", "sourceId": "a"}, origin=(("calls", ("Gsid",)), 1))
    assert owners.check([both, item("a", 2)])[0].keys() == {0, 1}


def test_the_deletion_of_a_record_that_has_another_ones_key_is_told(owners):
    owners.check([item("a", 2)])
    assert "would become one" in owners.check_deletion(deletion("a", 1))
    assert owners.check_deletion(deletion("b", 1)) == ""


def test_a_key_is_free_once_its_record_is_deleted(owners):
    owners.check([item("a", 1)])
    gone = deletion("a", 1)
    assert owners.check_deletion(gone) == ""
    owners.release(gone)
    assert owners.check([item("a", 2)])[0] == {}


def test_so_many_keys_are_remembered_and_no_more(owners):
    assert module.MOST_KEYS == 200_000
    owners = KeyOwners(3)
    owners.check([item(key, key) for key in "abc"])
    owners.check([item("d", "d")])
    assert owners.check([item("c", "z")])[0].keys() == {0}
    assert owners.check([item("d", "z")])[0] == {}
    assert owners.check([item("e", "y"), item("e", "z")])[0].keys() == {0, 1}
