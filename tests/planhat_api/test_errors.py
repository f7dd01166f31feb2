from __future__ import annotations

import copy
import pickle

import pytest

from planhat_api import errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.PayloadError),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (405, errors.PayloadError),
        (408, errors.TimedOutError),
        (409, errors.PayloadError),
        (413, errors.TooLargeError),
        (422, errors.PayloadError),
        (429, errors.RateLimitedError),
        (500, errors.ServerFaultError),
        (502, errors.ServerFaultError),
        (503, errors.ServerFaultError),
        (520, errors.ServerFaultError),
        (204, errors.NotJsonError),
        (302, errors.PayloadError),
    ],
)
def test_a_status_stands_for_an_error(status, kind):
    assert errors.for_status(status) is kind


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        (errors.AuthenticationError, "region"),
        (errors.NotFoundError, "api_url"),
        (errors.PayloadError, "fix what the answer names"),
        (errors.TooLargeError, "max_body_mb"),
        (errors.UntrustedError, "REQUESTS_CA_BUNDLE"),
        (errors.RateLimitedError, "requests_per_minute"),
        (errors.ServerFaultError, "run again later"),
        (errors.TimedOutError, "request_timeout"),
        (errors.UnreachableError, "region or api_url"),
        (errors.ConnectionLostError, "network"),
        (errors.NotJsonError, "answer in its place"),
    ],
)
def test_a_message_says_what_where_and_what_to_do(kind, remedy):
    message = str(kind("GET /tasks", "said the server."))
    assert message.startswith("GET /tasks: said the server. ")
    assert remedy in message


@pytest.mark.parametrize(
    ("call", "permission"),
    [
        ("GET /tasks", "may not read tasks:"),
        ("GET /nps/extid-1", "may not read nps:"),
        ("PUT /conversations", "may not write conversations:"),
        ("DELETE /campaigns/1", "may not delete campaigns:"),
        ("somewhere", "may not use this:"),
    ],
)
def test_a_missing_permission_is_named_with_its_resource(call, permission):
    assert permission in str(errors.PermissionDeniedError(call, "403 Forbidden"))


def test_a_note_stands_with_what_happened_not_with_the_remedy():
    error = errors.ServerFaultError("GET /tasks", "503 Service Unavailable")
    error.note = "gave up after 3 tries in 9 s"
    assert error.what == "GET /tasks: 503 Service Unavailable (gave up after 3 tries in 9 s)"
    assert str(error) == f"{error.what}. {error.remedy}"


def test_a_settings_error_is_just_its_sentence():
    assert str(errors.SettingsError("region is wrong")) == "region is wrong"


def test_only_what_was_not_carried_out_is_known_to_be_refused():
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    retriable = {kind for kind in kinds if issubclass(kind, errors.RetriableError)}
    assert {kind for kind in retriable if kind.not_done} == {
        errors.RateLimitedError,
        errors.UnreachableError,
        errors.ProxyUnreachableError,
    }
    assert {kind for kind in retriable if kind.too_much} == {
        errors.ServerFaultError,
        errors.TimedOutError,
        errors.ConnectionLostError,
        errors.ResponseTooLargeError,
    }


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301
def test_an_error_survives_being_handed_to_another_process(again):
    error = errors.ServerFaultError("GET /tasks", "503")
    error.note = "gave up"
    assert str(again(error)) == str(error)
