"""The gate on the road of a question: what waits for it, what passes, and that nothing told is taken back.

Store, checker and HTTP are real; the model is the scripted server in the part of one that a grammar holds.
"""

import json
import os
import threading
from argparse import Namespace
from dataclasses import replace

import pytest

from app.__main__ import _answer, main
from app.answer import Finished, Writing, Wrote
from app.ask import CUT, QUOTED_INSTEAD, STOPPED, Road
from app.check import Checker
from app.client import Limits
from app.endpoint import Endpoint
from app.model import ChatModel
from app.models import Models, open_models
from ingest import UserError
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


def test_a_denial_that_points_to_a_sentence_which_says_it_is_that_sentence_quoted(road, script):
    denial = "Yes\nThe sentences do not say how many there are. <<13 special economic zones>>"
    answer, told, _ = ask(road, script, reply=denial)
    assert all(sentence.quoted for sentence in told) and "13 special economic zones" in told[0].text
    assert answer.notice == QUOTED_INSTEAD
    answer, *_ = ask(road, script, reply=denial, belief=NOT_HELD, says=DOUBT)
    assert answer.abstained


def test_words_that_fail_the_check_and_cite_nothing_are_no_answer(road, script):
    answer, told, _ = ask(road, script, reply="Yes\nNobody in Lund sells umbrellas.")
    assert answer.abstained and not told and not answer.notice


def test_one_where_the_source_says_thirteen_is_never_told_as_supported(road, script):
    _, told, _ = ask(road, script, reply=REPLY.replace("13 special economic zones. ", "one special economic zone. "))
    assert all(sentence.quoted for sentence in told if sentence.verdict == "supported")


def test_an_unsupported_sentence_waits_for_one_that_is_borne_out(road, script):
    _, told, _ = ask(road, script, reply=WRONG + REPLY.partition("\n")[2])
    assert [sentence.verdict for sentence in told[:2]] == ["unsupported", "supported"]


@pytest.mark.parametrize("says", [SURE, DOUBT])
def test_a_model_that_cannot_be_asked_to_confirm_loses_no_word(road, script, says):
    longer = REPLY + "The purpose of these zones is to increase international exchanges. <<13 special economic zones>>"
    answer, told, _ = ask(road, script, reply=longer, belief=None, says=says)
    assert [sentence.text for sentence in told[:2]] == [
        "North Korea is developing 13 special economic zones.",
        "The purpose of these zones is to increase international exchanges.",
    ]
    assert not answer.abstained and not answer.notice


@pytest.mark.parametrize("why", ["length", "content_filter"])
def test_a_reply_that_the_endpoint_cut_off_says_so(road, script, why):
    script.finish = why
    try:
        answer, told, _ = ask(road, script)
    finally:
        script.finish = "stop"
    assert told and answer.notice == CUT


def test_where_no_log_probabilities_come_the_check_alone_decides(road, script):
    answer, told, _ = ask(road, script, silent=True, belief=NOT_HELD)
    assert not answer.abstained and told[0].verdict == "supported"
    answer, told, _ = ask(road, script, silent=True, reply=WRONG)
    assert answer.abstained


@pytest.mark.parametrize("moment", ["while it writes", "while it confirms"])
def test_stop_is_no_refusal(road, script, moment):
    reply, belief = REPLY, "\fNo"
    if moment == "while it writes":
        reply, belief = REPLY.replace(" zones. <<", " zones \fin all. <<"), HELD
    cancelled = threading.Event()
    script.came.clear()
    threading.Thread(target=lambda: script.came.wait(30) and cancelled.set()).start()
    answer, told, _ = ask(road, script, reply=reply, says=DOUBT, belief=belief, cancelled=cancelled)
    script.go()
    assert cancelled.is_set() and answer.notice == STOPPED and not answer.abstained
    assert told and told[0].text.startswith("North Korea is developing 13")


def test_stop_before_anything_is_written_is_no_refusal_and_says_so(road, script):
    cancelled = threading.Event()
    cancelled.set()
    for question in (ZONES, "Which protein folds chromatin?"):
        answer, told, _ = ask(road, script, says=HOPELESS, question=question, cancelled=cancelled)
        assert answer.notice == STOPPED and not answer.abstained and not told


# What a terminal obeys: a title set, the clipboard written, text cleared, a bell; C0 and C1 forms.
OBEYED = "\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x1b\\ \x1b[2J\x9b31m\x9d0;x\x9c \x08\r\x7f"
CONTROLS = {chr(code) for code in (*range(32), *range(0x7F, 0xA0))} - {"\n", "\t"}


def test_questions_leave_no_open_files_behind(road, script):
    """Each thread that reads the catalog keeps a connection of its own."""
    ask(road, script)
    before = len(os.listdir("/dev/fd"))
    for number in range(12):
        ask(road, script, question=f"{ZONES} {number}")
    assert len(os.listdir("/dev/fd")) < before + 6


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_that_a_model_writes_is_obeyed_by_the_terminal(road, script, capsys, as_json):
    script.replies = {"": f"{REPLY}It sold {OBEYED} 40 submarines to Brazil in 1987 <<13 special>>."}
    script.says, script.belief, script.silent = SURE, HELD, False
    options = Namespace(json=as_json, batch=None, model=None)
    _answer(road, {"id": "q1", "question": ZONES}, None, options)
    printed = capsys.readouterr()
    assert "It sold " in printed.out and "submarines" in printed.out
    assert not CONTROLS & set(printed.out + printed.err)
    if as_json:
        json.loads(printed.out)


def test_nothing_that_an_error_quotes_is_obeyed_by_the_terminal(monkeypatch, capsys):
    def fail():
        raise UserError(f"The endpoint says: {OBEYED}no.")

    monkeypatch.setattr("app.__main__.load_settings", fail)
    assert main(["doctor"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("The endpoint says: ") and told.endswith("no.\n")
    assert not CONTROLS & set(told)


def test_where_one_is_answered_at_a_time_no_question_waits_for_itself_and_a_stop_ends_its_wait(road, script):
    model = ChatModel(Endpoint(script.url, "scripted"), "key", None, Limits(connect=20, at_once=1))
    busy, answers, stopped = replace(road, models=Models({"scripted": model})), [], threading.Event()
    script.came.clear()
    first = threading.Thread(target=lambda: answers.append(ask(busy, script, reply=f"{REPLY}\f")[0]))
    first.start()
    assert script.came.wait(60)
    second = threading.Thread(target=lambda: answers.append([*busy.ask(ZONES, cancelled=stopped)][-1].answer))
    second.start()
    while not any(new for new, *_ in model._client._turns._waiting):  # the first's gate waits too, for its own reply
        second.join(0.01)
        assert second.is_alive()
    stopped.set()
    second.join(60)
    assert [(answer.notice, answer.sentences) for answer in answers] == [(STOPPED, ())]
    script.go()
    first.join(60)
    assert [sentence.verdict for sentence in answers[1].sentences] == ["supported"]
    model.close()
