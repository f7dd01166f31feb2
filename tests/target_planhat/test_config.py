from __future__ import annotations

import signal

import pytest
import singer_sdk.configuration._dict_config as sdk_environment

from planhat_api.errors import SettingsError
from target_planhat.config import SETTINGS
from target_planhat.target import TargetPlanhat


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


@pytest.fixture
def configured(monkeypatch):
    """What the target makes of variables of the environment."""

    def read(**variables):
        for name, value in {"API_TOKEN": "t", **variables}.items():
            monkeypatch.setenv(f"TARGET_PLANHAT_{name}", value)
        return TargetPlanhat(parse_env_config=True).config

    monkeypatch.setattr(sdk_environment, "find_dotenv", lambda: "")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield read
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_key_to_match_on_must_be_named(configured):
    with pytest.raises(SettingsError, match="match_on"):
        configured(MATCH_ON="[]")


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "yes", "on", "On"])
def test_a_switch_in_the_environment_is_on_where_it_says_so(configured, value):
    assert configured(DRY_RUN=value)["dry_run"] is True


@pytest.mark.parametrize("value", ["false", "False", "0", "no", "off"])
def test_a_switch_in_the_environment_is_off_where_it_says_so(configured, value):
    assert configured(GENERATE_KEY=value)["generate_key"] is False


@pytest.mark.parametrize("value", ["y", "t", "maybe", "true ", ""])
def test_a_misspelt_switch_does_not_begin_a_run(configured, value):
    with pytest.raises(SettingsError, match="TARGET_PLANHAT_DRY_RUN must be true or false"):
        configured(DRY_RUN=value)


def test_a_broken_object_in_the_environment_is_named(configured):
    with pytest.raises(SettingsError, match="TARGET_PLANHAT_STREAM_MAPS must be a JSON object"):
        configured(STREAM_MAPS="{bad")


def test_variables_that_the_sdk_takes_from_a_file_are_checked_too(
    configured, monkeypatch, tmp_path
):
    name = "TARGET_PLANHAT_DRY_RUN"
    # So that it is gone again after the test.
    monkeypatch.setenv(name, "")
    monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"{name}=y\n")
    monkeypatch.setattr(sdk_environment, "find_dotenv", lambda: str(tmp_path / ".env"))
    with pytest.raises(SettingsError, match=name):
        configured()
