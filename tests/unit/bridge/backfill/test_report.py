"""The report of a backfill."""

from bridge.backfill.report import Report


def test_the_table_shows_what_was_counted_with_totals() -> None:
    report = Report()
    report.add("listed", "FREQ", 1200)
    report.add("published", "FREQ", 1199)
    report.add_problem("gone", "FREQ", "FREQ_1: HTTP 404")
    report.add("listed", "mibm_mid", 3)
    report.add("published", "mibm_mid", 3)
    assert list(report.table()) == [
        "dataset   in archive  published  gone",
        "FREQ           1,200      1,199     1",
        "mibm_mid           3          3     0",
        "total          1,203      1,202     1",
    ]
    assert list(Report("slices").table(["in_tables"])) == [
        "dataset  slices  in tables",
        "total         0          0",
    ]


def test_a_name_cannot_rule_the_terminal() -> None:
    report = Report()
    report.add("listed", "\x1b[2JFREQ\n")
    line = list(report.table())[1]
    assert line.split() == ["\\x1b[2JFREQ\\n", "1"]
    assert line.isprintable()


def test_problems_are_kept_to_a_number_and_all_counted() -> None:
    report = Report()
    for number in range(50):
        report.add_problem("failed", "FREQ", str(number))
    assert report.problems == [str(number) for number in range(20)]
    assert (report.more_problems, report.total("failed")) == (30, 50)
