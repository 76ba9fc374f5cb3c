"""Sentences that claim nothing, and short answers that do."""

import pytest

from app.emptiness import empty

ASKED = "How many dimensions do nanotextured surfaces have on the nanoscale?"


@pytest.mark.parametrize(
    "text, question",
    [
        ("Nanotextured surfaces have 2 dimensions on the nanoscale.", ASKED),
        ("Windows 98 SE.", "What operating system added Windows Media Player 6.2?"),
        ("Yes, Eastgate keeps its branch.", "Does Eastgate keep its branch?"),
        ("The branch will not close.", "When will the branch close?"),
    ],
)
def test_a_short_answer_says_something(text, question):
    assert empty(text, question) == ""


@pytest.mark.parametrize(
    "text, question, why",
    [
        ("Nanotextured surfaces have dimensions on the nanoscale.", ASKED, "it only repeats the question"),
        ("The sentences do not say how many.", ASKED, "it speaks about the sources, not from them"),
        ("How many dimensions?", ASKED, "it is a question"),
        ("It is so.", ASKED, "it says nothing that can be checked"),
    ],
)
def test_a_sentence_that_claims_nothing_is_told_apart(text, question, why):
    assert empty(text, question) == why
