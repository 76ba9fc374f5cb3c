"""A few words alone are read with their question, but must themselves be in the source."""

import pytest

from app.answer import Evidence
from app.check import Checker
from ingest.document import Document, Metadata
from ingest.embed import LocalEmbedder
from ingest.sentences import sentence_spans

DOCUMENT = Document(
    "Furthermore, North Korea is developing 13 special economic zones, and the purpose of these zones is to increase "
    "international exchanges and cooperation. It was decided by the Cabinet.",
    Metadata("Zones"),
)
ZONES = "How many special economic zones is North Korea developing?"
PURPOSE, DECIDED = "What is the purpose of the zones?", "Who decided it?"


@pytest.mark.parametrize(
    "question, fragment, verdict",
    [
        (ZONES, "13.", "supported"),
        (ZONES, "13 zones", "supported"),
        (ZONES, "12.", "unsupported"),
        (ZONES, "Half an", "unsupported"),
        (ZONES, "Thousands.", "unsupported"),
        (ZONES, "Hundreds of zones", "unsupported"),
        (ZONES, "Purple elephants.", "unsupported"),
        (PURPOSE, "More exchange and cooperation", "supported"),
        (PURPOSE, "Submarines and planes.", "unsupported"),
        (DECIDED, "The Cabinet.", "supported"),
        (DECIDED, "The parliament.", "unsupported"),
    ],
)
def test_a_fragment_is_held_to_its_own_words(question, fragment, verdict):
    spans = enumerate(sentence_spans(DOCUMENT.text), 1)
    evidence = [Evidence(number, DOCUMENT.span(*span), DOCUMENT.metadata, 0.5) for number, span in spans]
    session = Checker(LocalEmbedder().embed).start(question, evidence)
    assert session.check(fragment, [1, 2]).verdict == verdict


OBSERVATORY = Document(
    "Ana Lopez founded the observatory in 1921 with a gift of the town. "
    "Twelve towns belong to the league, and Ana Ruiz leads it.",
    Metadata("The valley"),
)


@pytest.mark.parametrize(
    "question, fragment, verdict",
    [
        ("Who founded the observatory, and when?", "1921.", "supported"),
        ("Who founded the observatory, and when?", "Ana Lopez.", "supported"),
        ("Who founded the observatory, and when?", "1927.", "unsupported"),
        ("Who founded the observatory? And when?", "1921.", "supported"),
        ("When and by whom was the observatory founded?", "Ana Lopez.", "supported"),
        ("How many towns belong to the league, and who leads it?", "Ana Ruiz.", "supported"),
        ("How many towns belong to the league that Ana leads?", "Ana Ruiz.", "unsupported"),
        ("How many towns belong to the league, which Ana leads?", "Ana Ruiz.", "unsupported"),
        ("Who founded the observatory?", "1921.", "unsupported"),
    ],
)
def test_a_few_words_may_answer_one_part_of_a_question(question, fragment, verdict):
    spans = enumerate(sentence_spans(OBSERVATORY.text), 1)
    evidence = [Evidence(number, OBSERVATORY.span(*span), OBSERVATORY.metadata, 0.5) for number, span in spans]
    found = Checker(LocalEmbedder().embed).start(question, evidence).check(fragment, [1, 2])
    assert found.verdict == verdict, found.why
