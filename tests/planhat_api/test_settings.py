from __future__ import annotations

import pytest

from planhat_api import errors
from planhat_api.client import ClientSettings


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
        _ = settings(api_token=bad).token
    assert not bad.strip() or bad not in str(caught.value)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        (None, "https://api.planhat.com"),
        ("", "https://api.planhat.com"),
        ("eu2", "https://api-eu2.planhat.com"),
        ("US3", "https://api-us3.planhat.com"),
    ],
)
def test_a_region_names_its_host(region, host):
    assert settings(region=region).base_url == host


@pytest.mark.parametrize(
    "region", ["eu2.evil.example/", "api-eu2", "eu 2", "eu2\n", "https://api-eu2.planhat.com", "ü"]
)
def test_a_region_that_is_no_short_name_is_refused(region):
    with pytest.raises(errors.SettingsError, match="region must be the short name"):
        _ = settings(region=region).base_url


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
    ],
)
def test_an_api_url_no_request_could_be_made_with_is_refused(url):
    with pytest.raises(errors.SettingsError, match="api_url") as caught:
        _ = settings(api_url=url).base_url
    assert "secret" not in str(caught.value)


def test_the_user_agent_is_what_the_user_says():
    assert settings().agent == "singer-planhat"
    assert settings(user_agent="etl@example.com").agent == "etl@example.com"


@pytest.mark.parametrize("agent", ["a\r\nX-Evil: 1", "ägent", " padded"])
def test_a_user_agent_that_is_no_header_is_refused(agent):
    with pytest.raises(errors.SettingsError, match="user_agent"):
        _ = settings(user_agent=agent).agent


@pytest.mark.parametrize(
    ("name", "value"),
    [("requests_per_minute", 0), ("request_timeout", 0), ("retry_timeout", -1)],
)
def test_a_number_with_which_no_call_could_be_made_is_refused_by_name(name, value):
    with pytest.raises(errors.SettingsError, match=f"{name} must be at least"):
        settings(**{name: value}).check_numbers()


def test_the_least_numbers_are_accepted():
    settings(requests_per_minute=1, request_timeout=1, retry_timeout=0).check_numbers()
