"""What the bench makes of a sentence to be marked is wrong."""

import pytest

from bench.corruption import misrounded


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("The city has 5.1 million inhabitants and two old harbours.", "6 million"),
        ("The city has 5.93 million inhabitants and two old harbours.", "5 million"),
        ("The bridge of the city cost $1.14 billion to build.", "$2 billion"),
        ("The city has 5.5 million inhabitants and two old harbours.", ""),  # either is right
        ("The city has over 5.9 million inhabitants and two old harbours.", ""),  # "over 5 million" is true
        ("The city has 0.9 million inhabitants and two old harbours.", ""),
        ("The tower is 5.1 metres high and has two old bells.", ""),
    ],
)
def test_a_large_number_is_rounded_to_the_wrong_side(text, wrong):
    made = misrounded(text)
    assert wrong in made and bool(made) is bool(wrong) and "." not in made[:-1]
