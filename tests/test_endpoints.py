"""The same questions at three endpoints, swapped by settings alone: another maker's, a scripted one, the embedded.

The last is the default mode, and is watched: it connects to nothing but this machine.
"""

import ipaddress
import json
import os
import platform
import subprocess
import sys
from dataclasses import replace

import pytest

from app.ask import Road
from app.evaluate import read_questions, run
from ingest.settings import ROOT
from tests.servers.faulty import FaultyServer
from tests.servers.second import SecondServer

ASKED = ("d01", "d03")


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


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="dasllama has wheels for Linux on x86-64 alone"
)
def test_a_server_of_another_maker(seed_settings, model_server, questions, tmp_path):
    with SecondServer(model_server.weights, tmp_path) as second:
        settings = replace(seed_settings, openai_base_url=second.url, chat_model=second.model)
        assert cited(outcomes(settings, questions)) >= len(questions) - 1


def test_a_scripted_server(seed_settings, questions):
    with FaultyServer() as server:
        server.says_yes = True
        settings = replace(seed_settings, openai_base_url=server.url, chat_model="copies")
        assert cited(outcomes(settings, questions)) == len(questions)


WATCH = """
import os, sys
def watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        where = args[0] if event == "socket.getaddrinfo" else args[1]
        with open(os.environ["WATCHED"], "a") as file:
            file.write(f"{where[0] if isinstance(where, tuple) else where}\\n")
sys.addaudithook(watch)
"""


@pytest.mark.nightly  # a minute; tests/test_server.py watches the page's start in every run
def test_the_default_mode_answers_and_connects_to_nothing_but_this_machine(seed_settings, questions, tmp_path):
    """`app ask` with nothing set: it and all its Python children are watched from their first line by an audit hook."""
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    watched, batch = tmp_path / "watched.txt", tmp_path / "questions.jsonl"
    batch.write_text("".join(json.dumps({"id": q.question_id, "question": q.question}) + "\n" for q in questions))
    places = {"CORPUS_DIR": str(seed_settings.corpus_dir), "INDEX_DIR": str(seed_settings.index_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "app", "ask", "--batch", str(batch), "--json"],
        env=os.environ | places | {"PYTHONPATH": str(tmp_path), "WATCHED": str(watched)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=230,
    )
    assert done.returncode == 0, done.stderr
    assert "embedded; nothing leaves this machine" in done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["model"] for answer in answers] == ["qwen2.5-coder-1.5b-instruct"] * len(ASKED)
    for question, answer in zip(questions, answers, strict=True):
        quotes = [citation["quote"] for sentence in answer["sentences"] for citation in sentence["citations"]]
        assert any(gold in quote or quote in gold for gold in question.evidence for quote in quotes), answer
    hosts = set(watched.read_text().split("\n")) - {""}
    assert "127.0.0.1" in hosts, "the watch saw not even the embedded server"
    assert all(host.startswith("/") or ipaddress.ip_address(host).is_loopback for host in hosts), hosts
