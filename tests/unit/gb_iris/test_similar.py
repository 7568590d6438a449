"""Names that a mistyped one may mean."""

from gb_iris.similar import did_you_mean


def test_near_names_are_named():
    assert did_you_mean("FUELINTS", ["FUELINST", "FREQ"]) == ": did you mean FUELINST?"


def test_the_case_of_letters_makes_no_name_far():
    assert did_you_mean("fueltype", ["fuelType"]) == ": did you mean fuelType?"


def test_nothing_is_said_if_no_name_is_near():
    assert did_you_mean("weather", ["FUELINST", "FREQ"]) == ""
