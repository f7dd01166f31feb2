"""Takes pictures of the sandbox's page and of a report, by chromium, after a run of the target.

Run by `make pictures`. The demo's tickets are loaded into a sandbox with sample data.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml  # type: ignore[import-untyped]
from settings import ROOT

sys.path.insert(0, str(ROOT))
from demo.stage import BIN, TOKEN, sandbox

FOLDER = ROOT / "docs" / "pictures"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1200, 860)


def load(url: str, report: Path) -> None:
    """Load the demo's tickets as the project maps them, with a report.

    Raises:
        subprocess.CalledProcessError: No report was made.
    """
    project = yaml.safe_load((ROOT / "meltano.yml").read_text())
    (plugin,) = (p for p in project["plugins"]["loaders"] if p["name"] == "target-planhat")
    access = {"api_url": url, "api_token": TOKEN, "requests_per_minute": 6000}
    kept = {"rejects_path": str(report.with_suffix(".singer")), "max_rejects": 10}
    compared = {"compare": "tenant", "report_path": str(report)}
    config = report.with_suffix(".json")
    config.write_text(json.dumps({**plugin["config"], **access, **kept, **compared}))
    command = [str(BIN / "target-planhat"), "--config", str(config)]
    subprocess.run(command, input=messages(), check=True, capture_output=True, text=True)


def messages() -> str:
    """Return the demo's tickets as Singer messages."""
    rows = [json.loads(line) for line in (ROOT / "demo" / "tickets.jsonl").read_text().splitlines()]
    schema = {"stream": "tickets", "key_properties": ["ticket_no"]}
    lines = [
        {"type": "SCHEMA", **schema, "schema": {"properties": {name: {} for name in rows[0]}}},
        *({"type": "RECORD", "stream": "tickets", "record": row} for row in rows),
    ]
    return "\n".join(map(json.dumps, lines))


def shoot(url: str, picture: Path) -> None:
    """Take a picture of a page.

    Raises:
        SystemExit: There is no browser.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"the screenshots need one of {', '.join(BROWSERS)}")
    window = f"--window-size={SIZE[0]},{SIZE[1]}"
    how = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-proxy-server"]
    # Scripts of the page have this many milliseconds to fill it.
    command = [browser, *how, window, "--virtual-time-budget=5000", f"--screenshot={picture}", url]
    quiet = {**os.environ, "HOME": str(picture.parent)}
    with tempfile.TemporaryDirectory() as profile:
        command.insert(1, f"--user-data-dir={profile}")
        subprocess.run(command, check=True, capture_output=True, timeout=120, env=quiet)


def main() -> None:
    """Take both pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        report = folder / "report.html"
        with sandbox(folder / "sandbox.log") as planhat:
            ticket = {"sourceId": "helpdesk-48213", "companyId": "extid-C-1001"}
            planhat.put("tasks", {**ticket, "action": "Call them back", "status": "Open"})
            load(planhat.url, report)
            shoot(planhat.url, folder / "sandbox.png")
        shoot(report.as_uri(), folder / "report.png")
        for name in ("sandbox.png", "report.png"):
            shutil.copy(folder / name, FOLDER / name)


if __name__ == "__main__":
    main()
