from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planhat_api.resources import RESOURCES, TASKS
from target_planhat.config import RecordSettings
from target_planhat.item import Item
from target_planhat.record.converter import RecordConverter
from target_planhat.record.errors import RejectionError

SAMPLES = Path(__file__).parents[2] / "fixtures" / "samples"
ID = "6102c9748084189dcbf0df60"
OTHER_ID = "58e231b14246fc73139f29e8"
COMPANY = "61006bc89a3e0b702ed8ea49"
TASK = {"sourceId": "sf-1", "companyId": COMPANY}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
odd_values = (
    st.decimals()
    | st.binary(max_size=5)
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
    | st.times()
    | st.uuids()
    | st.complex_numbers()
    | st.text(st.characters(categories=["Cs", "Lu"]), max_size=3)
    | st.sampled_from(
        [10**400, -(10**30), Decimal("sNaN"), Decimal("1E+999999999"), {1}, object(), "", " ", int]
    )
    | st.sampled_from([ID, COMPANY, "extid-1", "email", "note", "2021-07-29", "[]", "{}", "7", 7])
)
anything = st.recursive(
    json_values | odd_values,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)
known_columns = st.sampled_from(
    sorted(
        {
            spelt
            for resource in RESOURCES.values()
            for name in (*resource.properties, *resource.list_names)
            for spelt in (name, name.lower(), f"{name[:3]}_{name[3:]}".upper())
        }
        | {"id", "custom__a", "CUSTOM__a", "_sdc_deleted_at", "\ud800", ""}
    )
)
columns = known_columns | st.text(max_size=6) | st.integers() | st.none()
records = st.dictionaries(columns, anything, max_size=8)
converters = st.builds(
    RecordConverter,
    st.sampled_from(list(RESOURCES.values())),
    st.sampled_from(["tasks", "public-tasks"]),
    st.lists(st.sampled_from(["id", "_id", "sourceId", ""]), max_size=2),
    st.builds(
        lambda **given: RecordSettings.of(given),
        match_on=st.none() | st.just(("sourceId", "externalId")),
        generate_key=st.booleans(),
        unknown_properties=st.sampled_from(["drop", "custom", "reject"]),
        null_values=st.sampled_from(["skip", "send"]),
    ),
)
# One good key and company make an item likely, so that the rest of the record is looked at.
likely = st.builds(
    lambda good, rest: {**rest, **good},
    st.fixed_dictionaries({}, optional={"sourceId": st.just("s"), "companyId": st.just(COMPANY)}),
    st.dictionaries(known_columns, anything, max_size=2),
)


def outcome(converter, record):
    """The item or the reason, and what of it goes out, in bytes."""
    try:
        item = converter.convert(record)
    except RejectionError as error:
        return None, str(error).encode()
    return item, orjson.dumps([item.body, item.keys, item.company, item.generated])


@pytest.mark.untraced
@settings(max_examples=400, deadline=None)
@given(converters, records | likely)
def test_any_record_becomes_an_item_that_can_be_written_or_a_reason(converter, record):
    item, written = outcome(converter, record)
    assert written
    if item:
        resource = converter.resource
        assert all(resource.properties[name].writable for name in item.body)
        assert item.keys == {
            name: item.body[name] for name in resource.keyables if name in item.body
        }
        assert all(key and not key.isspace() for key in item.keys.values())
        assert all(type(key) is str for key in item.keys.values())
        assert orjson.loads(orjson.dumps(item.body)) == item.body
        assert item.body.get("type") not in resource.reserved_types


@pytest.mark.untraced
@settings(max_examples=150, deadline=None)
@given(converters, records | likely, st.randoms())
def test_the_same_record_gives_the_same_item_whatever_the_order_of_its_columns(
    converter, record, random
):
    first, written = outcome(converter, record)
    names = list(record)
    random.shuffle(names)
    assert outcome(converter, record)[1] == written
    third, shuffled = outcome(converter, MappingProxyType({name: record[name] for name in names}))
    assert (third is None) == (first is None)
    if first:
        assert shuffled == written


def test_sparse_records_do_not_fill_the_memory():
    converter = RecordConverter(TASKS, "tasks", ["id"], RecordSettings.of({}))
    for number in range(5000):
        assert isinstance(converter.convert({**TASK, f"column{number}": 1}), Item)
    assert len(converter._layouts) <= 1024
