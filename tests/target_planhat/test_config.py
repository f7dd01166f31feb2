from __future__ import annotations

import pytest

from target_planhat.config import SETTINGS


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
