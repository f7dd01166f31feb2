"""The sample tenant's custom fields: how they are defined, and the values that records hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planhat_sandbox.demo import phrases
from planhat_sandbox.tenant.tenant import CustomField

if TYPE_CHECKING:
    import random

MODELS = ("company", "enduser", "campaign", "nps", "conversation", "task")
"""What has custom fields, as `GET /customfields` calls it."""
REGIONS = ("EMEA", "APAC", "Americas")


def fields() -> list[CustomField]:
    """Return the definitions, the same for each model.

    As on real tenants they do not match all records: two fields that records hold are not defined,
    and one that is defined as a number holds text.
    """
    return [
        CustomField(name, kind, model, **more)
        for model in MODELS
        for name, kind, more in (
            ("Days in Phase", "number", {"is_formula": True}),
            ("HScore", "number", {}),
            ("Week No", "number", {"is_formula": True}),
            ("Key account", "checkbox", {}),
            ("t123", "number", {}),
            ("Comments", "rich text", {}),
            ("Region", "list", {"list_values": REGIONS}),
            ("Renewal date", "date", {}),
            ("Main Product", "multipicklist", {"list_values": phrases.PRODUCTS}),
            ("Old field", "text", {"is_hidden": True}),
        )
    ]


def values(rng: random.Random) -> dict[str, Any]:
    """Return the custom fields of one record: some of them, of every JSON type."""
    pool: dict[str, Any] = {
        "Days in Phase": rng.randrange(400),
        "HScore": rng.choice([0, 3, 7.5, None]),
        "Week No": rng.random() * 52,
        "Key account": rng.random() < 0.5,  # noqa: PLR2004
        "t123": "undefined",
        "Comments": "",
        "Region": rng.choice(REGIONS),
        "Renewal date": f"2027-{rng.randrange(1, 13):02d}-01T00:00:00.000Z",
        "Main Product": rng.sample(phrases.PRODUCTS, 2),
        "Score history": [[rng.randrange(11), rng.randrange(11)], [], [None, "n/a"]],
        "Billing": {"plan": rng.choice(["Team", "Business"]), "seats": rng.randrange(5, 500)},
        "Old field": None,
    }
    names = rng.sample(list(pool), rng.randrange(2, 7))
    return {name: pool[name] for name in pool if name in names}
