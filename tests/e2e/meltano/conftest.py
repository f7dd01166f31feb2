"""The project as it is in the clone, against a sandbox."""

from __future__ import annotations

import pytest

from planhat_sandbox.options import SandboxOptions
from planhat_sandbox.server import running
from planhat_sandbox.tenant.tenant import Tenant


@pytest.fixture
def tenant(token):
    """A tenant that takes one token only."""
    return Tenant(SandboxOptions(token=token))


@pytest.fixture
def planhat(tenant):
    """A sandbox that serves it."""
    with running(tenant) as sandbox:
        yield sandbox


@pytest.fixture
def project(project, planhat):
    """The project, with the sandbox for Planhat."""
    project.reach("tap-planhat", planhat.url)
    project.reach("target-planhat", planhat.url)
    return project
