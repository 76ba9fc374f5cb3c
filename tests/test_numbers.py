"""A number agrees with another in value, kind, unit and bound, and with one that it rounds."""

import pytest

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
    ],
)
def test_agreement(claim, source, agrees):
    assert number(claim).agrees(number(source)) is agrees
