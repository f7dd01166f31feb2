"""The page at `/`: records, calls and faults of a running sandbox, in a browser.

One document without anything from elsewhere: markup, style and script stand beside this file, and
the script asks the control API.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from planhat_sandbox.responses import SandboxResponse

_HERE = Path(__file__).parent


@lru_cache(maxsize=1)
def response() -> SandboxResponse:
    """Return the page as an answer; a browser lets it load nothing else and run nothing else."""
    style, script = (_HERE.joinpath(name).read_text() for name in ("page.css", "page.js"))
    text = _HERE.joinpath("page.html").read_text()
    text = text.replace("/* style */", style).replace("/* script */", script)
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return SandboxResponse(200, text.encode(), "text/html; charset=utf-8", headers)


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
