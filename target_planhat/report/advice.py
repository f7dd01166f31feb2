"""What to do about a record that was not written, for people who run the CRM."""

from __future__ import annotations

import re

_VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|\S*\d\S*")
"""Parts of a reason that differ from record to record: quoted values, ids and numbers."""
_ADVICE = {
    r"may not|permission": (
        "Give the service account that permission in Planhat, under Settings > Service Accounts, "
        "then load the records again."
    ),
    r"more than one \w+ in Planhat": (
        "Two records in Planhat carry a key that belongs to one. Correct or merge them in Planhat, "
        "then load the record again."
    ),
    r"(no|more than one) (user|company|contact) (is|has|of)|not known which company": (
        "Correct the address or name at the source, or add or tidy up the user, company or contact "
        "in Planhat."
    ),
    "lookup_calls": "Raise lookup_calls, or load the rest with the next run.",
    "write_mode": "Nothing, if that is what write_mode is set for.",
    "hard_delete": "Nothing, unless such records are to be deleted in Planhat: set hard_delete.",
    r"is missing|lacks|has no |is unique only within": (
        "Fill in what is missing at the source, or map another column to it."
    ),
    "reserved": "Map the type to another one, such as note.",
    r"SCHEMA|must be|cannot be put in JSON|stream map": (
        "Correct the value at the source, or change it on the way with a stream map."
    ),
    "not known whether it was written": (
        "Look the record up in Planhat. To load it again does no harm if it carries a key."
    ),
    "duplicated": "Another record in Planhat has this key already: correct one of the two.",
    r"larger than": "Shorten its texts at the source, or leave a column out.",
}
"""Text in a reason -> what to do; the first that matches counts."""
_OTHERWISE = (
    "Correct what the reason names, then load the record again: the reject file holds it, if "
    "rejects_path is set."
)


def general(reason: str) -> str:
    """Return a reason without what differs from record to record, for counting."""
    return _VARIABLE.sub("…", reason)


def advice(reason: str) -> str:
    """Return what to do about a reason, in a sentence or two."""
    return next((text for sign, text in _ADVICE.items() if re.search(sign, reason)), _OTHERWISE)
