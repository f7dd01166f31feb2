"""What differs between the resources: defaults, what is filled in, and what each answer shows.

Taken from the example answers of the four pages: a property is left out of the replies in which
no example has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from planhat_api.resources import CONVERSATIONS
from planhat_sandbox.tenant.tenant import DEFAULT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planhat_sandbox.tenant.store import Doc
    from planhat_sandbox.tenant.tenant import Tenant

TOKEN_USER = {"id": "610015551b990c65d4fb0a4c", "name": "Sandbox", "email": "sandbox@planhat.test"}
"""Who writes through the API."""
PROMOTER, PASSIVE = 9, 7
"""Least scores of the two better classes."""
TICKET = "ticket"
_TAG = re.compile(r"<[^>]*>")
PREFIXES: Mapping[str, str] = MappingProxyType({"srcid-": "sourceId", "extid-": "externalId"})
"""Prefix of an id in the path -> the keyable it names."""
_BREAK = re.compile(r"</p>\s*<p>|<br\s*/?>")


@dataclass(frozen=True)
class Rules:
    """What is particular to one resource."""

    defaults: Callable[[str], Doc]
    """Current time -> what a new record holds where nothing was sent."""
    derive: Callable[[Tenant, Doc, Doc], None]
    """Fills in a changed record, in place, given what was sent."""
    filters: frozenset[str] = frozenset()
    """Query parameters that filter its list, beside companyId."""
    has_dates: bool = False
    """Carries createdAt and updatedAt on every tenant."""
    not_in_writes: frozenset[str] = frozenset()
    """Left out of the replies to create, update and delete."""
    not_in_creates: frozenset[str] = frozenset()
    """Left out of the reply to create alone."""
    create_extras: Callable[[Doc], Doc] = lambda _: {}
    """What only the reply to create shows."""
    not_stored: frozenset[str] = frozenset()
    """Writable, but never seen again."""
    left_out_of_lists: frozenset[str] = frozenset()
    """Left out of list rows that select nothing."""
    read_prefixes: frozenset[str] = frozenset({"srcid-"})
    """Those of `PREFIXES` that the page lists for a GET by id."""
    write_prefixes: frozenset[str] = frozenset({"srcid-"})
    """Those that it lists for a PUT by id."""
    deletes_show_document: bool = False
    """The reply to delete is the record, not a count."""


def plain(markup: str) -> str:
    """Return a text without its markup, paragraphs kept apart."""
    return _TAG.sub("", _BREAK.sub("\n\n", markup)).strip()


def score_type(score: int) -> str:
    """Return the class of an NPS score."""
    if score >= PROMOTER:
        return "promoter"
    return "passive" if score >= PASSIVE else "detractor"


def _snippet(doc: Doc, sent: Doc) -> None:
    if isinstance(sent.get("description"), str) and "snippet" not in sent:
        doc["snippet"] = plain(sent["description"])


def _campaign(tenant: Tenant, doc: Doc, sent: Doc) -> None:
    """Nothing to fill in beyond what all records share."""


def _nps(tenant: Tenant, doc: Doc, sent: Doc) -> None:
    if "email" in sent:
        contact = tenant.contact(doc["email"], doc.get("cId"))
        doc["euId"] = contact.id
        if doc.get("cId") is None:
            doc["cId"] = contact.company_id
    if doc.get("score") is not None:
        doc["scoreType"] = score_type(doc["score"])


def _conversation(tenant: Tenant, doc: Doc, sent: Doc) -> None:
    _snippet(doc, sent)
    if "type" in sent and sent["type"] not in DEFAULT_TYPES:
        old = (tenant.tables[CONVERSATIONS.name].get(doc["_id"]) or {}).get("type")
        # A conversation can neither get nor lose a reserved type.
        reserved = CONVERSATIONS.reserved_types & {old, sent["type"]}
        ticket = sent["type"] == TICKET and tenant.habits.takes_tickets and old is None
        doc["type"] = TICKET if ticket else old if old and reserved else "note"
    owner = sent.get("ownerId")
    if "users" in sent or owner:
        doc["users"] = [
            {
                "id": user["id"],
                "name": _user_name(tenant, user["id"]),
                "isOwner": user["id"] == owner if owner else bool(user.get("isOwner")),
            }
            for user in doc.get("users") or ()
        ]
    if "endusers" in sent:
        doc["endusers"] = [
            {"id": person["id"], "name": _contact_name(tenant, person["id"])}
            for person in sent["endusers"] or ()
        ]
    doc["userIds"] = [user["id"] for user in doc.get("users") or ()]
    doc["hasMore"] = "<" in (doc.get("description") or "")


def _contact_name(tenant: Tenant, contact_id: str) -> str:
    contact = tenant.contacts.get(contact_id)
    return contact.name if contact else ""


def _user_name(tenant: Tenant, user_id: str) -> str:
    user = tenant.users.get(user_id)
    return user.name if user else ""


def _task(tenant: Tenant, doc: Doc, sent: Doc) -> None:
    _snippet(doc, sent)
    owner = doc.get("ownerId")
    if owner in tenant.users and "ownerName" not in sent:
        doc["ownerName"] = _user_name(tenant, owner)


def _note(doc: Doc) -> Doc:
    owner = next((user["id"] for user in doc["users"] if user["isOwner"]), TOKEN_USER["id"])
    return {
        "owner": owner,
        "followers": [],
        "userId": TOKEN_USER["id"],
        "note": f"{doc.get('subject') or ''}: {doc.get('snippet') or ''}",
        "nickName": TOKEN_USER["name"],
    }


RULES: Mapping[str, Rules] = MappingProxyType(
    {
        "campaigns": Rules(
            defaults=lambda _: {"__v": 0},
            derive=_campaign,
            not_in_creates=frozenset({"__v"}),
            read_prefixes=frozenset(PREFIXES),
            write_prefixes=frozenset(PREFIXES),
        ),
        "nps": Rules(
            defaults=lambda now: {"dateSent": None, "dateAnswered": now, "__v": 0},
            derive=_nps,
            filters=frozenset({"npsExpiryDay"}),
        ),
        "conversations": Rules(
            defaults=lambda now: {
                "starred": False,
                "pinned": False,
                "autoTags": [],
                "activityTags": [],
                "emailTemplateIds": [],
                "isOpen": False,
                "tags": [],
                "waitsToBeFiltered": True,
                "timeBucket": [],
                "archived": False,
                "users": [],
                "date": now,
                "type": "note",
                "endusers": [],
                "createDate": now,
                "sender": [],
                "history": [],
                "__v": 0,
                "userIds": [],
                "hasMore": False,
                "isCustomType": False,
                "assigneeName": "",
                "hasAttachments": False,
                "isSeen": False,
            },
            derive=_conversation,
            not_in_writes=frozenset(
                {"userIds", "hasMore", "isCustomType", "assigneeName", "hasAttachments", "isSeen"}
            ),
            create_extras=_note,
            not_stored=frozenset({"ownerId", "useSubject"}),
            left_out_of_lists=frozenset(
                {
                    "autoTags",
                    "emailTemplateIds",
                    "isOpen",
                    "waitsToBeFiltered",
                    "timeBucket",
                    "description",
                    "sender",
                    "history",
                    "__v",
                }
            ),
            read_prefixes=frozenset({"extid-"}),
            write_prefixes=frozenset(PREFIXES),
            deletes_show_document=True,
        ),
        "tasks": Rules(
            defaults=lambda _: {
                "mainType": "task",
                "noSpecificTime": False,
                "shared": False,
                "overdueNotified": False,
                "activityTags": [],
                "isArchived": False,
                "status": "In-progress",
                "endusers": [],
                "users": [],
                "checklist": [],
                "__v": 0,
                "children": [],
                "comments": [],
            },
            derive=_task,
            filters=frozenset({"isArchived", "enduserIds"}),
            has_dates=True,
            not_in_writes=frozenset({"children", "comments"}),
            # The example's owner is named from the first update on.
            not_in_creates=frozenset({"ownerName"}),
            create_extras=lambda _: {"userEmail": TOKEN_USER["email"]},
        ),
    }
)
