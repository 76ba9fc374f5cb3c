"""A question set answered with citations at an endpoint that the settings alone name."""

from dataclasses import replace

import pytest

from app.ask import Road
from app.evaluate import read_questions, run
from ingest.settings import ROOT
from tests.servers.faulty import FaultyServer

ASKED = ("d01", "d03", "d05")


@pytest.fixture(scope="module")
def questions():
    return [q for q in read_questions(ROOT / "bench" / "questions" / "article_dev.jsonl") if q.question_id in ASKED]


def outcomes(settings, questions):
    """Every question answered by the model of the settings; every quote is held against the stored text."""
    road = Road.open(settings)
    try:
        found = run(road, questions, lambda _: None)
    finally:
        road.close()
    assert [outcome.question.question_id for outcome in found] == list(ASKED)
    assert all(outcome.verbatim for outcome in found)
    assert {outcome.answer.model for outcome in found} == {settings.chat_model}
    assert not any(outcome.answer.notice for outcome in found)
    return found


def cited(found):
    """How many questions have an answer that cites the gold sentence."""
    return sum(o.cited_gold and any(s.citations and not s.quoted for s in o.answer.sentences) for o in found)


def test_a_scripted_server(seed_settings, questions):
    with FaultyServer() as server:
        server.says_yes = True
        settings = replace(seed_settings, openai_base_url=server.url, chat_model="copies")
        assert cited(outcomes(settings, questions)) == len(questions)
