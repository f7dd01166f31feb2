"""Tests writing to a tenant: creates a task, writes to it in several ways, deletes it."""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

import orjson

from planhat_api.dates import instant
from planhat_api.errors import PlanhatError
from planhat_api.resources import TASKS
from planhat_check.finding import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planhat_api.calls.responses import UpsertResponse
    from planhat_check.caller import Caller

NAME = "tasks (write)"
logger = logging.getLogger("planhat-check")
_TRIES = 3
"""Records that one key may have to be deleted for, should Planhat have made several."""


class WriteCheck:
    """Writes to one company; `run` leaves nothing behind, or says what."""

    def __init__(
        self, caller: Caller, company_id: str, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Write nothing yet.

        Args:
            caller: Calls the tenant.
            company_id: The company that the task is made for.
            pause: Waits for so many seconds.
        """
        self._caller = caller
        self._pause = pause
        mark = f"planhat-check:{secrets.token_hex(8)}"
        self._key, self._other = f"{mark}:1", f"{mark}:2"
        self._item = {"companyId": company_id, "action": "planhat-check: may be deleted"}
        self._ids: set[str] = set()

    def run(self) -> Iterator[Finding]:
        """Make the task, write to it, and delete it in every case."""
        found: list[Finding] = []
        try:
            for check in (self._create, self._again, self._update_only, self._stale_id):
                try:
                    found.append(check())
                except PlanhatError as error:
                    name = check.__name__.strip("_").replace("_", " ")
                    status = Status.FAIL if check == self._create else Status.UNKNOWN
                    found.append(Finding(NAME, name, status, error.what, error.remedy))
                    if status is Status.FAIL:
                        break
        except BaseException:
            # The user interrupts, and sees no table.
            left = self._clean_up()
            if left.status is Status.FAIL:
                logger.warning("%s; %s", left.seen, left.follows)
            raise
        yield from (*found, self._clean_up())

    def _create(self) -> Finding:
        answer = self._put({**self._item, "sourceId": self._key})
        there = self._find(self._key)
        if there is None:
            return self._finding(
                "create", Status.FAIL, answer, "the task is not found by its sourceId"
            )
        return self._finding("create", Status.OK, answer, "")

    def _again(self) -> Finding:
        before = self._updated_at()
        # So that a time of change that moves is another one.
        self._pause(1.1)
        answer = self._put({**self._item, "sourceId": self._key})
        after = self._updated_at()
        if not before or not after:
            return self._finding("again", Status.UNKNOWN, answer, "the task carries no updatedAt")
        if before != after:
            follows = "a write that changes nothing moves updatedAt: set compare to tenant"
            return self._finding("again", Status.WARN, answer, follows)
        return self._finding("again", Status.OK, answer, "updatedAt stayed as it was")

    def _update_only(self) -> Finding:
        answer = self._put({"action": self._item["action"], "sourceId": self._other})
        if self._find(self._other) is None:
            follows = "an item without companyId and with a new key creates nothing"
            return self._finding("update only", Status.OK, answer, follows)
        follows = "an item without companyId was created: only write_mode update_only keeps to that"
        return self._finding("update only", Status.WARN, answer, follows)

    def _stale_id(self) -> Finding:
        stale = f"{int(time.time()):08x}{secrets.token_hex(8)}"
        known = set(self._ids)
        answer = self._put({**self._item, "_id": stale, "sourceId": self._key})
        made = self._ids - known
        follows = "the target never sends an unknown _id beside another key"
        what = "created another record" if made else "went on to sourceId, or did nothing"
        return self._finding("stale _id", Status.OK, answer, f"Planhat {what}; {follows}")

    def _put(self, item: dict[str, Any]) -> UpsertResponse:
        answer = self._caller.upsert(TASKS, orjson.dumps([item]))
        body = answer.body if isinstance(answer.body, dict) else {}
        for name in ("insertsKeys", "upsertedIds"):
            for each in body.get(name) or ():
                made = each.get("_id") if isinstance(each, dict) else each
                if isinstance(made, str) and made:
                    self._ids.add(made)
        return answer

    def _find(self, key: str) -> dict[str, Any] | None:
        found = self._caller.get(TASKS, f"srcid-{key}")
        if found is not None and isinstance(found.get("_id"), str):
            self._ids.add(found["_id"])
        return found

    def _updated_at(self) -> str:
        return instant((self._find(self._key) or {}).get("updatedAt"))

    def _finding(self, check: str, status: Status, answer: UpsertResponse, follows: str) -> Finding:
        body = answer.text if answer.body is None else orjson.dumps(answer.body).decode()
        return Finding(NAME, check, status, f"{answer.status} {body}", follows)

    def _clean_up(self) -> Finding:
        """Delete all that was made, and say what is left if even that is interrupted."""
        try:
            return self._delete_all()
        except BaseException:
            logger.warning(
                "perhaps left behind: a task with sourceId %s or %s; delete it in Planhat by hand",
                self._key,
                self._other,
            )
            raise

    def _delete_all(self) -> Finding:
        """Delete all that was made, by `_id` and by key, and look whether it is gone."""
        left: list[str] = []
        deleted = 0
        for key in (self._key, self._other):
            try:
                for _ in range(_TRIES):
                    if self._find(key) is None:
                        break
                    deleted += self._delete_found()
                else:
                    left.append(f"a task with sourceId {key}")
            except PlanhatError as error:
                left.append(f"a task with sourceId {key}, perhaps ({error.what})")
        try:
            deleted += self._delete_found()
        except PlanhatError as error:
            left += [f"the task {each} ({error.what})" for each in sorted(self._ids)]
        if left:
            seen = f"left behind: {'; '.join(left)}"
            return Finding(NAME, "clean up", Status.FAIL, seen, "delete it in Planhat by hand")
        return Finding(NAME, "clean up", Status.OK, f"{deleted} made and deleted, nothing left")

    def _delete_found(self) -> int:
        deleted = 0
        for each in sorted(self._ids):
            deleted += self._caller.delete(TASKS, each)
            self._ids.discard(each)
        return deleted
