"""The gate on the road of a question: what waits for it, what passes, and that nothing told is taken back.

Store, checker and HTTP are real; the model is the scripted server in the part of one that a grammar holds.
"""

from dataclasses import replace

import pytest

from app.answer import Finished, Writing, Wrote
from app.ask import QUOTED_INSTEAD, Road
from app.check import Checker
from app.models import open_models
from ingest.store import Store
from tests.servers.scripted import HELD, NOT_HELD, ScriptedServer

ZONES = "How many special economic zones is North Korea developing?"
REPLY = "Yes\nNorth Korea is developing 13 special economic zones. <<13 special economic zones>>\n"
WRONG = "Yes\nNorth Korea is developing 40 special economic zones. <<13 special economic zones>>\n"
SURE, DOUBT, HOPELESS = 0.95, 0.55, 0.05


@pytest.fixture(scope="module")
def script():
    with ScriptedServer() as script:
        script.says = SURE
        yield script


@pytest.fixture(scope="module")
def road(script, seed_settings):
    store = Store.open(seed_settings)
    models = open_models(replace(seed_settings, openai_base_url=script.url, chat_model="scripted"))
    yield Road(store, models, Checker(store.embedder.embed))
    models.close()
    store.close()


def ask(road, script, *, reply=REPLY, says=SURE, belief=HELD, question=ZONES):
    script.replies, script.says, script.belief = {"": reply}, says, belief
    *before, last = road.ask(question)
    assert isinstance(last, Finished)
    told = [event.sentence for event in before if isinstance(event, Wrote)]
    written = [event.text for event in before if isinstance(event, Writing)]
    return last.answer, told, written


def test_what_passes_is_told_and_its_verdict_line_is_not(road, script):
    answer, told, written = ask(road, script)
    assert told == list(answer.sentences)
    assert told[0].text == "North Korea is developing 13 special economic zones."
    assert told[0].verdict == "supported" and written[-1] == told[0].text


def test_an_answer_that_its_text_does_not_confirm_is_never_told(road, script):
    answer, told, written = ask(road, script, says=DOUBT, belief=NOT_HELD)
    assert answer.abstained and not told and not answer.sentences
    assert written, "it is seen in the making, as what is not checked"


def test_a_first_word_without_hope_ends_the_writing_at_once(road, script):
    script.hung_up.clear()
    answer, told, written = ask(road, script, says=HOPELESS, reply=REPLY + "And so on and on. " * 200)
    assert answer.abstained and not told and not written
    assert answer.model == "scripted"
    assert script.hung_up.wait(10)


def test_a_question_about_the_whole_needs_no_sentence_that_says_it(road, script):
    answer, told, _ = ask(road, script, says=HOPELESS, belief=NOT_HELD, question="What is this article about?")
    assert not answer.abstained and told


def test_words_that_fail_the_check_but_pass_the_gate_have_the_source_quoted(road, script):
    answer, told, _ = ask(road, script, reply=WRONG)
    assert told[0].verdict == "unsupported"
    assert any(sentence.quoted and "13 special economic zones" in sentence.text for sentence in told)
    assert answer.notice == QUOTED_INSTEAD and told == list(answer.sentences)


def test_a_model_that_fails_while_it_confirms_loses_no_word(road, script):
    answer, told, _ = ask(road, script, belief=None)
    assert told[0].text == "North Korea is developing 13 special economic zones."
    assert answer.notice and not answer.abstained
