"""Undocumented behaviour that is the same for all answers of one tenant.

What varies from answer to answer is decided where the answer is made.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from planhat_sandbox.options import UnknownId

if TYPE_CHECKING:
    from planhat_sandbox.options import SandboxOptions


@dataclass(frozen=True)
class Habits:
    """Undocumented behaviour of a tenant; the defaults are those of `--steady`."""

    unknown_id_creates: bool = False
    """An `_id` that matches nothing ends the search for a record; else the next key is tried."""
    ignores_case: bool = True
    """E-mail addresses are the same in capitals."""
    user_alone: bool = False
    """`GET /users?email=` answers with the user, not with a list of one."""
    finds_nps_by_id: bool = True
    """`GET /nps/` takes the answer's own `_id` too, not only the contact's."""
    finds_external_id_alone: bool = True
    """Without its company an externalId matches the one record that has it."""
    references_cid: bool = False
    """`cId` may be written `extid-…` or `srcid-…`, as companyId may."""
    clears_by_null: bool = True
    """Null clears a property; else only those in `custom`."""
    takes_tickets: bool = False
    """Conversations may be tickets; one without sourceId and email is dropped silently."""
    joined_limit_headers: bool = False
    """The rate limit is told as `x-ratelimit-…`, not as `X-Rate-Limit-…`."""

    @classmethod
    def drawn(cls, options: SandboxOptions) -> Habits:
        """Return the habits of a seed, with what the options set."""
        if options.steady:
            chosen = {}
        else:
            rng = random.Random(f"habits {options.seed}")
            chosen = {item.name: rng.random() < 0.5 for item in fields(cls)}  # noqa: PLR2004
        if options.unknown_id is not None:
            chosen["unknown_id_creates"] = options.unknown_id is UnknownId.CREATES
        return cls(**chosen)
