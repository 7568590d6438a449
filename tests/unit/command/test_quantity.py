"""Numbers as a user types them."""

import argparse

import pytest

from command.quantity import between, positive, whole


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "half", ""])
def test_a_positive_number_is_finite_and_above_0(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number above 0"):
        positive(text)


def test_a_positive_number_may_have_a_fraction():
    assert positive("0.5") == 0.5


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "\u0663", "", "9" * 19])
def test_a_whole_number_has_digits_alone(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number"):
        whole(text)


def test_a_whole_number_is_an_int():
    assert whole("42") == 42


@pytest.mark.parametrize("text", ["0", "65", "many", "nan"])
def test_a_number_out_of_its_bounds_is_refused_with_them(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not between 1 and 64"):
        between(1, 64)(text)


def test_both_bounds_belong_to_the_numbers():
    assert (between(1, 64)("1"), between(1, 64, int)("64")) == (1, 64)
