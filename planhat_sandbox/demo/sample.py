"""A tenant of sample data, from a seed: companies, people and plausible records of each resource.

Rows are put together as encoded JSON, from a head of their own and one of some hundred tails:
a million of them take seconds. The same seed and the same `now` give the same tenant.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import orjson

from planhat_sandbox.demo import custom, tails
from planhat_sandbox.demo.phrases import COMPANIES, FIRST_NAMES, LAST_NAMES
from planhat_sandbox.options import TaskDates
from planhat_sandbox.tenant.rules import score_type
from planhat_sandbox.tenant.store import without_collection
from planhat_sandbox.tenant.tenant import Company, Contact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planhat_sandbox.options import SandboxOptions
    from planhat_sandbox.tenant.tenant import Tenant

ROWS: Mapping[str, int] = MappingProxyType(
    {"campaigns": 2_400, "nps": 3_000, "conversations": 5_000, "tasks": 9_000}
)
"""Records of each resource when nothing is said: more than one page of each."""
DAYS = 1_096
"""The tenant's age: three years, one of them a leap year."""
_DAY_MS = 86_400_000
_MACHINE = "d3a0c0ffee"
_UNDATED = 0.004
"""Share of tasks, the oldest, without createdAt and updatedAt where only some carry them."""
_ANSWERS_A_CONTACT = 5
_CYCLE = 1000
_BURST = range(400, 500)
"""Of each thousand rows, those that came by bulk and share their times."""


@dataclass
class _Scene:
    """What the functions that make rows share."""

    rng: random.Random
    now_ms: int
    options: SandboxOptions
    companies: list[Company]
    contacts: dict[str, list[Contact]]
    """By company."""

    @property
    def start_ms(self) -> int:
        return self.now_ms - DAYS * _DAY_MS

    def moments(self, count: int) -> list[int]:
        """Return ascending times over the tenant's life, in milliseconds since 1970.

        One hundred of a thousand falls on four moments: what a bulk change leaves behind.
        """
        step = (self.now_ms - self.start_ms - 1000) / max(1, count)
        found = [self.start_ms + int(step * (i + self.rng.random())) for i in range(count)]
        for first in range(_BURST.start, count, _CYCLE):
            for at in range(first, min(first + len(_BURST), count)):
                found[at] = found[first + (at - first) // 25 * 25]
        return found


def fill(tenant: Tenant, now: datetime, rows: int | Mapping[str, int] | None = None) -> None:
    """Fill an empty tenant.

    Args:
        tenant: What to fill; its options say the seed and which rows carry dates.
        now: The end of the tenant's three years.
        rows: Records of each resource, or of those named.
    """
    if isinstance(rows, int):
        counts: dict[str, int] = dict.fromkeys(ROWS, rows)
    else:
        counts = {**ROWS, **(rows or {})}
    rng = random.Random(f"demo {tenant.options.seed}")
    scene = _Scene(rng, int(now.timestamp() * 1000), tenant.options, [], {})
    _people(tenant, scene, counts["nps"])
    with without_collection():
        for name, make in _MAKERS.items():
            tenant.tables[name].put_encoded(make(scene, counts[name]))


def _people(tenant: Tenant, scene: _Scene, answers: int) -> None:
    rng = scene.rng
    began = scene.start_ms // 1000 - 400 * 86_400
    for user in tails.team():
        tenant.add_user(user)
    tenant.custom_fields += custom.fields()
    contacts = max(8, answers // (len(COMPANIES) * _ANSWERS_A_CONTACT))
    for number, name in enumerate(COMPANIES):
        domain = "".join(c for c in name.lower() if c.isascii() and c.isalnum()) + ".example"
        company = Company(
            _id(began + 3600 * number, 100 + number),
            name,
            external_id=f"C-{1000 + number}" if number % 7 else None,
            source_id=f"crm-{number:04d}" if number % 5 else None,
            domains=(domain,),
        )
        scene.companies.append(tenant.add_company(company))
        people: list[Contact] = []
        for at in range(contacts):
            first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
            email = f"{_plain(first)}.{_plain(last)}{at}@{domain}"
            made = Contact(
                _id(began + 86_400 * (at % 300), 1000 + number * contacts + at),
                f"{first} {last}",
                email,
                company.id,
            )
            people.append(tenant.add_contact(made))
        scene.contacts[company.id] = people


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isascii())


def _id(seconds: int, counter: int) -> str:
    return f"{seconds:08x}{_MACHINE}{counter & 0xFFFFFF:06x}"


@lru_cache(maxsize=4096)
def _day(number: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(days=number)).strftime("%Y-%m-%d")


def _text(ms: int) -> str:
    """Return a time as Planhat writes it; many times faster than `strftime`."""
    day, rest = divmod(ms, _DAY_MS)
    seconds, ms = divmod(rest, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{_day(day)}T{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}Z"


def _tails(
    scene: _Scene, make: Callable[[random.Random, list[Contact], int], dict[str, Any]]
) -> list[list[tuple[bytes, bytes]]]:
    """Return for each company some (head, tail): the company's part and the rest of a row."""
    return [
        [
            (
                f'"companyId":"{company.id}","companyName":'.encode() + orjson.dumps(company.name),
                b"," + orjson.dumps(make(scene.rng, scene.contacts[company.id], number))[1:],
            )
            for number in range(8)
        ]
        for company in scene.companies
    ]


def _keys(number: int, prefix: str) -> str:
    """Return keyables as they are found: mostly there, some blank, some absent."""
    kind = number % 10
    if kind < 6:  # noqa: PLR2004
        return f'"sourceId":"{prefix}-{number}",'
    if kind < 8:  # noqa: PLR2004
        return f'"externalId":"{number}","sourceId":"{prefix}-{number}",'
    return '"externalId":"",' if kind == 8 else ""  # noqa: PLR2004


def _campaigns(scene: _Scene, count: int) -> dict[str, bytes]:
    ends = _tails(scene, tails.campaign)
    rng = scene.rng
    found: dict[str, bytes] = {}
    for number, ms in enumerate(scene.moments(count)):
        company, tail = rng.choice(rng.choice(ends))
        key = _id(ms // 1000, number)
        dates = _dates(ms, ms) if scene.options.timestamps else ""
        head = f'{{"_id":"{key}",{_keys(number, "cmp")}{dates}'
        found[key] = head.encode() + company + tail
    return found


def _conversations(scene: _Scene, count: int) -> dict[str, bytes]:
    ends = _tails(scene, tails.conversation)
    rng = scene.rng
    found: dict[str, bytes] = {}
    for number, ms in enumerate(scene.moments(count)):
        company, tail = rng.choice(rng.choice(ends))
        key = _id(ms // 1000, number)
        # Every twentieth is a mail that was imported long after it was written.
        late = number % 20 == 7  # noqa: PLR2004
        own = ms - int((400 + 2000 * rng.random()) * _DAY_MS) if late else ms
        date = _text(own)
        dates = _dates(ms, min(ms + number % 90 * 3_600_000, scene.now_ms))
        out = f'"outDate":"{date}",' if number % 3 else ""
        head = (
            f'{{"_id":"{key}",{_keys(number, "conv")}"date":"{date}","createDate":"{date}",'
            f'{out}"days":{own // _DAY_MS},{dates if scene.options.timestamps else ""}'
        )
        found[key] = head.encode() + company + tail
    return found


def _tasks(scene: _Scene, count: int) -> dict[str, bytes]:
    ends = _tails(scene, tails.task)
    rng = scene.rng
    undated = {TaskDates.SOME: int(_UNDATED * count), TaskDates.NONE: count}
    first_dated = undated.get(scene.options.task_dates, 0)
    found: dict[str, bytes] = {}
    for number, ms in enumerate(scene.moments(count)):
        company, tail = rng.choice(rng.choice(ends))
        key = _id(ms // 1000, number)
        # Done, and so archived: two of three.
        archived = rng.random() < 2 / 3
        changed = ms + int(min(30 * _DAY_MS, scene.now_ms - ms) * rng.random() ** 3)
        if number % _CYCLE in _BURST:
            changed = ms
        due = ms + (number % 40) * _DAY_MS // 2
        parts = [f'{{"_id":"{key}",']
        if number % 4:
            parts.append(f'"sourceId":"task-{number}",')
        if number % 8 == 0:
            parts.append('"startTime":null,')
        elif number % 9:
            parts.append(f'"startTime":"{_text(due)}",')
        if archived and number % 11:
            parts.append(f'"dateDone":"{_text(changed)}",')
        parts.append(f'"isArchived":{"true" if archived else "false"},')
        few = scene.options.task_dates is TaskDates.FEW
        if number >= first_dated and not (few and number % 4):
            parts.append(_dates(ms, changed))
        found[key] = "".join(parts).encode() + company + tail
    return found


def _dates(created: int, updated: int) -> str:
    return f'"createdAt":"{_text(created)}","updatedAt":"{_text(updated)}",'


def _nps(scene: _Scene, count: int) -> dict[str, bytes]:
    rng = scene.rng
    people = [one for contacts in scene.contacts.values() for one in contacts]
    by_score = [
        [orjson.dumps(tails.nps(rng, score, score_type(score)))[1:] for _ in range(24)]
        for score in range(11)
    ]
    found: dict[str, bytes] = {}
    for number, ms in enumerate(scene.moments(count)):
        one = rng.choice(people)
        score = min(10, int(11 * rng.random() ** 0.5))
        # Asked some days before the answer; the record is as old as the question.
        asked = ms - int(rng.random() * 9 * _DAY_MS)
        key = _id(asked // 1000, number)
        sent = f'"{_text(asked)}"' if number % 6 else "null"
        source = (f'"{key}"', f'"nps-{number}"', '""', "null")[number % 4]
        head = (
            f'{{"_id":"{key}","cId":"{one.company_id}","email":"{one.email}","euId":"{one.id}",'
            f'"score":{score},"dateSent":{sent},"dateAnswered":"{_text(ms)}",'
            f'"sourceId":{source},'
        )
        found[key] = head.encode() + rng.choice(by_score[score])
    return found


_MAKERS: Mapping[str, Callable[[_Scene, int], dict[str, bytes]]] = MappingProxyType(
    {
        "campaigns": _campaigns,
        "nps": _nps,
        "conversations": _conversations,
        "tasks": _tasks,
    }
)
