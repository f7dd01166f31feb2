"""Checks the settings that a user gives, by file or variable, before anything is done."""

from __future__ import annotations

import difflib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from planhat_api import errors, logs
from planhat_api.redact import shown
from planhat_api.settings import HOW_TO_GET_ONE
from planhat_api.stream_maps import check_stream_maps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_BOOLEANS = frozenset({"true", "1", "yes", "on", "false", "0", "no", "off"})
"""Variables that stand for a boolean, in any case; the Singer SDK takes the first four for true."""


def wrong_names(names: Iterable[str], schema: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every setting that does not exist, with the one that may be meant."""
    known = schema["properties"]
    faults = []
    for name in sorted(set(names) - known.keys()):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(known)}"
        faults.append(f"There is no setting {name}; {hint}")
    return faults


def wrong_variables(
    prefix: str, environment: Mapping[str, str], schema: Mapping[str, Any]
) -> list[str]:
    """Return a sentence for every variable of the environment that is not of its setting's type.

    The Singer SDK takes values that it does not understand for false or a list, or raises.

    Args:
        prefix: What the variables' names begin with, e.g. `TAP_PLANHAT_`.
        environment: The variables.
        schema: Of the settings.
    """
    faults = []
    for name, item in schema["properties"].items():
        value = environment.get(variable := prefix + name.upper())
        if value is not None and (wanted := _misread(value, item["type"])):
            faults.append(f"{variable} must be {wanted}")
    return faults


def _misread(value: str, types: str | list[str]) -> str | None:
    """Return what a setting of these types must be, if the text of a variable is not that."""
    if "integer" in types:
        try:
            int(value)
        except ValueError:
            return f"a whole number, not {shown(value)}"
    elif "boolean" in types:
        if value.lower() not in _BOOLEANS:
            return f"true or false, not {shown(value)}"
    elif "object" in types or ("array" in types and value.lstrip().startswith(("[", "{"))):
        try:
            json.loads(value)
        except (ValueError, RecursionError) as error:
            return f"a JSON {'object' if 'object' in types else 'list'}: {error}"
    return None


def given(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are given; null stands for the default.

    `off` without quotes is false to YAML, and means off all the same.

    Args:
        config: A connector's settings, as they came.
        schema: What they may be.

    Raises:
        SettingsError: Naming every setting that does not exist or holds a NUL, or every fault in
            `stream_maps`.
    """
    settings = {name: value for name, value in config.items() if value is not None}
    faults = wrong_names(settings, schema)
    faults += [
        f"{name} holds a NUL character: remove it"
        for name, value in settings.items()
        if isinstance(value, str) and "\0" in value
    ]
    if faults:
        raise errors.SettingsError("; ".join(faults))
    check_stream_maps(settings.get("stream_maps", {}))
    off = {name for name in settings if "off" in schema["properties"][name].get("enum", ())}
    return {
        name: "off" if value is False and name in off else value for name, value in settings.items()
    }


def check_environment(
    prefix: str, environment: Mapping[str, str], schema: Mapping[str, Any]
) -> None:
    """Check the variables of the environment, of which the Singer SDK misreads some.

    Call it after the SDK has read them, whatever that ended with: only then are those of a file
    `.env` among them.

    Raises:
        SettingsError: Naming each of them.
    """
    if faults := wrong_variables(prefix, environment, schema):
        raise errors.SettingsError("; ".join(faults))
    check_stream_maps(json.loads(environment.get(f"{prefix}STREAM_MAPS", "{}")))


@contextmanager
def reading_files() -> Iterator[None]:
    """Explain what the Singer SDK raises where a file after `--config` cannot be read.

    Raises:
        SettingsError: In place of what the SDK raises.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None)
        text = f"{reason}: {getattr(error, 'filename', '')}" if reason else str(error)
        raise errors.SettingsError(f"--config cannot be read: {text}") from None
    except (TypeError, ValueError) as error:
        raise errors.SettingsError(
            f"--config cannot be read: it is not a JSON object of settings ({error})"
        ) from None


def invalid(
    faults: Iterable[str], prefix: str, environment: Mapping[str, str]
) -> errors.SettingsError:
    """Return the error for the faults that a validator found in the settings.

    Args:
        faults: What it says.
        prefix: What the names of variables begin with, e.g. `TAP_PLANHAT_`.
        environment: The variables, of which a token may be one that was not read.
    """
    variable = f"{prefix}API_TOKEN"
    missing = (
        f"api_token is missing: {HOW_TO_GET_ONE}, and give it in the file after --config, or as "
        f"{variable} with --config ENV"
    )
    if environment.get(variable):
        missing = f"api_token is missing: {variable} is set, but is read only with --config ENV"

    def explained(fault: str) -> str:
        if "config['api_token']" in fault:
            return "api_token must be text"
        return missing if fault.startswith("'api_token' is a required property") else fault

    return errors.SettingsError("; ".join(map(explained, faults)))


def hide_token(config: Mapping[str, Any], prefix: str, environment: Mapping[str, str]) -> None:
    """Keep the token out of the log, from before the settings are checked.

    Args:
        config: What the files after `--config` hold.
        prefix: What the names of variables begin with.
        environment: The variables.
    """
    for token in (config.get("api_token"), environment.get(f"{prefix}API_TOKEN")):
        if isinstance(token, str):
            logs.hide(token.strip())
