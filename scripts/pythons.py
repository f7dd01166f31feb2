"""Runs the packages' own tests on every declared Python that this computer has.

Run by `make test-pythons`; takes two minutes a version. Of a version that is not there it checks
only that what the packages need can be had for it. A version named as an argument must be there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).with_name("uv")
TESTS = ("planhat_api", "planhat_check", "planhat_sandbox", "tap_planhat", "target_planhat")
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"

PASSED, FAILED = "passed", "FAILED"
MISSING = f"not tested, as it is neither on PATH nor in {PYENV}; what it needs can be installed"


def declared() -> list[str]:
    """Return the versions that pyproject.toml declares, such as 3.10, oldest first."""
    return re.findall(r'Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())


def _candidates(version: str) -> Iterator[str]:
    if named := shutil.which(f"python{version}"):
        yield named
    yield from (str(path) for path in sorted(PYENV.glob(f"{version}.*/bin/python"), reverse=True))


def found(version: str) -> str | None:
    """Return an interpreter of a version; None: there is none that starts."""
    code = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"
    for command in _candidates(version):
        done = subprocess.run([command, "-c", code], check=False, capture_output=True, text=True)
        if done.stdout.strip() == version:
            return command
    return None


def tested(version: str, interpreter: str) -> bool:
    """Run the tests in an environment of their own; return whether they pass."""
    home = ROOT / ".cache" / "pythons" / version
    python = home / "bin" / "python"
    make = ["venv", "--quiet", "--allow-existing", "--python", interpreter, str(home)]
    subprocess.run([UV, *make], check=True)
    install = ["pip", "install", "--quiet", "--python", str(python)]
    what = ["--editable", ".[sandbox]", "--group", "test"]
    subprocess.run([UV, *install, *what], check=True, cwd=ROOT)
    run: list[str | Path] = [
        python,
        "-m",
        "pytest",
        "-q",
        "-n",
        "auto",
        *(f"tests/{name}" for name in TESTS),
    ]
    return subprocess.run(run, check=False, cwd=ROOT).returncode == 0


def installable(version: str) -> bool:
    """Return whether all that the packages need is published for a version, ready built."""
    command = ["pip", "compile", "--quiet", "pyproject.toml", "--all-extras", "--no-header"]
    how = ["--python-version", version, "--only-binary", ":all:"]
    done = subprocess.run([UV, *command, *how], check=False, cwd=ROOT, stdout=subprocess.DEVNULL)
    return done.returncode == 0


def main(wanted: list[str]) -> int:
    """Run the tests on the wanted versions, or all that are found; return the exit code."""
    outcomes = {}
    for version in wanted or declared():
        if interpreter := found(version):
            sys.stdout.write(f"Python {version}: {interpreter}\n")
            sys.stdout.flush()
            outcomes[version] = PASSED if tested(version, interpreter) else FAILED
        else:
            outcomes[version] = MISSING if installable(version) else FAILED
    for version, outcome in outcomes.items():
        sys.stdout.write(f"Python {version}: {outcome}\n")
    good = {PASSED} if wanted else {PASSED, MISSING}
    return int(PASSED not in outcomes.values() or not good.issuperset(outcomes.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
