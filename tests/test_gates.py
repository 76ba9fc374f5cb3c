"""The gates: what is refused before and after writing."""

import math
from dataclasses import replace

import pytest

from app import gates
from app.answer import AnswerSentence, Citation, Evidence
from app.check import Checker
from app.gates import Fit, Grounds
from app.reply import Piece
from ingest.document import Document, Metadata
from ingest.embed import LocalEmbedder

DOCUMENT = Document("The ferry to Lund leaves at nine. It costs four crowns.", Metadata("Ferries"))
EVIDENCE = (
    Evidence(1, DOCUMENT.span(0, 33), DOCUMENT.metadata, 0.9),
    Evidence(2, DOCUMENT.span(34, 55), DOCUMENT.metadata, 0.5),
)


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
        ({"Yes": 0.7, "No": 0.1, " yes": 0.1}, "Yes", 1),
        ({"no": 0.4, " No": 0.2, "Yes": 0.3, "The": 0.1}, "no", -1),
        ({}, "No.", -1),
        ({}, "Yes", 1),
        ({"The": 0.9}, "Yes", None),
        ({}, "The", None),
    ],
    ids=["yes", "no, in two spellings", "no, no log-probabilities", "yes, no log-probabilities", "neither", "no word"],
)
def test_the_odds_of_a_word_are_those_of_its_probability(shares: dict[str, float], text: str, sign: int | None):
    odds = Piece(text, tuple((token, math.log(share)) for token, share in shares.items())).log_odds("yes", "no")
    assert odds is None if sign is None else odds is not None and odds * sign > 0


def test_the_gate_opens_with_each_view_and_none_opens_it_alone():
    assert gates.answerable(Grounds(2.5, 2.5, 1.0))
    assert not gates.answerable(Grounds(-1.0, 3.0, 0.5))
    assert not gates.answerable(Grounds(0.0, -3.0, 1.0))
    for name, values in (("holds", (-2.0, 0.0, 2.0)), ("confirmed", (-2.0, 0.0, 2.0)), ("support", (0.1, 0.5, 0.9))):
        scores = [gates.score(replace(Grounds(0.5, 0.5, 0.5), **{name: value})) for value in values]
        assert scores == sorted(scores), name


def test_one_view_counts_only_so_far():
    assert gates.score(Grounds(9.0, 1.0, 0.5)) == gates.score(Grounds(gates.SAID.most_holds, 1.0, 0.5))


def test_a_model_that_cannot_be_asked_to_confirm_is_not_held_against_the_answer():
    for holds in (0.2, 0.8, 1.5):
        assert gates.score(Grounds(holds, None, 0.9)) == gates.score(Grounds(holds, gates.SAID.most_holds, 0.9))


def test_a_first_word_without_hope_ends_it_and_doubt_does_not():
    assert gates.hopeless(-gates.SAID.most_holds)
    assert not gates.hopeless(0.5)


@pytest.mark.parametrize(
    "query",
    [
        "What is this article about?",
        "What's this article mainly about?",
        "What does the article say?",
        "What is it about?",
        "Give me the main argument.",
        "Give me the main argument of this article in two or three sentences.",
        "Can you give me a short overview of the text?",
        "What are the conclusions?",
        "summarise it",
        "Please sum it up",
        "TL;DR",
        "Could you summarise the article for me in three short sentences, please?",
        "What is the gist of it?",
    ],
)
def test_a_question_about_the_whole_passes(query: str):
    assert gates.asks_for_the_whole(query)


@pytest.mark.parametrize(
    "query",
    [
        "What is the ferry about to carry?",
        "Was the minister summarily dismissed?",
        "When did the talks reach a conclusion?",
        "What is the main point of entry for refugees?",
        "Who wrote the summary of the report?",
        "What does the article say about debts?",
        "Summarize Hamlet.",
        "Could you summarize why Kim met Trump?",
        "What is the main conclusion of the report on Jeju in 2003?",
        "What are the main claims in three lawsuits against Tesla?",
        "What is the main point of the source of the leak?",
    ],
)
def test_a_question_about_a_fact_does_not(query: str):
    assert not gates.asks_for_the_whole(query)


def test_an_answer_of_which_nothing_is_borne_out_is_none():
    wrong = AnswerSentence("It costs nine.", (), "unsupported", 0.1, "the number nine is not in the cited text")
    right = AnswerSentence("It leaves at nine.", (Citation(EVIDENCE[0]),), "supported", 0.9)
    assert not gates.answered([wrong])
    assert gates.answered([wrong, right])
