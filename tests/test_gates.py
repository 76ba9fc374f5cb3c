"""The gates: what is refused before and after writing."""

import math

import pytest

from app import gates
from app.answer import AnswerSentence, Citation, Evidence
from app.check import Checker
from app.gates import Fit
from app.reply import Piece
from ingest.document import Document, Metadata
from ingest.embed import LocalEmbedder

DOCUMENT = Document("The ferry to Lund leaves at nine. It costs four crowns.", Metadata("Ferries"))
EVIDENCE = (
    Evidence(1, DOCUMENT.span(0, 33), DOCUMENT.metadata, 0.9),
    Evidence(2, DOCUMENT.span(34, 55), DOCUMENT.metadata, 0.5),
)


class Scripted:
    """Gives one reply with log-probabilities of its first token."""

    def __init__(self, shares: dict[str, float], text: str = "") -> None:
        self.piece = Piece(text, tuple((token, math.log(share)) for token, share in shares.items()), "stop")

    def complete(self, messages: list[dict[str, str]], **options: object) -> Piece:
        return self.piece


def measured(query: str) -> Fit:
    embedder = LocalEmbedder()
    return gates.fit(query, EVIDENCE, Checker(embedder.embed).start(query, EVIDENCE))


def test_what_fits_is_near_and_covers_the_words_and_what_does_not_is_not_even_asked():
    near, far = measured("When does the ferry to Lund leave?"), measured("Which protein folds chromatin?")
    assert near.similarity > far.similarity
    assert near.cover > far.cover == 0
    assert gates.worth_asking(near)
    assert not gates.worth_asking(Fit(0.0, 0.05))


@pytest.mark.parametrize(
    ("shares", "text", "sign"),
    [
        ({"Yes": 0.7, "No": 0.1, " yes": 0.1}, "Yes", -1),
        ({"no": 0.4, " No": 0.2, "Yes": 0.3, "The": 0.1}, "no", 1),
        ({}, "No.", 1),
        ({}, "Yes", -1),
    ],
    ids=["yes", "no, in two spellings", "no, no log-probabilities", "yes, no log-probabilities"],
)
def test_missing_is_how_likely_the_model_says_no(shares: dict[str, float], text: str, sign: int):
    odds = gates.missing(Scripted(shares, text), "When?", EVIDENCE)  # type: ignore[arg-type]
    assert odds * sign > 0
    assert abs(odds) <= gates.SUREST


def test_missing_is_undecided_when_the_model_says_neither():
    assert gates.missing(Scripted({"The": 0.9}), "When?", EVIDENCE) == 0  # type: ignore[arg-type]


def test_the_gate_opens_with_similarity_and_closes_with_what_is_missing():
    assert gates.answerable(Fit(1.0, 0.8, -4.0))
    assert not gates.answerable(Fit(1.0, 0.8, 4.0))
    assert not gates.answerable(Fit(0.0, 0.1, 0.0))
    scores = [gates.score(Fit(0.5, 0.5, missing)) for missing in (-2.0, 0.0, 2.0)]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("query", ["What is this article about?", "Give me the main argument.", "summarise it"])
def test_a_question_about_the_whole_passes(query: str):
    assert gates.asks_for_the_whole(query)


def test_a_question_about_a_fact_does_not():
    assert not gates.asks_for_the_whole("What is the ferry about to carry?")


def test_an_answer_of_which_nothing_is_borne_out_is_none():
    wrong = AnswerSentence("It costs nine.", (), "unsupported", 0.1, "the number nine is not in the cited text")
    right = AnswerSentence("It leaves at nine.", (Citation(EVIDENCE[0]),), "supported", 0.9)
    assert not gates.answered([wrong])
    assert gates.answered([wrong, right])
