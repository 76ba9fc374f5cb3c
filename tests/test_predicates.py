"""What a sentence says, the source must say, and of the same: not of another, nor leave it unsaid."""

import pytest

from app.answer import Evidence
from app.check import Checker
from ingest.document import Document, Metadata
from ingest.embed import LocalEmbedder
from ingest.sentences import sentence_spans

TEXT = (
    "Anna Lindt, a fellow at the Oslo-based Institute of Coastal Studies, spoke to the council of Weston. "
    "The institute was praised by Bergen, and its library was opened by the mayor. "
    "Bell metal is a copper alloy that contains tin. "
    "A superconducting magnet of two kilograms can produce magnetic fields comparable to an iron magnet weighing tons. "
    "By 1925, Bowman had settled on a design for the tall building. "
    "By 1951, Salk and his team had begun immunization experiments in monkeys using dead virus. "
    "Harlow Motors was founded in Weston in 1901. "
    "The company is building a large factory for electric buses near Norton. "
    "The Norton ferry will carry school children across the river without charge. "
    "The governor's speech pleased the farmers of Eastgate."
)
DOCUMENT = Document(TEXT, Metadata("The valley"))
EVIDENCE = [Evidence(n, DOCUMENT.span(*s), DOCUMENT.metadata, 0.5) for n, s in enumerate(sentence_spans(TEXT), 1)]

FALSE = [
    ("Bell metal can produce magnetic fields comparable to an iron magnet weighing tons.", 4, "magnet"),
    ("By 1951, Bowman had begun immunization experiments in monkeys using dead virus.", 6, "salk"),
    ("The Institute of Coastal Studies is funded by Oslo.", 1, "funded"),
    ("The Institute of Coastal Studies was secretly controlled by Oslo.", 1, "controlled"),
]
TRUE = [
    "A superconducting magnet can produce magnetic fields comparable to an iron magnet weighing tons.",
    "Salk had begun immunization experiments in monkeys using dead virus by 1951.",
    "Harlow Motors is building a large factory for electric buses near Norton.",
    "It will carry school children across the river without charge.",
    "School children will be carried across the river without charge by the Norton ferry.",
    "The institute was praised by Bergen.",
    "Bell metal is a copper alloy, and a superconducting magnet can produce magnetic fields comparable to an iron "
    "magnet weighing tons.",
]


@pytest.fixture(scope="module")
def session():
    return Checker(LocalEmbedder().embed).start("", EVIDENCE)


@pytest.mark.parametrize("claim, cited, word", FALSE)
def test_what_the_source_says_of_another_or_does_not_say_is_marked(session, claim, cited, word):
    found = session.check(claim, [cited])
    assert found.verdict == "unsupported", found
    assert word in found.why


@pytest.mark.parametrize("claim", TRUE)
def test_what_it_says_of_the_same_is_not(session, claim):
    found = session.check(claim, ())
    assert found.verdict == "supported", found.why


ARENAS = (
    "Garden Hall in Weston is the longest-running venue of the ice league. "
    "The league has many rules about sticks and fights. "
    "The oldest indoor hockey arena still in use today is Lindt Arena in Harlow. "
    "It is repaired every summer."
)
OLDEST = "What is the oldest indoor hockey arena still in use today?"


@pytest.mark.parametrize(
    "claim, verdict",
    [
        ("The oldest indoor hockey arena still in use today is Garden Hall, a venue of the ice league.", "unsupported"),
        ("The oldest indoor hockey arena still in use today is Lindt Arena, repaired every summer.", "supported"),
        ("The oldest indoor hockey arena still in use today is Lindt Arena.", "supported"),
    ],
)
def test_an_answer_stands_in_the_sentence_that_holds_what_was_asked_or_beside_it(claim, verdict):
    document = Document(ARENAS, Metadata("Ice"))
    spans = enumerate(sentence_spans(ARENAS), 1)
    evidence = [Evidence(n, document.span(*s), document.metadata, 0.5) for n, s in spans]
    found = Checker(LocalEmbedder().embed).start(OLDEST, evidence).check(claim, ())
    assert found.verdict == verdict, found.why
