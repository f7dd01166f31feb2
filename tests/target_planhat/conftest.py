"""A stand-in for PlanhatClient: bulk upserts, reads and deletions, and what may go wrong."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import orjson
import pytest

from planhat_api import errors
from planhat_api.client import UpsertResponse
from planhat_api.resources import TASKS
from target_planhat.item import Item
from target_planhat.upsert.api import ResourceApi
from target_planhat.upsert.upserter import Upserter


@dataclass
class Manners:
    """How a server behaves where nothing is documented."""

    seed: int = 0
    shapes: tuple[str, ...] = ("keys",)
    """Shapes of error items it picks from."""
    lists: float = 1.0
    """Share of answers that list the keys of what was written."""
    zeros: float = 1.0
    """Share of nothings that are told."""
    counts: bool = True
    all_or_nothing: bool = False
    """One bad item spoils the request, which is refused without a list."""
    lost: float = 0.0
    """Share of requests that are carried out but whose answer is lost."""
    failing: float = 0.0
    """Share of requests that fail before anything is done."""
    limit: int | None = None
    """Bytes of the largest body it takes."""


@dataclass
class Server:
    """Holds records; counts calls. An item with `bad` is refused, one with `poison` crashes it,
    one with `drop` is neither written nor an error."""

    manners: Manners = field(default_factory=Manners)
    down: bool = False
    denied: bool = False
    refuses: errors.PlanhatError | None = None
    answers: tuple = ()
    """Bodies of the next answers, the last one of all that follow; nothing is carried out."""
    status: int = 200
    """Of these answers."""
    listed: str | None = None
    """The `_id` of the first row of the list, whatever the records."""
    read_error: errors.PlanhatError | None = None
    list_error: errors.PlanhatError | None = None
    delete_error: errors.PlanhatError | None = None

    def __post_init__(self):
        self.records: dict[str, dict] = {}
        self._index: dict[tuple, dict] = {}
        self._minted = 0
        self.calls = 0
        self.attempts = 0
        self.requests: list[list[dict]] = []
        self.waited = 0.0
        self.log: list[tuple] = []
        """The calls, in order."""
        self.unreachable: set[str] = set()
        """Resources for which no connection comes about."""
        self.after_delete = lambda: None
        self.barred: set[str] = set()
        """The sourceIds of items that are refused as if they were `bad`."""
        self.changes: list[tuple[str, str]] = []
        """What others do, one before each request: bar or free a sourceId, or remove its record."""
        self.applied: list[tuple[str | None, int | None]] = []
        """sourceId and `n` of what was written, in order."""
        self.told: list[tuple[int, UpsertResponse]] = []
        """How many items each answer is about, and the answer."""
        self.rows: dict[str, dict] = {}
        """Key in the path -> what a read by it answers, besides the records."""
        self._random = random.Random(self.manners.seed)
        self.stopped = False

    def stop(self, _within):
        """As the client does: no call begins any more."""
        self.stopped = True

    def begin(self, *call):
        if self.stopped:
            raise errors.StoppedError("no further call")
        self.log.append(call)

    @property
    def reads(self):
        """Keys of the records that were asked for."""
        return [call[2] for call in self.log if call[0] == "get"]

    @property
    def deleted(self):
        """The `_id`s that were to be deleted."""
        return [call[1] for call in self.log if call[0] == "delete"]

    def api(self, resource=TASKS):
        return ResourceApi(self, resource)

    def upserter(self, resource=TASKS, **more):
        return Upserter(self.api(resource), **more)

    def bulk_upsert(self, resource, body, *, repeatable, retry_timeout):
        """As the client does, retries included, without the waiting."""
        self.begin(resource.name, [item.get("sourceId") for item in orjson.loads(body)])
        if resource.name in self.unreachable:
            raise errors.UnreachableError(f"PUT {resource.path}", "down")
        self.calls += 1
        tries = 12 if repeatable else 1
        for left in reversed(range(tries)):
            try:
                return self._once(body)
            except errors.RetriableError as error:
                if error.not_done or not left:
                    self.waited += retry_timeout or 0
                    raise
        raise AssertionError

    def _once(self, body):
        self.attempts += 1
        if self.answers:
            answer, *following = self.answers
            self.answers = tuple(following) or (answer,)
            return UpsertResponse(self.status, answer)
        if self.down:
            raise errors.ServerFaultError("PUT /tasks", "503")
        if self.manners.limit and len(body) > self.manners.limit:
            raise errors.TooLargeError("PUT /tasks", "413")
        items = orjson.loads(body)
        assert 0 < len(items) <= 5000
        if self.changes:
            self._change(*self.changes.pop(0))
        self.requests.append(items)
        if self._random.random() < self.manners.failing:
            raise errors.ServerFaultError("PUT /tasks", "502")
        if any(item.get("poison") for item in items):
            raise errors.ServerFaultError("PUT /tasks", "500")
        if self.refuses:
            raise self.refuses
        if self.denied:
            return UpsertResponse(403, {"message": "Forbidden"})
        answer = self._carry_out(items)
        self.told.append((len(items), answer))
        if self._random.random() < self.manners.lost:
            raise errors.ConnectionLostError("PUT /tasks", "connection lost")
        return answer

    def _change(self, what, key):
        if what == "bar":
            self.barred.add(key)
        elif what == "free":
            self.barred.discard(key)
        elif (doc := self._index.get(("sourceId", key))) is not None:
            del self.records[doc["_id"]]
            for identity in identities(doc):
                del self._index[identity]

    def _is_bad(self, item):
        return item.get("bad") or item.get("sourceId") in self.barred

    def _carry_out(self, items):
        manners = self.manners
        bad = [item for item in items if self._is_bad(item)]
        if bad and manners.all_or_nothing:
            return UpsertResponse(400, self._whole(bad))
        inserts, updates, unchanged, failed = [], [], 0, []
        seen = set()
        for item in items:
            keys = identities(item)
            if self._is_bad(item) or seen & keys:
                failed.append(item)
                continue
            seen |= keys
            if item.get("drop"):
                continue
            found = {id(doc): doc for key in keys if (doc := self._index.get(key))}
            assert len(found) <= 1, "an item that is two records"
            doc = next(iter(found.values()), None)
            if doc is None:
                self._minted += 1
                doc = {**item, "_id": f"5{self._minted:023x}"}
                self.records[doc["_id"]] = doc
                inserts.append(doc)
            else:
                custom = {**doc.get("custom", {}), **item.get("custom", {})}
                after = doc | item | ({"custom": custom} if custom else {})
                if after == doc:
                    unchanged += 1
                else:
                    doc.update(after)
                    updates.append(doc)
            self._index.update(dict.fromkeys(identities(doc), doc))
            self.applied.append((item.get("sourceId"), item.get("n")))
        reply = {
            "created": len(inserts),
            "updated": len(updates),
            "nonupdates": unchanged,
            "createdErrors": [self._error(item) for item in failed],
            "updatedErrors": [],
            "insertsKeys": [names(doc) for doc in inserts],
            "updatesKeys": [names(doc) for doc in updates],
        }
        return UpsertResponse(206 if failed else 200, self._thinned(reply))

    def get(self, resource, key, *, retry_timeout=None):  # noqa: ARG002
        self.begin("get", resource.name, key)
        if self.read_error:
            raise self.read_error
        return self.rows.get(key, self.records.get(key))

    def list_rows(self, resource, *_, **__):
        self.begin("list", resource.name)
        if self.list_error:
            raise self.list_error
        rows = [{"_id": self.listed}] if self.listed else [*self.records.values()]
        return rows[:1]

    def delete(self, _, record_id):
        self.begin("delete", record_id)
        if self.delete_error:
            raise self.delete_error
        self.after_delete()
        return self.records.pop(record_id, None) is not None

    def _thinned(self, reply):
        kept = {}
        for name, value in reply.items():
            if not value:
                share = self.manners.zeros
            elif name.endswith("Keys"):
                share = self.manners.lists
            elif isinstance(value, int):
                share = 1.0 if self.manners.counts else 0.0
            else:
                share = 1.0
            if self._random.random() < share:
                kept[name] = value
        return kept

    def _whole(self, bad):
        return self._random.choice(
            [
                "Invalid payload",
                {"error": "Invalid payload"},
                f"sourceId {bad[0].get('sourceId')} is invalid",
                None,
            ]
        )

    def _error(self, item):
        shape = self._random.choice(self.manners.shapes)
        return {
            "keys": {"message": "bad value", **names(item)},
            "nested": {"error": {"message": "bad value"}, "keys": names(item)},
            "item": {"error": "bad value", "item": item},
            "text": f"bad value (sourceId {item.get('sourceId')})",
            "mute": {"message": "bad value"},
            "misleading": f"bad value near sourceId {item.get('hint', 'none')}",
        }[shape]


def names(doc):
    return {name: doc[name] for name in ("_id", "sourceId", "externalId") if doc.get(name)}


def identities(doc):
    found = {(name, doc[name]) for name in ("_id", "sourceId") if doc.get(name)}
    if doc.get("externalId"):
        found.add(("externalId", doc["externalId"], doc.get("companyId")))
    return found


def _item(**body):
    keys = {name: body[name] for name in ("_id", "sourceId", "externalId") if name in body}
    return Item(body, keys, body.get("companyId"))


@pytest.fixture
def make_server():
    return lambda manners=None, **more: Server(manners or Manners(), **more)


@pytest.fixture
def manners():
    return Manners


@pytest.fixture
def make_item():
    return _item
