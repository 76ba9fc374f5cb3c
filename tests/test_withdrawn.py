"""An endpoint that thinks without saying so: what was told of its thinking is withdrawn, and the gate closes again.

Store, checker and HTTP are real. Each test has an endpoint of its own, for one is known after its first answer.
"""

from dataclasses import replace

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.answer import Finished, Withdrawn, Wrote
from app.api import routes
from app.ask import Road
from app.room import Room
from tests.servers.scripted import ScriptedServer

ZONES = "How many special economic zones is North Korea developing?"
THOUGHT = "Yes\nNorth Korea is developing 13 special economic zones. <<13 special economic zones>>\nLet me see.\n"
FALSE = "North Korea sold 40 submarines to Brazil in 1987. <<13 special>>\nNobody in Lund sells umbrellas.\n"
PURPOSE = "The purpose of these zones is to increase international exchanges. <<13 special economic zones>>\n"


@pytest.fixture
def script():
    with ScriptedServer() as script:
        script.says = 0.95
        yield script


@pytest.fixture
def room(script, seed_settings):
    settings = replace(seed_settings, openai_base_url=script.url, chat_model="scripted")
    room = Room(settings)
    room._road = Road.open(settings)
    room._opened.set()
    yield room
    room._road.close()


def test_sentences_behind_a_thought_wait_for_one_that_is_borne_out(room, script):
    script.replies = {"economic zones": f"{THOUGHT}</think>\n\n{FALSE}"}
    *events, last = room.road.ask(ZONES)
    assert isinstance(last, Finished)
    kinds = [type(event) for event in events]
    thought, behind = events[: kinds.index(Withdrawn)], events[kinds.index(Withdrawn) :]
    assert [event.sentence.text for event in thought if isinstance(event, Wrote)] == [
        "North Korea is developing 13 special economic zones."
    ]
    told = [event.sentence for event in behind if isinstance(event, Wrote)]
    assert told == list(last.answer.sentences)
    assert all(sentence.verdict == "supported" for sentence in told)


def test_the_page_shows_no_sentence_of_a_thought_beside_the_answer(room, script):
    script.replies = {"economic zones": f"{THOUGHT}</think>\n\n{PURPOSE}"}
    messages = list(room.ask("browser", {"turn": "1", "question": ZONES}))
    shown = [" ".join(message["sentences"]) for message in messages]
    thought, answer = "<span>North Korea is developing 13 special economic zones.<", "<span>The purpose"
    assert any(thought in one for one in shown) and answer in shown[-1]
    assert not any(thought in one and answer in one for one in shown)


@pytest.mark.parametrize("reply", [PURPOSE, FALSE])
def test_a_stream_that_cannot_be_taken_back_says_what_it_was(room, script, reply):
    script.replies = {"economic zones": f"{THOUGHT}</think>\n\n{reply}"}
    app = FastAPI()
    app.include_router(routes(room))
    asked = {"messages": [{"role": "user", "content": ZONES}], "stream": True}
    streamed = TestClient(app).post("/v1/chat/completions", json=asked).text
    _, _, behind = streamed.partition("What stands above was the model's thinking, not its answer.")
    assert "purpose of these zones" in behind if reply == PURPOSE else "do not answer this" in behind
    assert "Brazil" not in behind
