"""The gate on the road of a question: what waits for it, what passes, and that nothing told is taken back.

Store, checker and HTTP are real; the model is the scripted server in the part of one that a grammar holds.
"""

import threading
from dataclasses import replace

import pytest

from app.answer import Finished, Writing, Wrote
from app.ask import QUOTED_INSTEAD, STOPPED, Road
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


def ask(road, script, *, reply=REPLY, says=SURE, belief=HELD, silent=False, question=ZONES, cancelled=None):
    script.replies, script.says, script.belief, script.silent = {"": reply}, says, belief, silent
    *before, last = road.ask(question, cancelled=cancelled)
    assert isinstance(last, Finished)
    told = [event.sentence for event in before if isinstance(event, Wrote)]
    written = [event.text for event in before if isinstance(event, Writing)]
    assert told == list(last.answer.sentences), "what was told stays, and all was told"
    return last.answer, told, written


def test_what_passes_is_told_and_its_verdict_line_is_not(road, script):
    _, told, written = ask(road, script)
    assert told[0].text == "North Korea is developing 13 special economic zones."
    assert told[0].verdict == "supported" and written[-1] == told[0].text


def test_an_answer_that_its_text_does_not_confirm_is_never_told(road, script):
    answer, told, written = ask(road, script, says=DOUBT, belief=NOT_HELD)
    assert answer.abstained and not told
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
    assert answer.notice == QUOTED_INSTEAD


def test_words_that_fail_the_check_and_cite_nothing_are_no_answer(road, script):
    for question in (ZONES, "What is this article about?"):
        answer, told, _ = ask(road, script, reply="Yes\nNobody in Lund sells umbrellas.", question=question)
        assert answer.abstained or any(sentence.quoted for sentence in told), question
        assert bool(answer.notice) == bool(told), question


def test_an_unsupported_sentence_waits_for_one_that_is_borne_out(road, script):
    _, told, _ = ask(road, script, reply=WRONG + REPLY.partition("\n")[2])
    assert [sentence.verdict for sentence in told[:2]] == ["unsupported", "supported"]


def test_a_model_that_cannot_be_asked_to_confirm_loses_no_word(road, script):
    longer = REPLY + "The purpose of these zones is to increase international exchanges. <<13 special economic zones>>"
    answer, told, _ = ask(road, script, reply=longer, belief=None)
    assert [sentence.text for sentence in told[:2]] == [
        "North Korea is developing 13 special economic zones.",
        "The purpose of these zones is to increase international exchanges.",
    ]
    assert not answer.abstained and not answer.notice


def test_where_no_log_probabilities_come_the_check_alone_decides(road, script):
    answer, told, _ = ask(road, script, silent=True, belief=NOT_HELD)
    assert not answer.abstained and told[0].verdict == "supported"
    answer, told, _ = ask(road, script, silent=True, reply=WRONG)
    assert answer.abstained


@pytest.mark.parametrize("moment", ["while it writes", "while it confirms"])
def test_stop_is_no_refusal(road, script, moment):
    reply = REPLY.replace(" zones. <<", " zones \fin\f all. <<") if moment == "while it writes" else REPLY
    cancelled = threading.Event()
    script.came.clear()
    threading.Thread(target=lambda: script.came.wait(30) and cancelled.set()).start()
    answer, told, _ = ask(
        road, script, reply=reply, says=DOUBT, belief=HELD if reply != REPLY else "\fNo", cancelled=cancelled
    )
    for _ in range(2):
        script.go()
    assert cancelled.is_set() and answer.notice == STOPPED and not answer.abstained
    assert told and told[0].text.startswith("North Korea is developing 13")
