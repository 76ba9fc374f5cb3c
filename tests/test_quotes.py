"""What an answer quotes: the sentences that it points to, and those of which it leaves much untold."""

from dataclasses import replace

from app.answer import AnswerSentence, Citation, Evidence
from app.quotes import passed_over, pointed_to, untold, with_what_they_lean_on
from ingest.document import Document, Metadata

TEXT = "The ferry to Lund leaves at nine from the old quay, and takes bicycles on weekdays. It costs four crowns."
DOCUMENT = Document(TEXT, Metadata("Ferries"))
LEAVES = Evidence(1, DOCUMENT.span(0, 83), DOCUMENT.metadata, 0.9)
COSTS = Evidence(2, DOCUMENT.span(84, 105), DOCUMENT.metadata, 0.5)


def said(text: str, *cited: Evidence, supported: bool = True) -> AnswerSentence:
    verdict = "supported" if supported else "unsupported"
    return AnswerSentence(text, tuple(map(Citation, cited)), verdict, 0.9 if supported else 0.1)


def test_terse_words_have_the_sentence_quoted_that_they_leave_half_told():
    assert untold("When does the ferry leave?", [said("It leaves at nine.", LEAVES)]) == (LEAVES,)


def test_what_is_told_whole_is_not_quoted():
    whole = said("The ferry to Lund leaves from the old quay at nine and takes bicycles on weekdays.", LEAVES)
    assert untold("When does it leave?", [whole, said("It costs four crowns.", COSTS)]) == ()


def test_what_the_question_says_need_not_be_said_again():
    question = "Does the ferry to Lund that leaves the old quay at nine take bicycles?"
    assert untold(question, [said("Yes, it takes bicycles on weekdays.", LEAVES)]) == ()


def test_no_sentence_is_quoted_for_words_that_failed_the_check():
    assert untold("When does it leave?", [said("It leaves at ten.", LEAVES, supported=False)]) == ()


def test_what_is_pointed_to_comes_once_and_in_order():
    sentences = [said("It costs nine.", LEAVES, COSTS, supported=False), said("It leaves at nine.", LEAVES)]
    assert pointed_to(sentences) == (LEAVES, COSTS)
    assert pointed_to([]) == ()


def test_the_sentence_that_fits_best_is_quoted_when_the_answer_passes_it_over():
    answer = [said("It costs four crowns.", COSTS)]
    assert passed_over("What about the ferry?", answer, (COSTS, LEAVES)) == (LEAVES,)


def test_it_is_not_quoted_when_it_is_cited_or_told_or_no_better_than_another():
    told = said("It leaves at nine from the old quay and takes bicycles on weekdays.", COSTS)
    assert passed_over("When?", [said("It leaves at nine.", LEAVES)], (COSTS, LEAVES)) == ()
    assert passed_over("When does the ferry to Lund leave?", [told], (COSTS, LEAVES)) == ()
    alike = replace(COSTS, relevance=LEAVES.relevance - 0.001)
    assert passed_over("What about the ferry?", [said("It costs four crowns.", COSTS)], (alike, LEAVES)) == ()


def test_a_quotation_that_leans_on_the_sentence_before_it_comes_with_it():
    assert set(with_what_they_lean_on((COSTS,), (LEAVES, COSTS))) == {LEAVES, COSTS}
    assert with_what_they_lean_on((LEAVES,), (LEAVES, COSTS)) == (LEAVES,)
    assert with_what_they_lean_on((COSTS,), (COSTS,)) == (COSTS,)
    elsewhere = replace(LEAVES, span=replace(LEAVES.span, document_id="another"))
    assert with_what_they_lean_on((COSTS,), (elsewhere, COSTS)) == (COSTS,)
