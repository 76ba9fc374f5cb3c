"""What the model is given in the second turn of a conversation: first what it has read already."""

from dataclasses import replace

import numpy as np
import pytest

from app.answer import HISTORY, Finished, Retrieved, Turn
from app.ask import Road
from app.evidence import CONVERSATIONS, MOST, Conversations, continued, conversation, select_evidence
from app.relevance import Candidate, Query, read_sentences
from app.retrieve import retrieve, search
from ingest.document import Document, Metadata, Passage
from ingest.store import Store
from tests.servers.faulty import FaultyServer

FOOD, MORE_FOOD = "How much food does North Korea produce?", "Why does North Korea produce more food?"
OTHER = "Who accompanied the delegation that set out on January 22?"


@pytest.fixture(scope="module")
def store(seed_settings):
    store = Store.open(seed_settings)
    yield store
    store.close()


def found(store, question, passages=8):
    hits = retrieve(store, question, k=passages)
    return select_evidence(Query.read(store, question), hits), hits


def test_what_both_turns_need_stands_where_it_stood_and_the_new_comes_behind(store):
    before, _ = found(store, FOOD)
    now, _ = found(store, MORE_FOOD)
    both = continued(store, before, now)
    assert [(item.number, item.span) for item in both[: len(before)]] == [(item.number, item.span) for item in before]
    assert {item.span for item in both} == {item.span for item in (*before, *now)}
    assert [item.number for item in both] == list(range(1, len(both) + 1)) and len(before) < len(both) <= MOST
    fits = {item.span: item.relevance for item in now}
    assert all(item.relevance == fits.get(item.span, 0) for item in both)


def test_a_turn_about_something_else_begins_anew(store):
    before, _ = found(store, FOOD)
    now, _ = found(store, OTHER)
    assert continued(store, before, now) == now
    assert continued(store, (), now) == now


def test_what_was_read_is_kept_though_no_passage_found_now_holds_it(store):
    before, _ = found(store, "How much does North Korea owe Russia?")
    now, hits = found(store, "How much of the debt was written off?", passages=4)
    spans = [hit.passage.span for hit in hits]
    elsewhere = [
        item.span for item in before
        if not any(one.start <= item.span.start and item.span.end <= one.end for one in spans)
    ]  # fmt: skip
    both = continued(store, before, now)
    assert elsewhere and [item.span for item in both[: len(before)]] == [item.span for item in before]
    assert {item.span for item in now} <= {item.span for item in both}


def test_a_sentence_of_a_document_that_is_gone_is_not_kept(store):
    before, _ = found(store, FOOD)
    now, _ = found(store, MORE_FOOD)
    gone = replace(before[0], span=replace(before[0].span, document_id="0" * 64))
    assert continued(store, (gone, *before[1:]), now) == now


def test_only_the_latest_conversations_are_remembered(store):
    evidence, _ = found(store, FOOD)
    kept = Conversations()
    for number in range(CONVERSATIONS + 1):
        kept.keep(number, evidence)
    assert (kept.get(0), kept.get(1), kept.get("unknown")) == ((), evidence, ())


@pytest.fixture
def copies(seed_settings):
    """The road to a model that copies the evidence sentence which has most words of the question."""
    with FaultyServer() as server:
        server.says_yes = True
        road = Road.open(replace(seed_settings, openai_base_url=server.url, chat_model="copies"))
        yield road, server
        road.close()


def test_a_question_put_to_no_source_is_not_answered_from_those_just_left_out(copies):
    road, server = copies
    list(road.ask(FOOD))
    asked = len(server.requests)
    *_, last = road.ask(MORE_FOOD, [Turn(FOOD, "5.03 million tons.")], document_ids=[])
    assert last.answer.abstained and not last.answer.passages
    assert len(server.requests) == asked, "the model was asked about sources that were left out"


def test_nothing_is_kept_where_nothing_is_found(store):
    before, _ = found(store, FOOD)
    assert continued(store, before, ()) == ()


def test_what_was_read_is_known_in_a_conversation_longer_than_what_is_taken_of_it(copies):
    road, server = copies
    questions = [*(f"{OTHER[:-1]} in {year}?" for year in range(1990, 1990 + HISTORY + 2)), FOOD, MORE_FOOD]
    said: list[Turn] = []
    for question in questions:
        *_, last = road.ask(question, said[-HISTORY:])
        said.append(Turn(question, last.answer.sentences[0].text if last.answer.sentences else ""))
    before, now = (request["messages"][-1]["content"] for request in server.requests[-2:])
    assert now.startswith(before.partition("\n\nQuestion:")[0] + "\n")


@pytest.mark.parametrize(("one", "other"), [(None, []), (None, ["a"]), (["a"], ["b"])])
def test_what_was_asked_of_other_sources_is_another_conversation(one, other):
    assert conversation([FOOD], one) != conversation([FOOD], other)
    assert conversation([FOOD], ["a", "b"]) == conversation([FOOD], ["b", "a"])


def test_passages_are_known_before_their_sentences_are_read(store):
    found_at_once = search(store, FOOD)
    first, read = found_at_once.first(8), found_at_once.read(8)
    assert read == retrieve(store, FOOD, k=8)
    for hits in (first, read):
        assert len(hits) == 8 and hits == sorted(hits, key=lambda hit: -hit.score)
    assert len({hit.passage.passage_id for hit in first} & {hit.passage.passage_id for hit in read}) >= 4
    for hit in first:
        span = hit.passage.span
        assert store.catalog.document(span.document_id).text[span.start : span.end] == span.text
    same = {hit.passage.passage_id: hit.score for hit in read}
    assert all(hit.score <= same.get(hit.passage.passage_id, 1.0) for hit in first)  # a sentence can only add
    for nothing in (search(store, "  "), search(store, FOOD, document_ids=[])):
        assert nothing.first(8) == nothing.read(8) == []


def test_the_second_request_begins_as_the_first_did(seed_settings):
    """The endpoint has read that part, and need not again; a first turn elsewhere changes nothing."""
    with FaultyServer() as server:
        server.says_yes = True
        road = Road.open(replace(seed_settings, openai_base_url=server.url, chat_model="copies"))
        try:
            events = [list(road.ask(FOOD)), list(road.ask(MORE_FOOD, [Turn(FOOD, "5.03 million tons.")]))]
            alone = list(road.ask(MORE_FOOD))
        finally:
            road.close()
    first, second, fresh = (request["messages"][-1]["content"] for request in server.requests)
    assert second.startswith(first.partition("\n\nQuestion:")[0] + "\n")
    assert not fresh.startswith(second[:200])
    for turn in (*events, alone):
        at_once = turn[0]
        assert isinstance(at_once, Retrieved) and len(at_once.hits) == 8 and at_once.evidence == ()
        later = [event for event in turn[1:] if isinstance(event, Retrieved)]
        assert later and all(event.evidence for event in later)  # what was shown is not taken back
    shown = [[event for event in turn if isinstance(event, Retrieved)][-1].evidence for turn in (*events, alone)]
    assert len(shown[1]) > len(shown[0]) == len(shown[2])
    for turn in events:
        assert isinstance(turn[-1], Finished) and turn[-1].answer.sentences[0].verdict == "supported"


class Counting:
    """An embedder whose vectors say nothing; it keeps what it was asked."""

    def __init__(self):
        self.texts = []

    def embed(self, texts, on_done=None):
        self.texts += texts
        return np.zeros((len(texts), 384), np.float32)


@pytest.mark.parametrize(
    ("sentence", "embedded"),
    [("Short is it.", 16), ("Long " + "and longer " * 50 + "is it.", 3), ("Long " * 600 + "is it.", 1)],
)
def test_what_is_embedded_for_a_question_is_bounded_by_number_and_length(sentence, embedded):
    """One sentence is embedded however long it is."""
    told = [sentence.replace("it", f"it {number}") for number in range(20)]
    document = Document(" ".join(told), Metadata("T", language="en"))
    places = [(at, at + len(one)) for one in told for at in [document.text.index(one)]]
    passage = Passage(document.span(0, len(document.text)), tuple(places))
    query = Query("it", np.zeros(384, np.float32), {"it": 1.0}, Counting())
    readings = read_sentences(query, [Candidate(passage, document.metadata, 0.5, 0.5)])
    assert query.embedder.texts == told[:embedded]
    assert [reading.similarity for reading in readings] == [0.0] * embedded + [0.4] * (20 - embedded)
