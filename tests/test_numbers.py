"""A number agrees with another in value, kind, unit and bound, and with one that it rounds."""

import pytest

from app.claims import read
from app.numbers import read_numbers


def number(text: str):
    (found,) = read_numbers(text.lower().split())
    return found


@pytest.mark.parametrize(
    "claim, source, agrees",
    [
        ("about 5 million", "4.9 million", True),
        ("over 5 million", "4.9 million", False),
        ("nearly 5 million", "4.9 million", True),
        ("nearly 5 million", "5.2 million", False),
        ("$ 5 million", "$ 5 billion", False),
        ("5 percent", "5 percentage points", False),
        ("20 degrees celsius", "20 degrees fahrenheit", False),
        ("20 degrees celsius", "20 degrees", True),
        ("5 km", "5 miles", False),
        ("5 kilometres", "5 km", True),
        ("3 tonnes", "3 tons", True),
        # Rounded means to the nearest, a half up.
        ("$ 2 billion", "$ 1.1 billion", False),
        ("$ 2 billion", "$ 1.9 billion", True),
        ("6 million", "5.1 million", False),
        ("5 million", "5.1 million", True),
        ("about 2000", "1200", False),
        ("about 2000", "1960", True),
        ("3 thousand", "2100", False),
        ("2 million", "1.5 million", True),
        ("1 million", "1.5 million", False),
        ("4.3 million", "4.25 million", True),
        ("over 5 million", "5.9 million", True),
        ("more than $ 5 million", "$ 5.9 million", True),
        ("more than $ 5 million", "$ 4.9 million", False),
        ("less than 5 million", "4.2 million", True),
        ("nearly 5 million", "4.2 million", False),
        ("nearly 40 percent", "39.2 percent", True),
        ("about 40 percent", "39.2 percent", True),
        ("about 40 percent", "38.2 percent", False),
        ("5.1 million", "5.19 million", False),
        # A number in words is rounded as one in digits is.
        ("about two million", "1.95 million", True),
        ("two million", "1.95 million", True),
        ("about two million", "1.1 million", False),
        ("two million", "1.1 million", False),
        ("about two thousand", "1960", True),
        ("about two hundred thousand", "195,400", True),
        ("two hundred", "198", False),
        ("2.5 million", "two million five hundred thousand", True),
        ("about two million five hundred thousand", "2.3 million", False),
        # "m" is a length or millions.
        ("324 m high", "324 metres", True),
        ("324 m high", "324 million", False),
        ("324 m - high", "324 million", False),
        ("$ 324 m", "324 metres", False),
        ("$ 324 m", "324 million dollars", True),
        ("5.03 m tons", "5.03 million tons", True),
        ("5.03 m tons", "5.03 metres", False),
        ("324 m", "324 metres", True),
        ("324 m", "324 million", True),
        ("324 million", "324 m of them", True),
        ("100 m", "99 m of them", False),
        ("40 phones", "40 m phones", False),
        ("40 m phones", "40 phones", False),
        ("$ 20 million", "$ 20 m below the price", True),
    ],
)
def test_agreement(claim, source, agrees):
    assert number(claim).agrees(number(source)) is agrees


@pytest.mark.parametrize(
    "claim, source, agrees",
    [
        ("5 degrees", "It was -5 degrees.", False),
        ("-5 degrees", "It was 5 degrees.", False),
        ("-5 degrees", "It was −5 degrees.", True),
        ("-5 degrees", "It was –5 degrees.", True),
        ("minus five degrees", "It was -5 degrees.", True),
        ("five degrees below zero", "It was (-5 degrees).", True),
        ("5 degrees Celsius below freezing", "It was -5 degrees.", True),
        ("fell to 5 degrees", "It was -5 degrees.", False),
        ("a loss of $5 million", "The result was -$5 million.", True),
        ("a loss of $5 million", "The result was $-5 million.", True),
        ("a gain of $5 million", "The result was -$5 million.", False),
        ("fell by 3.5 percent", "The growth was -3.5 percent.", True),
        ("growth of -3.5 percent", "It shrank by 3.5 percent.", True),
        ("cut by 5 percent", "The change was -5 percent.", True),
        # A hyphen is no minus, nor what stands between two amounts.
        ("3 percentage points", "It was plus or minus 3 percentage points.", True),
        ("10 euros", "It costs 5€-10€.", True),
        ("$15 million", "It cost $10 million –$15 million.", True),
        ("F-16", "They flew the F−16.", True),
        ("16", "They flew the F-16.", True),
        ("19", "They had Covid-19.", True),
        ("15", "It was so in 2010-15.", True),
        ("15", "It was so in 2010 -15.", True),
        ("10 km", "It is 5–10 km away.", True),
        ("10", "It has 5 - 10 rooms.", True),
        ("2", "They won by 3-2.", True),
    ],
)
def test_a_minus_is_kept(claim, source, agrees):
    (own,), given = read(claim).numbers, read(source).numbers
    assert any(own.agrees(one) for one in given) is agrees


def test_a_number_below_zero_is_told_so():
    assert [one.text for one in read("It fell from 2 to -5 degrees, five degrees below zero.").numbers] == [
        "2",
        "-5",
        "five degrees below zero",
    ]
