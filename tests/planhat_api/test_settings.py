from __future__ import annotations

from dataclasses import MISSING, fields

import jsonschema_rs
import pytest

from planhat_api import errors
from planhat_api.settings import CONNECTION, ClientSettings

SCHEMA = {"type": "object", "properties": dict(CONNECTION)}


def settings(**changes):
    return ClientSettings(**{"api_token": "abc-123", **changes})


def test_the_token_is_in_no_text_of_the_settings(token):
    made = settings(api_token=token)
    assert token not in f"{made!r} {made}"


@pytest.mark.parametrize("pasted", ["abc-123", " abc-123\n", "\tabc-123\r\n"])
def test_a_token_copied_with_blanks_around_it_is_used_without_them(pasted):
    assert settings(api_token=pasted).token == "abc-123"


@pytest.mark.parametrize("bad", ["", " \n", "abc 123", "abc\n123", "Bearer abc", "abç", "a\x00b"])
def test_what_cannot_be_a_token_is_refused_without_repeating_it(bad):
    with pytest.raises(errors.SettingsError, match="api_token") as caught:
        settings(api_token=bad)
    assert not bad.strip() or bad not in str(caught.value)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        (None, "https://api.planhat.com"),
        ("", "https://api.planhat.com"),
        ("eu2", "https://api-eu2.planhat.com"),
        ("US3", "https://api-us3.planhat.com"),
        (" eu2\n", "https://api-eu2.planhat.com"),
        ("api-eu2", "https://api-eu2.planhat.com"),
        ("app-us4.planhat.com", "https://api-us4.planhat.com"),
        ("App-US4.planhat.com", "https://api-us4.planhat.com"),
        ("https://app-us4.planhat.com/home?view=1#tasks", "https://api-us4.planhat.com"),
        ("https://api-eu2.planhat.com", "https://api-eu2.planhat.com"),
        ("app.planhat.com", "https://api.planhat.com"),
        ("https://app.planhat.com/", "https://api.planhat.com"),
    ],
)
def test_a_region_names_its_host_however_it_was_copied(region, host):
    assert settings(region=region).base_url == host


@pytest.mark.parametrize(
    "region",
    [
        "eu2.evil.example/",
        "app-us4.planhat.com.evil.example",
        "https://evil.example/app-us4.planhat.com",
        "eu2.planhat.com",
        "eu 2",
        "eu-2",
        "app-us4-x.planhat.com",
        "ü",
    ],
)
def test_a_region_that_names_no_host_is_refused(region):
    with pytest.raises(errors.SettingsError, match="must be the short name"):
        settings(region=region)


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("https://api.planhat.com/", "https://api.planhat.com"),
        ("http://localhost:8787", "http://localhost:8787"),
        ("https://proxy.example/planhat/", "https://proxy.example/planhat"),
        ("http://[::1]:8787//", "http://[::1]:8787"),
    ],
)
def test_api_url_goes_before_the_region(url, root):
    assert settings(api_url=url, region="eu2").base_url == root


@pytest.mark.parametrize(
    "url",
    [
        "api.planhat.com",
        "ftp://api.planhat.com",
        "https://",
        "https:///tasks",
        "http://[::1",
        "https://host:99999",
        "https://host:0",
        "https://host:port",
        "https://a b.example",
        "https://plänhat.example",
        "https://me:secret@api.planhat.com",
        "https://api.planhat.com?a=1",
        "https://api.planhat.com#top",
        "https://app-us4.planhat.com",
    ],
)
def test_an_api_url_no_request_could_be_made_with_is_refused(url):
    with pytest.raises(errors.SettingsError, match="api_url") as caught:
        settings(api_url=url)
    assert "secret" not in str(caught.value)


def test_the_user_agent_is_what_the_user_says():
    assert settings().agent == "singer-planhat"
    assert settings(user_agent="etl@example.com").agent == "etl@example.com"


@pytest.mark.parametrize("agent", ["a\r\nX-Evil: 1", "ägent", " padded"])
def test_a_user_agent_that_is_no_header_is_refused(agent):
    with pytest.raises(errors.SettingsError, match="user_agent"):
        settings(user_agent=agent)


@pytest.mark.parametrize(
    ("name", "value"),
    [("requests_per_minute", 0), ("request_timeout", 0), ("retry_timeout", -1)],
)
def test_a_number_with_which_no_call_could_be_made_is_refused_by_name(name, value):
    with pytest.raises(errors.SettingsError, match=f"{name} must be at least"):
        settings(**{name: value})


def test_the_least_numbers_are_accepted():
    settings(requests_per_minute=1, request_timeout=1, retry_timeout=0)


def test_a_missing_token_is_made_where_planhat_makes_tokens():
    with pytest.raises(errors.SettingsError, match="Settings > Service Accounts"):
        settings(api_token=" ")


def test_each_setting_is_offered_with_the_default_it_has():
    defaults = {item.name: item.default for item in fields(ClientSettings)}
    assert list(CONNECTION) == list(defaults)
    assert defaults.pop("api_token") is MISSING
    assert {name: CONNECTION[name].get("default") for name in defaults} == defaults


def test_the_settings_schema_is_one_and_keeps_the_token_secret():
    jsonschema_rs.meta.validate({"$schema": "http://json-schema.org/draft-07/schema#", **SCHEMA})
    assert [name for name, item in CONNECTION.items() if item.get("secret")] == ["api_token"]
    assert all(item["title"] and item["description"].endswith(".") for item in CONNECTION.values())


def test_a_connectors_settings_hold_those_of_the_client():
    config = {"api_token": "a", "region": "eu2", "request_timeout": None, "start_date": "2024"}
    assert ClientSettings.of(config) == ClientSettings("a", region="eu2")
