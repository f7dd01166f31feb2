"""What becomes of a record, by a converter made for it alone."""

from __future__ import annotations

import pytest

from planhat_api.resources import TASKS
from target_planhat.config import RecordSettings
from target_planhat.record.converter import RecordConverter
from target_planhat.record.errors import RejectionError


def _item(record, resource=TASKS, keys=("id",), columns=(), stream=None, **settings):
    made = RecordConverter(
        resource, stream or resource.name, keys, RecordSettings.of(settings), columns
    )
    return made.convert(record)


def _reason(record, *more, **settings):
    with pytest.raises(RejectionError) as error:
        _item(record, *more, **settings)
    return error.value.outcome.reason


@pytest.fixture
def item():
    """Returns the item that a record becomes."""
    return _item


@pytest.fixture
def reason():
    """Returns why a record becomes none."""
    return _reason


@pytest.fixture
def sent():
    """Returns what of a task's property arrives in the item."""
    task = {"sourceId": "sf-1", "companyId": "61006bc89a3e0b702ed8ea49"}
    return lambda name, value: _item({**task, name: value}).body.get(name)
