"""A list that changes almost as fast as it is read is read to its end all the same."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("order", ["by_id", "by_time", "by_unique_time"])
def test_a_reading_comes_to_its_end_while_rows_leave_and_others_come(kit, order, seed):
    changing = kit.filled(600, seed=seed)

    def change():
        assert len(changing.requests) < 500
        for _ in range(12):
            changing.leave(changing.random.choice(changing.rows))
            changing.insert()

    changing.read(getattr(kit, order), limit=60, widest=1000, changes=change)
    assert changing.lost == set()
