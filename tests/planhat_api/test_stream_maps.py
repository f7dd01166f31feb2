from __future__ import annotations

import pytest

from planhat_api.config import check_environment, given
from planhat_api.errors import SettingsError
from planhat_api.stream_maps import check_stream_maps


def test_maps_that_can_be_evaluated_are_taken():
    check_stream_maps({})
    check_stream_maps(
        {
            "__else__": "__NULL__",
            "dropped": None,
            "users": "__NULL__",
            "todo": {
                "__alias__": "tasks",
                "__else__": None,
                "__filter__": "a == 1",
                "__key_properties__": ["id"],
                "action": "title or None",
                "description": None,
                "snippet": "__NULL__",
                "custom__Tier": "(tier\n if tier\n else None)\n",
                "__v": "1",
            },
            "tasks": {"__source__": "todo"},
        }
    )


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ({"a": {"x": False}}, 'stream_maps.a.x must be an expression in quotes, such as "False"'),
        ({"a": {"x": 5}}, 'stream_maps.a.x must be an expression in quotes, such as "5"'),
        ({"a": {"x": ["b"]}}, """in quotes, such as "['b']\""""),
        ({"a": {"__filter__": True}}, "stream_maps.a.__filter__ must be an expression in quotes"),
        ({"a": {"__filter__": None}}, "stream_maps.a.__filter__ must be an expression in quotes"),
        ({"a": {"__alias__": 1}}, "stream_maps.a.__alias__ must be the name of a stream"),
        ({"a": {"__else__": "x"}}, "stream_maps.a.__else__ can only be __NULL__"),
        ({"a": {"__key_properties__": "id"}}, "must be a list of columns, such as [sourceId]"),
        ({"a": "tasks"}, "stream_maps.a must be an object of properties and expressions, or"),
        ({"__else__": {}}, "stream_maps.__else__ must be __NULL__"),
        ({"a": {"x": "A text"}}, "'A text', which is not a Python expression (invalid syntax)"),
        ({"a": {"x": "a = 1"}}, "it is not one expression"),
        ({"a": {"x": "a; b"}}, "it is not one expression"),
        ({"a": {"x": " a"}}, "unexpected indent"),
        ({"a": {"x": ""}}, "it is not one expression"),
        ({"a": {"x": "a\0b"}}, "is not a Python expression"),
        ([], "stream_maps must be an object"),
    ],
)
def test_a_map_that_cannot_be_evaluated_is_named_with_what_to_write(maps, said):
    with pytest.raises(SettingsError) as error:
        check_stream_maps(maps)
    assert said in str(error.value)


def test_all_faults_are_named_at_once():
    with pytest.raises(SettingsError, match=r"stream_maps\.a\.x .*; stream_maps\.b\.y "):
        check_stream_maps({"a": {"x": 1, "z": "1"}, "b": {"y": True}})


SCHEMA = {"properties": {"stream_maps": {"type": ["object", "null"]}}}


def test_maps_are_checked_wherever_settings_come_from():
    with pytest.raises(SettingsError, match=r"stream_maps\.a\.x must be"):
        given({"stream_maps": {"a": {"x": 1}}}, SCHEMA)
    with pytest.raises(SettingsError, match=r"stream_maps\.a\.x must be"):
        check_environment("T_", {"T_STREAM_MAPS": '{"a": {"x": 1}}'}, SCHEMA)
    check_environment("T_", {}, SCHEMA)
