"""Replies in JSON read as lines: the same claims, however the reply is cut; and a real model held to the schema."""

import json

import pytest

from app import prompt, structured
from app.answer import Evidence
from app.ask import Road
from app.check import Checker
from app.endpoint import Capabilities, Endpoint
from app.model import ChatModel
from app.models import Models
from ingest.document import Document, Metadata
from ingest.store import Store
from tests.servers.scripted import ScriptedServer

DOCUMENT = Document("A ship left. It came back in June. It sank.", Metadata("Ships"))
SPANS = [(0, 12), (13, 34), (35, 43)]
EVIDENCE = [Evidence(n, DOCUMENT.span(*span), DOCUMENT.metadata, 0.5) for n, span in enumerate(SPANS, 1)]
REPLY = {
    "holds": "Yes",
    "sentences": [
        {"text": 'He said "numbers": [3] and \\ "text": "no" \n of it, 😀 at 5 °C.', "numbers": [1, 2]},
        {"text": "It sank", "numbers": [3]},
        {"text": "Who built it is not said.", "numbers": [0]},
    ],
}
CLAIMS = [('He said "numbers": and \\ "text": "no" of it, 😀 at 5 °C.', (3, 1, 2)), ("It sank", (3,))]


def claims(*pieces):
    reader, parser, found = structured.Lines(), prompt.ReplyParser(EVIDENCE), []
    for piece in pieces:
        found += parser.feed(reader.feed(piece))
    return [(claim.text, claim.numbers) for claim in (*found, *parser.close())]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_reply_cut_anywhere_makes_the_same_claims(ascii_only, indent):
    whole = json.dumps(REPLY, ensure_ascii=ascii_only, indent=indent)
    assert claims(whole) == CLAIMS
    assert claims(*whole) == CLAIMS
    for cut in range(len(whole)):
        assert claims(whole[:cut], whole[cut:]) == CLAIMS


def test_a_sentence_is_there_while_it_is_written():
    reader = structured.Lines()
    assert reader.feed('{"holds": "Yes", "sentences": [{"text": "It came ba') == "Yes\nIt came ba"
    assert reader.feed('ck.", "num') == "ck."
    assert reader.feed('bers": [2]}') == " [2]\n"


def test_numbers_may_come_before_their_text():
    whole = '{"sentences": [{"numbers": [2, 3], "text": "It sank."}, {"numbers": [], "text": "It left."}]}'
    assert claims(*whole) == [("It sank.", (2, 3)), ("It left.", ())]


@pytest.mark.parametrize("whole", ["Yes\nIt sank. [3]", "It sank. [3]", "``It sank`` [3]", "  It sank. [3]"])
def test_a_reply_that_is_no_json_passes(whole):
    assert [numbers for _, numbers in claims(*whole)] == [(3,)]


@pytest.mark.parametrize(
    "whole, texts",
    [
        ('```json\n{"holds": "Yes", "sentences": [{"text": "It sank.", "numbers": [3]}]}\n```', ["It sank."]),
        ('{"holds": "Yes", "sentences": [{"text": "It sank.", "numb', ["It sank."]),
        ('{"holds": "No", "sentences": []}', []),
        (r'{"sentences": [{"text": "half \ud83d, bad \x.", "numbers": [1]}]}', ["half"]),
        ("{", []),
    ],
)
def test_odd_json_gives_what_is_in_it(whole, texts):
    found = [text for text, _ in claims(*whole)]
    assert len(found) == len(texts) and all(text.startswith(start) for text, start in zip(found, texts, strict=True))


def test_the_schema_has_the_numbers_that_exist_and_the_examples_follow_it():
    numbers = structured.schema(EVIDENCE)["properties"]["sentences"]["items"]["properties"]["numbers"]
    assert numbers["items"]["enum"] == [0, 1, 2, 3]
    for plain, told in zip(prompt.talk(), structured.messages("Why?", EVIDENCE), strict=False):
        if plain["role"] == "assistant":
            assert claims(told["content"]) == claims(plain["content"])
            assert set(json.loads(told["content"])) == {"holds", "sentences"}


def test_a_request_in_json_fits_a_small_context(seed_settings):
    question, store = "What is North Korea's total food production?", Store.open(seed_settings)
    with ScriptedServer() as script:
        endpoint = Endpoint(script.url, "scripted")
        road = Road(store, Models({"scripted": ChatModel(endpoint, "none")}), Checker(store.embedder.embed))
        fitted = []
        try:
            for context in range(1600, 3000, 50):
                endpoint.capabilities = Capabilities(False, True, False, context)
                list(road.ask(question))
                body = script.bodies[-1]
                read = sum(len(one["content"].encode()) for one in body["messages"])
                assert read + prompt.BYTES_A_TOKEN * body["max_tokens"] <= prompt.BYTES_A_TOKEN * context
                fitted.append(read)
        finally:
            road.close()
    assert fitted == sorted(fitted) and fitted[0] < fitted[-1], "more of the evidence in a larger context"


def test_the_embedded_model_held_to_the_schema_cites(model_server, seed_settings):
    """As an endpoint that knows schemas and no grammar, which is what most hosted ones are."""
    endpoint = Endpoint(model_server.base_url, "embedded", capabilities=Capabilities(False, True, False, None))
    model, store = ChatModel(endpoint, model_server.api_key), Store.open(seed_settings)
    try:
        road = Road(store, Models({"embedded": model}), Checker(store.embedder.embed))
        *_, last = road.ask("What is North Korea's total food production?")
    finally:
        model.close()
        store.close()
    cited = [c.span.text for s in last.answer.sentences if not s.quoted for c in s.citations]
    assert any("5.03 million tons" in text for text in cited) and not last.answer.notice
