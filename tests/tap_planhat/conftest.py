"""A small Planhat in memory, and runs of the tap against it."""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import formatdate

import orjson
import pytest

from planhat_api.dates import ServerClock
from planhat_api.dates import to_text as text_of
from planhat_api.paging import PageRequest
from tap_planhat.instants import first_id
from tap_planhat.tap import TapPlanhat

UTC = timezone.utc
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Undecoded:
    data: list

    @property
    def size(self):
        return 500 * len(self.data)

    def rows(self, decode=None):
        return self.data if decode is None else decode(orjson.dumps(self.data))


class Stop(BaseException):
    """The process is killed."""


class Planhat:
    """What the client gives of a small tenant; `before` is called ahead of every list call."""

    def __init__(self, changing_list):
        self.changing_list = changing_list
        self.clock = ServerClock()
        self.clock.learn(formatdate())
        self.rows = {"campaigns": [], "conversations": [], "nps": [], "tasks": []}
        self.asked = []
        self.calls = Counter()
        self.before = lambda resource, query: None  # noqa: ARG005

    def add(self, resource, number, *, at=None, **more):
        """Add a row, made so many minutes after the beginning."""
        made = BEGINNING + timedelta(minutes=number)
        row = {"_id": first_id(made)[:8] + f"{number:016x}", **more}
        if at is not None:
            row["updatedAt"] = text_of(BEGINNING + timedelta(minutes=at))
        self.rows[resource].append(row)
        return row

    def list_rows(self, resource, query, *, retry_timeout=None):
        del retry_timeout
        self.before(resource.name, query)
        self.calls[f"GET /{resource.name}"] += 1
        self.asked.append((resource.name, dict(query)))
        if resource.name == "campaigns":
            assert "," not in query.get("companyId", ""), "its filter takes one company"
        shown = [row for row in self.rows[resource.name] if self.shows(row, query)]
        request = PageRequest(query["sort"], query["offset"], query["limit"])
        rows = self.changing_list(seed=len(self.asked), rows=shown).answer(request).rows
        if "select" in query:
            names = {"_id", *query["select"].split(",")}
            return [{name: row[name] for name in row if name in names} for row in rows]
        return rows

    def list_page(self, resource, query, *, retry_timeout=None):
        return Undecoded(self.list_rows(resource, query, retry_timeout=retry_timeout))

    def shows(self, row, query):
        if "isArchived" in query:
            wanted = query["isArchived"] == "true"
            if bool(row.get("isArchived")) != wanted:
                return False
        if "companyId" in query:
            company = row.get("companyId") or row.get("cId")
            if company not in query["companyId"].split(","):
                return False
        if "npsExpiryDay" in query and row.get("npsDate"):
            oldest = datetime.now(UTC) - timedelta(days=query["npsExpiryDay"])
            return row["npsDate"] >= text_of(oldest)
        return True

    def lists(self, resource):
        """The queries for pages of a list, without looks and probes."""
        return [query for name, query in self.asked if name == resource]

    def answered(self, number, *, days_ago, contact=None, **more):
        """Add an NPS answer, as lists show it."""
        date = text_of(datetime.now(UTC) - timedelta(days=days_ago))
        row = self.add("nps", number, npsId=f"{number:024x}", npsDate=date, nps=9, **more)
        row["_id"] = contact or row["_id"]
        return row

    def expected_ids(self, stream):
        return [row.get("npsId") or row["_id"] for row in self.rows[stream]]

    def kill_at(self, call):
        """Kill the run at its so-manieth list call; return what counts the calls before it."""
        calls = iter(range(call))

        def before(*_):
            if next(calls, None) is None:
                raise Stop

        self.before = before
        return calls

    def live(self):
        self.before = lambda *_: None

    def filters(self, resource, name):
        """The values a filter had, in order, repeats left out."""
        return list(dict.fromkeys(query.get(name) for query in self.lists(resource)))


@dataclass
class Output:
    messages: list
    error: BaseException | None

    def records(self, stream=None):
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and stream in (None, message["stream"])
        ]

    def ids(self, stream=None):
        return [record["_id"] for record in self.records(stream)]

    @property
    def kinds(self):
        return [message["type"] for message in self.messages]

    @property
    def states(self):
        return [message["value"] for message in self.messages if message["type"] == "STATE"]

    @property
    def state(self):
        return self.states[-1]

    def bookmark(self, stream, **context):
        mark = self.state["bookmarks"][stream]
        if not context:
            return {name: value for name, value in mark.items() if name != "partitions"}
        (found,) = [each for each in mark["partitions"] if each["context"] == context]
        return found


@pytest.fixture
def planhat(kit):
    return Planhat(kit.changing_list)


@pytest.fixture
def tap_of(planhat):
    """Make a tap of that tenant."""

    def make(settings=None, **more):
        tap = TapPlanhat(config={"api_token": "secret", **(settings or {})}, **more)
        tap.__dict__["client"] = planhat
        return tap

    return make


@pytest.fixture
def run(tap_of):
    """Run the tap for a stream."""

    def run_it(stream, state=None, *, key=None, method=None, change=None, stop=None, **settings):
        tap = tap_of(settings)
        catalog = json.loads(tap.catalog_json_text)
        for entry in catalog["streams"]:
            root = next(each for each in entry["metadata"] if not each["breadcrumb"])["metadata"]
            root["selected"] = entry["tap_stream_id"] == stream
            if root["selected"]:
                entry["replication_key"] = key or entry["replication_key"]
                entry["replication_method"] = method or "INCREMENTAL"
                if method == "FULL_TABLE":
                    entry["replication_key"] = None
                if change:
                    change(entry)
        tap = tap_of(settings, catalog=catalog, state=json.loads(json.dumps(state)))
        error = None
        with contextlib.redirect_stdout(io.StringIO()) as output:
            try:
                tap.sync_all()
            except Stop:
                pass
            except BaseException as caught:  # noqa: BLE001
                error = caught
        messages = [json.loads(line) for line in output.getvalue().splitlines()]
        if error is not None and stop is None:
            raise error
        return Output(messages, error)

    return run_it
