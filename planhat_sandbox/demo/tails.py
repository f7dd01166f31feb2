"""The parts of sample records that many of them share: all but ids, keys, dates and company."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planhat_sandbox.demo import custom, phrases
from planhat_sandbox.tenant.rules import RULES, plain
from planhat_sandbox.tenant.tenant import User

if TYPE_CHECKING:
    import random

    from planhat_sandbox.tenant.tenant import Contact

Part = dict[str, Any]
_OWNERS = tuple(
    (f"54ddc90a3570c76e2cbd08{number:02x}", name) for number, name in enumerate(phrases.TEAM)
)
"""Team members by id."""
LEFT = "Petra Novak"


def team() -> list[User]:
    """Return the team members, and one who has left."""
    members = [User(key, name, _address(name)) for key, name in _OWNERS]
    return [*members, User("54ddc90a3570c76e2cbd08ff", LEFT, _address(LEFT), inactive=True)]


def _address(name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@planhat-demo.example"


def _prose(rng: random.Random, low: int, high: int) -> str:
    notes = rng.sample(phrases.NOTES, rng.randint(low, high))
    return "".join(f"<p>{note}</p>" for note in notes)


def _some(rng: random.Random, contacts: list[Contact], most: int) -> list[Part]:
    chosen = rng.sample(contacts, rng.randint(0, min(most, len(contacts))))
    return [{"id": one.id, "name": one.name} for one in chosen]


def campaign(rng: random.Random, contacts: list[Contact], number: int) -> Part:
    """Return a campaign's part."""
    chosen = phrases.CAMPAIGNS[(number + rng.randrange(6)) % len(phrases.CAMPAIGNS)]
    reason = " ".join(rng.sample(phrases.PURPOSES, 2))
    usage = {one.id: rng.randrange(50) for one in contacts[:2]}
    return {
        "name": f"{chosen} {rng.choice(['Q1', 'Q2', 'Q3', 'Q4'])}",
        "campaignPurpose": reason if number % 4 else None,
        "usage": usage,
        "custom": custom.values(rng),
        "__v": 0,
    }


def conversation(rng: random.Random, contacts: list[Contact], number: int) -> Part:
    """Return a conversation's part."""
    kind = phrases.TYPES[(number + rng.randrange(10)) % len(phrases.TYPES)]
    owner, name = rng.choice(_OWNERS)
    text = _prose(rng, 1, 2)
    defaults = RULES["conversations"].defaults("")
    part: Part = {key: value for key, value in defaults.items() if not key.endswith(("ate", "v"))}
    part |= {
        "type": kind,
        "subject": rng.choice(phrases.SUBJECTS),
        "description": text,
        "snippet": plain(text)[:80],
        "users": [{"id": owner, "name": name, "isOwner": True}],
        "userIds": [owner],
        "endusers": _some(rng, contacts, 3),
        "activityTags": rng.sample(phrases.TAGS, rng.randrange(3)),
        "starred": rng.random() < 0.1,  # noqa: PLR2004
        "hasMore": True,
        "waitsToBeFiltered": False,
        "numberOfParts": rng.randrange(1, 6),
        "isSeen": rng.random() < 0.7,  # noqa: PLR2004
        "custom": custom.values(rng),
        "__v": 0,
    }
    return part | ({"source": "bcc"} if kind == "email" else {})


def task(rng: random.Random, contacts: list[Contact], number: int) -> Part:
    """Return a task's part."""
    owner, name = rng.choice(_OWNERS)
    text = _prose(rng, 1, 2) if number % 5 else ""
    steps = rng.sample(phrases.STEPS, rng.randrange(3))
    part: Part = {
        "mainType": "event" if number % 8 == 3 else "task",  # noqa: PLR2004
        "action": rng.choice(phrases.TASKS),
        "description": text,
        "snippet": plain(text),
        "type": rng.choice(phrases.TASK_TYPES),
        "status": rng.choice(phrases.STATUSES),
        "ownerId": owner,
        "ownerName": name,
        "noSpecificTime": number % 3 == 0,
        "shared": False,
        "overdueNotified": False,
        "activityTags": rng.sample(phrases.TAGS, rng.randrange(3)),
        "checklist": [{"title": step, "done": rng.random() < 0.5} for step in steps],  # noqa: PLR2004
        "endusers": _some(rng, contacts, 2),
        "users": [{"id": owner, "name": name}],
        "children": [],
        "comments": [],
        "repeat": rng.choice([None, None, "weekly", "quarterly"]),
        "custom": custom.values(rng),
        "__v": 0,
    }
    if number % 4 == 1:
        part |= {"workflowName": "QBR", "workflowId": "5db866ceab7aac67dc3637be", "sortPosition": 5}
    return part


def nps(rng: random.Random, score: int, kind: str) -> Part:
    """Return the part of an answer with this score."""
    return {
        "comment": rng.choice(phrases.COMMENTS[kind]),
        "scoreType": kind,
        "campaignId": rng.choice([None, "5c3d0c38b95614b78f100c65", "60915415fc985e73734f5c02"]),
        "source": rng.choice([None, "Planhat", "custom-nps.example"]),
        "dateReminderSent": None,
        "custom": custom.values(rng) if score % 2 else None,
        "__v": 0,
    }
