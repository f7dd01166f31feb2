"""What happens to the records of a tenant between two runs."""

from __future__ import annotations

from typing import Any

from planhat_api.resources import RESOURCES
from planhat_sandbox.tenant import upsert


class Events:
    """What happens to the records of a tenant."""

    def __init__(self, planhat: Any, *, edits_are_dated: bool) -> None:
        self._planhat = planhat
        self._tenant = planhat.sandbox.tenant
        self._dated = edits_are_dated

    def happen(self):
        """Let everything happen that an incremental run sees."""
        edit = {"update": 20} if self._dated else {}
        self._change("campaigns", insert=5, **edit)
        self._change("conversations", insert=5, **(edit and {**edit, "archive": 5}))
        self._change("tasks", insert=5, update=20, archive=10, reopen=10)
        now = self._tenant.now()
        owner = next(iter(self._tenant.companies))
        mail = {"companyId": owner, "type": "email", "subject": "Offer", "updatedAt": now}
        written = "2016-10-04T09:30:00.000Z"
        self._load("conversations", {**mail, "date": written, "createDate": written})
        answer = self._planhat.rows("nps")[0]
        again = {"email": answer["email"], "score": 9, "comment": "Again", "dateAnswered": now}
        upsert.bulk(self._tenant, RESOURCES["nps"], [again])
        self._load("tasks", {"companyId": owner, "action": "New, and dateless too"})

    def pass_unseen(self):
        """Let happen what nothing tells an incremental run of."""
        undated = next(row for row in self._planhat.rows("tasks") if "updatedAt" not in row)
        self._load("tasks", {**undated, "action": "Edited, and still without a date"})
        self._change("nps", update=20)
        if not self._dated:
            self._change("campaigns", update=20)
            self._change("conversations", update=20, archive=5)

    def delete(self, count):
        """Remove so many records of each resource."""
        for name in RESOURCES:
            self._change(name, delete=count)

    def _change(self, name, **kinds):
        self._planhat.ask("changes", {"resource": name, "every": 0, **kinds})

    def _load(self, name, row):
        self._planhat.ask(f"load/{name}", row)
