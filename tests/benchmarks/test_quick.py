from __future__ import annotations


def test_the_benchmarks_still_measure_everything(quick):
    said = quick("benchmarks")
    assert [line for line in said.splitlines() if line.startswith("## ")] == [
        "## Tap: 3,000 tasks to a file",
        "## Tap: 3,000 conversations, 20 ms an answer",
        "## Target: 3,000 records from a file",
        "## Start of the processes",
        "## Incremental: 100 new tasks among 6,000",
        "## Rescan: 20 edits among 3,000 conversations",
        "## Inventory: 6,000 rows",
        "## Memory",
        "## Compare: tasks sent again, one in 100 changed",
    ]
