from __future__ import annotations

import pytest
from singer_sdk.exceptions import ConfigValidationError

from target_planhat.config import SETTINGS, check_environment, check_names


@pytest.mark.parametrize("name", SETTINGS["properties"])
def test_every_setting_has_a_title_and_says_what_it_does(name):
    setting = SETTINGS["properties"][name]
    assert setting["title"]
    assert setting["description"].endswith(".")


def test_numbers_are_integers_so_that_the_environment_can_carry_them():
    for setting in SETTINGS["properties"].values():
        assert "number" not in setting["type"]


def test_only_the_token_is_secret_and_required():
    secret = [name for name, each in SETTINGS["properties"].items() if each.get("secret")]
    assert secret == SETTINGS["required"] == ["api_token"]


def test_an_unknown_setting_is_named_with_the_one_that_may_be_meant():
    with pytest.raises(ConfigValidationError) as caught:
        check_names(["api_token", "batch_size_row", "xyz"], SETTINGS)
    first, second = caught.value.errors
    assert first == "There is no setting batch_size_row; did you mean batch_size_rows?"
    assert "rejects_path" in second


def test_a_number_in_the_environment_that_is_none_is_named():
    check_environment("T_", {"T_MAX_REJECTS": "5", "OTHER": "x"})
    with pytest.raises(ConfigValidationError) as caught:
        check_environment("T_", {"T_MAX_REJECTS": "5.5"})
    assert caught.value.errors == ["T_MAX_REJECTS must be a whole number, not '5.5'"]
