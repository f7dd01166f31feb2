"""What a terminal shows of a sync, and that Planhat is asked nothing for it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from contextlib import suppress


def on_terminal(tap, server, stream, **given):
    """Run the tap with a terminal for its log; return what it showed there."""
    terminal, end = pty.openpty()
    with tap.start(server, stream, stdout=subprocess.DEVNULL, stderr=end, **given) as process:
        os.close(end)
        shown = b""
        # A terminal that nobody writes to any more is an error to read from.
        with suppress(OSError):
            while part := os.read(terminal, 1 << 16):
                shown += part
    os.close(terminal)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


def test_on_a_terminal_a_rescan_says_how_much_is_left_without_a_call_for_it(tap, odd):
    rows = [{"_id": f"{0x65000000 + n:08x}{n:016x}", "name": "Name"} for n in range(500)]
    given = {"page_size": 10, "parallel_requests": 1}
    with odd() as server:
        server.rows = {"campaigns": rows[:250]}
        state = tap.reads(server, "campaigns", **given).state
        state["bookmarks"]["campaigns"]["full_read_at"] = "2020-01-01T00:00:00.000Z"
        server.rows = {"campaigns": rows}
        server.calls.clear()
        tap.reads(server, "campaigns", state=state, **given)
        calls = [call.query for call in server.calls]
        server.calls.clear()
        server.habits.delay = 0.05
        shown = on_terminal(tap, server, "campaigns", state=state, **given)
        assert [call.query for call in server.calls] == calls
    lines = [line for line in shown.split("\r") if "a second; this list" in line]
    shares = [int(share) for share in re.findall(r"; (\d+)% of the 250 rows of last time,", shown)]
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] < 100
    # The other half has come since, and of how much more there is nothing is known.
    assert "%" not in lines[-1]
    assert "campaigns: rescan done in" in shown
