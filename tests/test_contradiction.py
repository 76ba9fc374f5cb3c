"""Sentences that have the words of their source and say something else are marked; true rewordings are not."""

import pytest

from app.answer import Evidence
from app.check import Checker
from app.claims import read
from ingest.document import Document, Metadata
from ingest.embed import LocalEmbedder
from ingest.sentences import sentence_spans

TEXT = (
    "The Harlow Canal was opened to the public in 1894 after the engineer Mary Ellison redesigned its locks. "
    "Ellison sold the Norton Works to the Harlow Company for $12 million in 1901. "
    "The canal does not carry freight today. "
    "Rainfall in the valley increased sharply before the harvest of 1907. "
    "Some members of the council voted for the bridge at Eastgate. "
    "The council rejected a second bridge because it was unable to pay for it. "
    "The tunnel at Eastgate is 4.93 km long and cost $30 million. "
    "The Norton Museum received $45 million for a new wing. "
    "The village of Weston lost its railway in 1962. "
    "Unemployment in Weston fell by 3 percent in 1970. "
    "There is no way that the ferry could compete with the railway. "
    "The spire of the town hall is 324 metres high. "
    "The brewery of Weston was sold for 1.1 billion dollars. "
    "In the night of the flood the water cooled to -5 degrees."
)
DOCUMENT = Document(TEXT, Metadata("The valley"))
EVIDENCE = [Evidence(n, DOCUMENT.span(*s), DOCUMENT.metadata, 0.5) for n, s in enumerate(sentence_spans(TEXT), 1)]

FALSE = [
    "The Harlow Canal was not opened to the public in 1894.",
    "The canal carries freight today.",
    "The ferry could easily compete with the railway.",
    "Rainfall in the valley decreased sharply before the harvest of 1907.",
    "Rainfall in the valley increased sharply after the harvest of 1907.",
    "All members of the council voted for the bridge at Eastgate.",
    "The council was able to pay for a second bridge.",
    "The council approved a second bridge.",
    "The Harlow Company sold the Norton Works to Ellison for $12 million in 1901.",
    "The Norton Works was bought by Ellison from the Harlow Company for $12 million in 1901.",
    "The tunnel at Eastgate is 4.93 miles long.",
    "The tunnel at Eastgate is more than 5 km long.",
    "The tunnel at Eastgate cost $45 million.",
    "Norton lost its railway in 1962.",
    "Unemployment in Weston fell by 3 percentage points in 1970.",
    "The spire of the town hall cost $324m.",
    "The brewery of Weston was sold for 2 billion dollars.",
    "In the night of the flood the water cooled to 5 degrees.",
]
TRUE = [
    "The Harlow Canal opened to the public in 1894.",
    "Today the canal carries no freight.",
    "The ferry cannot compete with the railway.",
    "Rainfall in the valley rose sharply before the harvest of 1907.",
    "Several members of the council voted for the bridge at Eastgate.",
    "The council was not able to pay for a second bridge.",
    "The Norton Works was sold to the Harlow Company by Ellison for $12 million in 1901.",
    "The tunnel at Eastgate is about 5 km long.",
    "In 1962 the village of Weston lost its railway.",
    "Unemployment in Weston fell 3 percent in 1970.",
    "The spire of the town hall is 324 m high.",
    "The brewery of Weston was sold for about one billion dollars.",
    "In the night of the flood the water cooled to minus 5 degrees.",
]


@pytest.fixture(scope="module")
def session():
    return Checker(LocalEmbedder().embed).start("", EVIDENCE)


@pytest.mark.parametrize("claim", FALSE)
def test_a_sentence_that_turns_its_source_round_is_marked(session, claim):
    found = session.check(claim, ())
    assert found.verdict == "unsupported", found
    assert found.why


@pytest.mark.parametrize("claim", TRUE)
def test_a_true_rewording_is_not(session, claim):
    found = session.check(claim, ())
    assert found.verdict == "supported", found.why


@pytest.mark.parametrize(
    "question, fragment, verdict",
    [
        ("How long is the tunnel at Eastgate?", "4.93 km.", "supported"),
        ("How long is the tunnel at Eastgate?", "The Norton Museum.", "unsupported"),
        ("When did Weston lose its railway?", "In 1962.", "supported"),
        ("When did Weston lose its railway?", "The village.", "unsupported"),
        ("Who redesigned the locks of the canal?", "Mary Ellison.", "supported"),
        ("Who redesigned the locks of the canal?", "The Norton Museum.", "unsupported"),
        ("Who redesigned the locks of the canal?", "1894.", "unsupported"),
    ],
)
def test_a_few_words_are_the_answer_only_where_the_source_says_it_of_what_was_asked(question, fragment, verdict):
    found = Checker(LocalEmbedder().embed).start(question, EVIDENCE).check(fragment, ())
    assert found.verdict == verdict, found.why


@pytest.mark.parametrize(
    "text, governed",
    [
        ("It is not, on the whole, common.", [("common",)]),
        ("The factor is not 5.", [("factor",)]),
        ("No, the shop is open.", []),
        ("The house is at No. 36 Mill Lane.", []),
        ("It is not only cheap but good.", []),
        ("The list will not be final until Friday.", []),
        ("It grew without help from Oslo.", [("help",)]),
    ],
)
def test_what_a_not_governs(text, governed):
    assert list(read(text).negated) == governed
