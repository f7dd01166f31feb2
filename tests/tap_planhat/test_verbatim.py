"""Rows whose JSON is that of a record are passed on as they came in, and no others."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from planhat_api.resources import TASKS
from tap_planhat.inventory.digest import Digester
from tap_planhat.shape import Shape
from tap_planhat.verbatim import CHUNK, DEEPEST, VerbatimRow, VerbatimRows
from tap_planhat.writer import as_dict

FITS = {
    "_id": "63b18f5cd3a0c0ffee00000f",
    "updatedAt": "2024-02-29T14:24:28.230Z",
    "action": "Räksmörgås 🦐",
    "__v": 3,
    "isArchived": False,
    "activityTags": [],
    "endTime": None,
    "users": [{"id": "54ddc90a3570c76e2cbd0803", "tags": ["a", {"b": 1.5}]}],
    "custom": {"Score": 7.5, "Region": "EU", "Open": None},
}
FITTING = json.dumps(FITS, ensure_ascii=False, separators=(",", ":")).encode()


def to_json(value):
    # Deeper than orjson encodes.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def nested(levels):
    text = '{"in":[' * (levels // 2) + "1" + "]}" * (levels // 2)
    return json.loads(f"[{text}]" if levels % 2 else text)


def decode(*rows):
    """Return what a page of such rows, as JSON, is decoded to."""
    rows_of_tasks = VerbatimRows(TASKS, TASKS.properties, ["_id", "updatedAt"])
    return rows_of_tasks.decode(b"[" + b",".join(rows) + b"]")


def records(rows):
    return Shape(TASKS, [*TASKS.properties, "other"]).records(rows)


def test_a_row_that_fits_is_kept_letter_for_letter_with_what_is_looked_at():
    (row,) = decode(FITTING)
    assert (row.get("_id"), row.get("updatedAt")) == (FITS["_id"], FITS["updatedAt"])
    assert row.get("action") is row.get("createdAt") is None
    assert records([row]) == [FITTING]


@pytest.mark.parametrize(
    "change",
    [
        {"_id": ""},
        {"_id": None},
        {"_id": 7},
        {"newInPlanhat": 1},
        {"action": 7},
        {"isArchived": 1},
        {"repeatDays": 10.0},
        {"repeatDays": True},
        {"repeatDays": 2**63},
        {"users": {}},
        {"users": nested(DEEPEST + 2)},
        {"custom": []},
        {"custom": {"Deep": nested(DEEPEST + 1)}},
        {"custom": {"Deep": nested(300)}},
        {"updatedAt": ""},
        {"updatedAt": 1700000000123},
        {"updatedAt": "2023-02-29T14:24:28.230Z"},
        {"updatedAt": "2024-01-31T23:59:60.000Z"},
        {"updatedAt": "2024-01-31T14:24:28Z"},
        {"updatedAt": "2024-01-31 14:24:28.230Z"},
        {"updatedAt": "2024-01-31T14:24:28.230z"},
        {"updatedAt": "2024-01-31T14:24:28-0200"},
        {"createdAt": "0999-01-31T14:24:28.230Z"},
    ],
    ids=lambda change: "".join(f"{name} {value!r:.30}" for name, value in change.items()),
)
def test_a_row_that_needs_fixing_is_decoded(change):
    assert decode(to_json(FITS | change)) == [FITS | change]


@pytest.mark.parametrize(
    "spelled",
    [
        json.dumps(FITS).encode(),
        json.dumps(FITS, separators=(",", ":")).encode(),
        FITTING.replace(b",", b",\n"),
        FITTING.replace(b"7.5", b"75e-1"),
        FITTING[:-1] + b',"action":"twice"}',
    ],
)
def test_a_row_that_is_spelled_otherwise_than_records_are_is_decoded(spelled):
    # Else its digest would depend on its neighbours, and a line break would end the line.
    assert decode(spelled) == [orjson.loads(spelled)]


def test_a_row_whose_letters_are_spelled_as_numbers_is_decoded_behind_others_too():
    plain = FITS | {"action": 'Shrimp "sandwich"'}
    spelled = json.dumps(FITS, separators=(",", ":")).encode()
    assert [row.get("verbatim") for row in decode(to_json(plain))] == [to_json(plain)]
    assert decode(to_json(plain), spelled) == [plain, FITS]


@pytest.mark.parametrize(
    "page",
    [b"", b"{}", b"[7]", b"[null]", b"[[]]", b"[" + FITTING, b"\xef\xbb\xbf[]", b'[{"_id":"\xff"}]',
     b'[{"_id":"a","custom":{"x":1e400}}]', b'[{"_id":"a","action":"\\ud83d"}]',
     b'[{"_id":"a","custom":{"x":NaN}}]', b"[" + FITTING + b',"text"]'],
)  # fmt: skip
def test_what_is_no_list_of_sound_rows_is_left_to_be_told_by_those_who_decode_all(page):
    rows_of_tasks = VerbatimRows(TASKS, TASKS.properties, ["_id"])
    assert rows_of_tasks.decode(page) is None


def test_a_row_that_does_not_fit_is_decoded_with_its_neighbours_and_the_rest_kept():
    wrong = to_json(FITS | {"_id": "wrong", "action": 7})
    rows = decode(*[FITTING] * CHUNK, *[FITTING] * 5, wrong, *[FITTING] * (CHUNK - 6), FITTING)

    assert [isinstance(row, VerbatimRow) for row in rows] == [True] * CHUNK + [False] * CHUNK + [
        True
    ]
    made = records(rows)
    assert [as_dict(record)["_id"] for record in made] == [row.get("_id") for row in rows]
    assert made[-1] == FITTING
    # A rescan finds them unchanged, whatever its neighbours are then.
    _, digests = Digester("shape").encode([record for record in made if record != made[CHUNK + 5]])
    assert len(set(digests)) == 1


def test_rows_without_an_id_among_others_are_left_out_in_their_place(caplog):
    rows = decode(*[FITTING] * CHUNK, b'{"action":"lost"}', FITTING)
    shape = Shape(TASKS, TASKS.properties)

    made = shape.records(rows)

    assert made == [FITTING] * CHUNK + [FITS]
    assert shape.left_out == 1
    assert "has no _id" in caplog.text


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from(["2024-01-31T00:00:00.000Z", "2024-02-30T00:00:00.000Z", "2024-01-31", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@example(changes=[{"custom": {"Long": -(2**64)}}], is_canonical=True)
@given(
    changes=st.lists(
        st.dictionaries(st.sampled_from([*TASKS.properties, "unheardOf"]), values, max_size=5),
        max_size=4,
    ),
    is_canonical=st.booleans(),
)
def test_either_way_of_decoding_leads_to_the_same_records(changes, is_canonical):
    dump = to_json if is_canonical else (lambda row: json.dumps(row).encode())
    rows = [dump(FITS | change | {"_id": str(at)}) for at, change in enumerate(changes)]
    one_by_one = [row for each in rows for row in decode(each)]

    expected = records(list(map(orjson.loads, rows)))

    assert list(map(as_dict, records(one_by_one))) == expected
    assert list(map(as_dict, records(decode(*rows)))) == expected
