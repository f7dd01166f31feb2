"""The settings of a check: those of the tap or the target, from their files and variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from planhat_api.config import check_environment, hide_token, invalid, reading_files
from planhat_api.errors import SettingsError
from planhat_api.settings import CONNECTION, ClientSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIXES = ("TAP_PLANHAT_", "TARGET_PLANHAT_")
"""Of the variables that `--config ENV` reads: the tap's, or else the target's."""
_SCHEMA = {"type": "object", "properties": CONNECTION}


def read_settings(sources: Sequence[str], environment: Mapping[str, str]) -> ClientSettings:
    """Return the settings that files and variables hold; others than those of calls are ignored.

    Args:
        sources: Paths of files, and `ENV` for the variables.
        environment: The variables, those of a file `.env` among them.

    Raises:
        SettingsError: A file cannot be read, or a setting is missing or cannot be used.
    """
    prefix = next((each for each in PREFIXES if environment.get(f"{each}API_TOKEN")), PREFIXES[0])
    config: dict[str, Any] = {}
    for source in sources:
        if source != "ENV":
            with reading_files():
                config |= json.loads(Path(source).expanduser().read_text(encoding="utf-8"))
    hide_token(config, prefix, environment)
    if "ENV" in sources:
        check_environment(prefix, environment, _SCHEMA)
        config |= _variables(prefix, environment)
    settings = {name: config[name] for name in CONNECTION if config.get(name) is not None}
    if "api_token" not in settings:
        raise invalid(["'api_token' is a required property"], prefix, environment)
    _check_types(settings)
    return ClientSettings.of(settings)


def _variables(prefix: str, environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in CONNECTION.items():
        if (value := environment.get(prefix + name.upper())) is not None:
            found[name] = int(value) if "integer" in item["type"] else value
    return found


def _check_types(settings: Mapping[str, Any]) -> None:
    faults = [
        # The token must not be shown.
        "api_token must be text" if name == "api_token" else f"{name}: {error.message}"
        for name, value in settings.items()
        for error in jsonschema_rs.validator_for(dict(CONNECTION[name])).iter_errors(value)
    ]
    if faults:
        raise SettingsError("; ".join(faults))
