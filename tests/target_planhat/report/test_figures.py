from __future__ import annotations

from target_planhat.outcome import CREATED, MERGED, SKIPPED, OutcomeKind, rejected
from target_planhat.report.figures import Report


def test_a_stream_is_told_in_one_line_and_the_reasons_by_number():
    report = Report()
    report.count("tasks", CREATED, 5)
    report.count("tasks", MERGED)
    for number in range(3):
        report.count("tasks", rejected(f"`score` must be 0 to 10, but is {number}."))
    report.count("tasks", rejected("`companyId` 'acme' is missing"))
    assert list(report.lines({"tasks": 10})) == [
        "tasks: 10 read = 5 created, 0 updated, 1 merged, 4 rejected",
        "3 rejected: `score` must be … to … but is …",
        "1 rejected: `companyId` … is missing",
    ]
    assert report.total(OutcomeKind.REJECTED) == 4


def test_figures_hold_every_outcome_and_what_is_open():
    report = Report()
    report.count("nps", SKIPPED, 2)
    assert report.figures({"nps": 3, "tasks": 0}) == {
        "nps": {
            "read": 3,
            "created": 0,
            "updated": 0,
            "unchanged": 0,
            "merged": 0,
            "deleted": 0,
            "skipped": 2,
            "rejected": 0,
            "pending": 1,
        },
        "tasks": {"read": 0} | dict.fromkeys([kind.value for kind in OutcomeKind], 0),
    }


def test_the_metric_holds_the_same():
    report = Report()
    report.count("tasks", rejected("why"))
    metric = report.metric({"tasks": 1})
    assert metric["streams"]["tasks"]["rejected"] == 1
    assert metric["reasons"] == {"why": 1}
    assert metric["value"] == 1


def test_values_of_people_do_not_show_in_reasons():
    report = Report()
    report.count("nps", rejected("email 'ann@example.com' is unknown"))
    assert "ann" not in " ".join(report.lines({"nps": 1}))
