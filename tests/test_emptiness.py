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
        # The answer to a choice has the question's words.
        ("The ferry leaves earlier than the bus.", "Which leaves earlier, the ferry or the bus?"),
        ("Smith won.", "Who won, Smith or Jones?"),
        ("Weston is larger.", "Which of Weston and Harlow is larger?"),
        ("Weston is the larger.", "Between Weston and Harlow, which is the larger?"),
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
        ("Smith or Jones won.", "Who won, Smith or Jones?", "it only repeats the question"),
        ("The branch closes.", "When does the branch in Eastgate close?", "it only repeats the question"),
    ],
)
def test_a_sentence_that_claims_nothing_is_told_apart(text, question, why):
    assert empty(text, question) == why


@pytest.mark.parametrize(
    "text",
    [
        "The article does not say who led the delegation.",
        "The article, which is about Laos, does not say who led it.",
        "There is no information about the architect.",
        "There is not enough information in the sentences to say.",
        "The sources don't specify the year.",
        "The sources don’t give a date.",
        "The provided text does not contain the name of the founder.",
        "The documents do not provide any details of the cost.",
        "The evidence does not show who built it.",
        "The passage did not mention Kim.",
        "The given sentences do not provide information on that.",
        "The context does not include an answer to this question.",
        "The text is not clear about the cause.",
        "The article isn't about Laos.",
        "The information is not provided.",
        "The answer is not given in the sentences.",
        "It is not mentioned in the text.",
        "The cause was not explicitly stated in the article.",
        "The sentences do not explicitly state when it closed.",
        "The article provides no information on the cost.",
        "I don't know.",
        "I do not have enough information to answer.",
        "I cannot answer this from the sentences.",
        "I am unable to find the answer.",
        "I'm unable to determine that.",
        "“The text does not say.”",
        "The sources do not answer this.",
        "The source does not cover this topic.",
        "The provided sources did not mention the winner.",
        "The sources have not specified the winner.",
        "The information is not in the text.",
    ],
)
def test_a_refusal_speaks_about_the_sources(text):
    assert empty(text, ASKED) == "it speaks about the sources, not from them"


@pytest.mark.parametrize(
    "text",
    [
        "The text of the treaty was not published until 1994.",
        "Renewable energy sources do not emit carbon dioxide.",
        "Renewable sources do not provide enough electricity in winter.",
        "In 1997 the evidence was not admitted in court.",
        "The source of the river was not known until 1858.",
        "The material does not contain lead.",
        "The text of the treaty did not mention the islands.",
        "Kim said: “I cannot accept sanctions.”",
        "Kim said, “The document does not mention us.”",
        'The farmers said: "I do not know who did it."',
        "There is no evidence that the drug works.",
        "The evidence did not convince the jury.",
        "I cannot eat meat, wrote Tolstoy.",
    ],
)
def test_a_fact_is_no_refusal(text):
    assert empty(text, ASKED) == ""
