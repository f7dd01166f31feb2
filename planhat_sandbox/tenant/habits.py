"""What Planhat leaves open and one tenant does the same way every time, drawn from the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planhat_sandbox.options import SandboxOptions


@dataclass(frozen=True)
class Habits:
    """Undocumented behaviour of one tenant; the defaults are those of `--steady`."""

    ignores_case: bool = True
    """A filter by e-mail address finds it in capitals too."""
    user_alone: bool = False
    """`GET /users?email=` answers with the user, not with a list of one."""

    @classmethod
    def drawn(cls, options: SandboxOptions) -> Habits:
        """Return the habits of a seed."""
        if options.steady:
            return cls()
        rng = random.Random(f"habits {options.seed}")
        return cls(**{item.name: rng.random() < 0.5 for item in fields(cls)})  # noqa: PLR2004
