"""Items compared with the records that Planhat has."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from planhat_api.resources import CAMPAIGNS, CONVERSATIONS, NPS, RESOURCES, TASKS, Kind
from target_planhat.item import Item
from target_planhat.tenant.compare import ComparedAs, Knowledge, KnownRow, compare

ID, OTHER_ID = "5f1b7a9e1a2b3c4d5e6f7a8b", "5f1b7a9e1a2b3c4d5e6f7a8c"
ACME, GLOBEX = "61006bc89a3e0b702ed8ea49", "61006bc89a3e0b702ed8ea50"
COMPANIES = {"extid-c-1": ACME, "srcid-acc-1": ACME, "extid-c-2": GLOBEX}


def item(**body):
    keys = {name: body[name] for name in ("_id", "sourceId", "externalId") if name in body}
    return Item(body, keys, body.get("companyId"))


def look(body, *rows, resource=TASKS, carried=None, certain=True, companies=COMPANIES):
    """Compare what is sent with the rows that are there."""
    names = {name for row in rows for name in row}
    names |= {f"custom.{key}" for row in rows for key in row.get("custom") or ()}
    known = Knowledge(
        resource, names if carried is None else carried, companies.get, is_empty=not rows
    )
    sent = item(**body)
    numbered = [KnownRow(number, row, certain) for number, row in enumerate(rows)]
    found = {
        name: [one for one in numbered if str(one.row.get(name)).lower() == value.lower()]
        if name == "_id"
        else [one for one in numbered if one.row.get(name) == value]
        for name, value in sent.keys.items()
    }
    return compare(sent, found, known)


def test_an_item_that_no_record_has_a_key_of_is_created():
    found = look({"sourceId": "a", "action": "Call"}, {"_id": ID, "sourceId": "b"})
    assert found.finding is ComparedAs.CREATE
    assert found.changes == {"sourceId": (None, "a"), "action": (None, "Call")}


def test_a_difference_is_named_with_its_old_and_new_value():
    row = {"_id": ID, "sourceId": "a", "action": "Call", "status": "done"}
    found = look({"sourceId": "a", "action": "Meet", "status": "done"}, row)
    assert found.finding is ComparedAs.UPDATE
    assert found.changes == {"action": ("Call", "Meet")}
    assert found.found.row["_id"] == ID


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("startTime", "2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00.000Z"),
        ("startTime", "2026-01-01", "2026-01-01T00:00:00.000Z"),
        ("startTime", "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000Z"),
        ("companyId", ACME, "extid-c-1"),
        ("companyId", ACME, "srcid-acc-1"),
        ("companyId", ACME.upper(), ACME),
        ("ownerId", ID.upper(), ID),
        ("repeatDays", 3.0, 3),
        ("repeatDays", 0, -0.0),
        ("checklist", [{"title": "A", "n": 1}], [{"n": 1.0, "title": "A"}]),
        ("action", None, None),
    ],
)
def test_the_same_value_in_other_clothes_is_no_difference(name, old, new):
    assert (
        look({"sourceId": "a", name: new}, {"_id": ID, "sourceId": "a", name: old}).finding
        is ComparedAs.UNCHANGED
    )


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("isArchived", 1, True),
        ("repeatDays", True, 1),
        ("action", "3", 3),
        ("action", "Call", "call"),
        ("action", "", None),
        ("action", None, ""),
        ("action", "2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00.000Z"),
        ("startTime", "2026-01-01T00:00:00.0004Z", "2026-01-01T00:00:00.000Z"),
        ("startTime", "soon", "2026-01-01T00:00:00.000Z"),
        ("startTime", 1767225600000, "2026-01-01T00:00:00.000Z"),
        ("companyId", ACME, "extid-c-2"),
        ("companyId", ACME, "extid-unheard-of"),
        ("checklist", ["a", "b"], ["b", "a"]),
        ("checklist", [1], [True]),
        ("checklist", [[0]], [[False]]),
        ("checklist", [{"done": None}], [{}]),
        ("repeatDays", 2**53, 2**53 + 1),
    ],
)
def test_a_doubt_is_a_difference(name, old, new):
    found = look({"sourceId": "a", name: new}, {"_id": ID, "sourceId": "a", name: old})
    assert found.finding is ComparedAs.UPDATE
    assert found.changes == {name: (old, new)}


def test_custom_fields_are_compared_one_by_one_as_plain_json():
    row = {"_id": ID, "sourceId": "a", "custom": {"Tier": "gold", "Since": "2026-01-01", "n": 1}}
    sent = {"Since": "2026-01-01T00:00:00.000Z", "n": 1.0, "New": [1]}
    found = look({"sourceId": "a", "custom": sent}, row)
    assert found.changes == {
        "custom.Since": ("2026-01-01", "2026-01-01T00:00:00.000Z"),
        "custom.New": (None, [1]),
    }
    assert look({"sourceId": "a", "custom": {"Tier": "gold"}}, row).finding is ComparedAs.UNCHANGED


def test_a_custom_field_whose_name_has_dots_is_one_field():
    row = {"_id": ID, "sourceId": "a", "custom": {"a.b": 1, "": 2}}
    assert look({"sourceId": "a", "custom": {"a.b": 1}}, row).finding is ComparedAs.UNCHANGED
    assert look({"sourceId": "a", "custom": {"": 2}}, row).finding is ComparedAs.UNCHANGED
    assert look({"sourceId": "a", "custom": {"": 3}}, row).changes == {"custom.": (2, 3)}


def test_custom_that_is_no_object_is_different():
    row = {"_id": ID, "sourceId": "a", "custom": "undefined"}
    carried = {"sourceId", "custom", "custom.Tier"}
    found = look({"sourceId": "a", "custom": {"Tier": "x"}}, row, carried=carried)
    assert found.changes == {"custom.Tier": ("undefined", "x")}


def test_null_and_missing_are_alike_where_any_row_carries_the_property():
    row, other = (
        {"_id": ID, "sourceId": "a"},
        {"_id": OTHER_ID, "status": "done", "custom": {"t": 1}},
    )
    sent = {"sourceId": "a", "status": None, "custom": {"t": None}}
    assert look(sent, row, other).finding is ComparedAs.UNCHANGED


def test_a_property_that_no_row_carries_is_different_each_time():
    row = {"_id": ID, "sourceId": "a", "custom": {}}
    assert look({"sourceId": "a", "status": None}, row).changes == {"status": (None, None)}
    sent = {"sourceId": "a", "custom": {"t": None}}
    assert look(sent, row).changes == {"custom.t": (None, None)}


def test_a_row_of_unknown_content_is_different_each_time():
    row = {"_id": ID, "sourceId": "a", "action": "Call"}
    found = look({"sourceId": "a", "action": "Call"}, row, certain=False)
    assert found.finding is ComparedAs.UPDATE


def test_ids_match_in_any_case_and_other_keys_as_they_are():
    row = {"_id": ID, "sourceId": "Abc"}
    assert look({"_id": ID.upper()}, row).finding is ComparedAs.UNCHANGED
    assert look({"sourceId": "abc"}, row).finding is ComparedAs.CREATE


def test_an_id_that_planhat_does_not_know_leaves_the_match_to_the_other_key():
    found = look({"_id": OTHER_ID, "sourceId": "a"}, {"_id": ID, "sourceId": "a"})
    assert found.finding is ComparedAs.UNCHANGED
    assert found.found.row["_id"] == ID


def test_two_keys_that_name_two_records_are_a_conflict():
    rows = {"_id": ID, "sourceId": "a"}, {"_id": OTHER_ID, "sourceId": "b"}
    found = look({"_id": ID, "sourceId": "b"}, *rows)
    assert found.finding is ComparedAs.CONFLICT
    assert found.reason == f"Its keys name more than one task in Planhat: {ID} and {OTHER_ID}."


def test_one_key_that_names_two_records_is_a_conflict():
    rows = {"_id": ID, "sourceId": "a"}, {"_id": OTHER_ID, "sourceId": "a"}
    found = look({"sourceId": "a"}, *rows)
    assert found.finding is ComparedAs.CONFLICT
    assert found.reason == (
        f"`sourceId` 'a' names more than one task in Planhat: {ID} and {OTHER_ID}."
    )


def test_an_external_id_in_another_company_is_another_record():
    row = {"_id": ID, "externalId": "x", "companyId": ACME}
    other = {"_id": OTHER_ID, "externalId": "x", "companyId": GLOBEX}
    sent = {"externalId": "x", "companyId": ACME}
    assert look(sent, row, other, resource=CONVERSATIONS).finding is ComparedAs.UNCHANGED
    assert look(sent, other, resource=CONVERSATIONS).finding is ComparedAs.CREATE
    by_reference = {"externalId": "x", "companyId": "extid-c-2"}
    found = look(by_reference, row, other, resource=CONVERSATIONS)
    assert (found.finding, found.found.row["_id"]) == (ComparedAs.UNCHANGED, OTHER_ID)


def test_an_external_id_counts_in_the_company_of_the_record_that_another_key_names():
    row = {"_id": ID, "sourceId": "a", "externalId": "y", "companyId": ACME}
    same = {"_id": OTHER_ID, "sourceId": "b", "externalId": "x", "companyId": ACME}
    other = same | {"companyId": GLOBEX}
    sent = {"sourceId": "a", "externalId": "x"}
    assert look(sent, row, same, resource=CAMPAIGNS).finding is ComparedAs.CONFLICT
    found = look(sent, row, other, resource=CAMPAIGNS)
    assert found.changes == {"externalId": ("y", "x")}


def test_an_external_id_of_a_company_that_is_not_known_leaves_a_doubt():
    row = {"_id": ID, "externalId": "x", "companyId": ACME}
    sent = {"externalId": "x", "companyId": "extid-unheard-of"}
    found = look(sent, row, resource=CONVERSATIONS)
    assert (found.finding, found.found.row["_id"]) == (ComparedAs.UPDATE, ID)
    assert found.doubt == "it is not known which company extid-unheard-of is"
    other = {"_id": OTHER_ID, "externalId": "x", "companyId": GLOBEX}
    found = look(sent, row, other, resource=CONVERSATIONS)
    assert found.finding is ComparedAs.CREATE
    assert found.doubt
    assert not look({**sent, "externalId": "z"}, row, resource=CONVERSATIONS).doubt


def test_a_key_that_no_row_carries_leaves_a_doubt():
    found = look({"sourceId": "a"}, {"_id": ID})
    assert found.finding is ComparedAs.CREATE
    assert found.doubt == "no task that Planhat lists carries sourceId"
    assert not look({"sourceId": "a"}).doubt
    assert not look({"_id": ID, "sourceId": "a"}, {"_id": ID}).doubt


# Whatever is sent: unchanged means that writing it would change nothing.

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, 1.0, -0.0, 0.5, 2.0**53, 2**53 + 1]),
    st.sampled_from(["", "a", "A", "1", "true", ID, ID.upper(), "2026-01-01", "c-1"]),
    st.sampled_from(["2026-01-01T00:00:00.000Z", "2026-01-01T01:00:00+01:00"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)
MOMENTS = st.sampled_from(
    [
        "2026-01-01T00:00:00.000Z",
        "2026-01-01T00:00:00.0001Z",
        "2026-01-01T01:00:00.000+01:00",
        "2026-01-01",
        "2026-01-01 00:00",
        "2026-02-30",
        "later",
    ]
)
COMPANY = st.sampled_from([ACME, ACME.upper(), GLOBEX, *COMPANIES, "extid-none"])
BY_KIND = {
    Kind.OBJECT_ID: st.sampled_from([ID, ID.upper(), OTHER_ID]),
    Kind.DATE: MOMENTS,
}


def values(resource, name):
    if name == resource.company_property:
        return COMPANY | SCALARS
    if name == "custom":
        return st.dictionaries(st.sampled_from(["a", "b", ""]), JSON, max_size=3) | SCALARS
    return BY_KIND.get(resource.properties[name].kind, JSON) | JSON


@st.composite
def meetings(draw):
    """A resource, a row of it and what is sent to it."""
    resource = draw(st.sampled_from(list(RESOURCES.values())))
    names = [name for name, one in resource.properties.items() if one.writable and name != "_id"]
    picked = draw(st.lists(st.sampled_from(names), unique=True, max_size=5))
    both = {name: values(resource, name) for name in picked}
    row = {name: draw(one) for name, one in both.items() if draw(st.integers(0, 3))}
    sent = {name: draw(one) for name, one in both.items() if draw(st.integers(0, 3))}
    carried = {name for name in names if draw(st.booleans())} | row.keys()
    carried |= {f"custom.{key}" for key in ("a", "b") if draw(st.booleans())}
    if isinstance(row.get("custom"), dict):
        carried |= {f"custom.{key}" for key in row["custom"]}
    return resource, row | {"_id": ID}, sent, carried


def written(resource, row, sent):
    """Return what Planhat makes of a row that is sent something."""
    after = dict(row)
    for name, value in sent.items():
        if name == "custom" and isinstance(value, dict):
            custom = row.get("custom")
            after[name] = {**custom, **value} if isinstance(custom, dict) else value
        elif name == resource.company_property and isinstance(value, str):
            after[name] = COMPANIES.get(value, value)
        else:
            after[name] = value
    return after


def seen(resource, row):
    """Return a row as its reader understands it: what is equal here means the same."""
    shown = {}
    for name, value in row.items():
        kind = resource.properties[name].kind
        if name == "custom" and isinstance(value, dict):
            shown[name] = {key: typed(inner) for key, inner in value.items() if inner is not None}
        elif kind is Kind.OBJECT_ID and isinstance(value, str):
            is_id = len(value) == 24 and not set(value.lower()) - set("0123456789abcdef")
            shown[name] = value.lower() if is_id else value
        elif kind is Kind.DATE and isinstance(value, str):
            shown[name] = moment(value)
        elif value is not None:
            shown[name] = typed(value)
    return {name: value for name, value in shown.items() if value != {}}


def moment(text):
    try:
        found = datetime.fromisoformat(text.replace("0001Z", "000100Z").replace("Z", "+00:00"))
    except ValueError:
        return text
    known = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return (known - datetime(2026, 1, 1, tzinfo=timezone.utc)) / timedelta(microseconds=1)


def typed(value):
    """Return a value that equals another only if both are the same JSON."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    if isinstance(value, (int, float)):
        return ("number", int(value) if math.isclose(value, int(value), rel_tol=0) else value)
    if isinstance(value, list):
        return ("list", tuple(map(typed, value)))
    return ("object", frozenset((name, typed(inner)) for name, inner in value.items()))


@given(meetings())
@example((TASKS, {"_id": ID, "isArchived": 1}, {"isArchived": True}, {"isArchived"}))
@example((TASKS, {"_id": ID, "sourceId": "A"}, {"sourceId": "a"}, {"sourceId"}))
@example((TASKS, {"_id": ID, "custom": {"a": "2026-01-01"}}, {"custom": {"a": None}}, {"custom.a"}))
@example((NPS, {"_id": ID, "score": 9}, {"score": True}, {"score"}))
def test_unchanged_means_that_writing_the_item_would_change_nothing(meeting):
    resource, row, sent, carried = meeting
    body = {"_id": ID, **sent}
    known = Knowledge(resource, carried, COMPANIES.get)
    one = KnownRow(1, row)
    found = compare(Item(body, {"_id": ID}), {"_id": [one]}, known)
    if found.finding is ComparedAs.UNCHANGED:
        assert seen(resource, written(resource, row, sent)) == seen(resource, row)
        assert {name for name in sent if name != "custom"} <= carried
    else:
        assert found.finding is ComparedAs.UPDATE
        assert found.changes


@given(meetings())
def test_what_planhat_has_sent_back_to_it_is_unchanged(meeting):
    resource, row, _, carried = meeting
    known = Knowledge(resource, carried, COMPANIES.get)
    found = compare(Item(row, {"_id": ID}), {"_id": [KnownRow(1, row)]}, known)
    assert found.finding is ComparedAs.UNCHANGED
