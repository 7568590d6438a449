"""The report of a backfill."""

from bridge.backfill.tally import Tally


def test_the_table_shows_what_was_counted_with_totals() -> None:
    tally = Tally()
    tally.add("listed", "FREQ", 1200)
    tally.add("published", "FREQ", 1199)
    tally.complain("gone", "FREQ", "FREQ_1: HTTP 404")
    tally.add("listed", "mibm_mid", 3)
    tally.add("published", "mibm_mid", 3)
    assert list(tally.table()) == [
        "dataset   in archive  published  gone",
        "FREQ           1,200      1,199     1",
        "mibm_mid           3          3     0",
        "total          1,203      1,202     1",
    ]
    assert list(Tally("slices").table(["in_tables"])) == [
        "dataset  slices  in tables",
        "total         0          0",
    ]


def test_a_name_cannot_rule_the_terminal() -> None:
    tally = Tally()
    tally.add("listed", "\x1b[2JFREQ\n")
    line = list(tally.table())[1]
    assert line.split() == ["\\x1b[2JFREQ\\n", "1"]
    assert line.isprintable()


def test_complaints_are_kept_to_a_number_and_all_counted() -> None:
    tally = Tally()
    for number in range(50):
        tally.complain("failed", "FREQ", str(number))
    assert tally.complaints == [str(number) for number in range(20)]
    assert (tally.unsaid, tally.total("failed")) == (30, 50)
