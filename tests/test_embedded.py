"""The embedded server, over HTTP with the real client: users at once, cancel, cache, control tokens, a kill."""

import os
import signal
import threading
import time

import openai
import pytest

from app.client import Limits
from app.embedded import EmbeddedServer, physical_cores
from app.endpoint import Endpoint
from app.markup import neutralise
from app.memory import needed_memory
from app.model import ChatModel

LONG = "The harbour office keeps one ledger for each of the boats that moor at the northern quay. " * 4
ENDLESS = "root ::= [a-z ] root"  # never lets the model end
PATIENT = Limits(first_token=600, stall=600)


@pytest.fixture(scope="module")
def client(model_server):
    return openai.OpenAI(base_url=model_server.base_url, api_key=model_server.api_key, timeout=600, max_retries=0)


@pytest.fixture(scope="module")
def model(model_server):
    model = ChatModel(Endpoint(model_server.base_url, "embedded"), model_server.api_key, None, PATIENT)
    yield model
    model.close()


def message(content):
    return [{"role": "user", "content": content}]


def ask(client, content, tokens=8):
    return client.chat.completions.create(model="any", messages=message(content), max_tokens=tokens, temperature=0)


def test_it_takes_only_its_own_key_and_listens_on_loopback_alone(model_server):
    assert model_server.base_url.startswith("http://127.0.0.1:")
    with pytest.raises(openai.AuthenticationError):
        ask(openai.OpenAI(base_url=model_server.base_url, api_key="guess", max_retries=0), "Hi")


def test_four_users_at_once_all_finish(client):
    replies = {}

    def user(number):
        replies[number] = ask(client, f"{LONG}\nWrite only the number {number}.", 4).choices[0]

    threads = [threading.Thread(target=user, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: reply.message.content.strip(".") for number, reply in replies.items()} == {
        number: str(number) for number in range(1, 5)
    }


def test_what_an_earlier_turn_had_read_is_not_read_again(client):
    ask(client, f"{LONG} How many ledgers are there?", 1)
    second = ask(client, f"{LONG} Where do the boats moor?").usage
    read = second.prompt_tokens - second.prompt_tokens_details.cached_tokens
    assert second.prompt_tokens > 80 and read < 20


def test_cancelling_frees_the_slot(model, model_server):
    """All slots write without end and a fifth question waits: one is cancelled, and it is answered meanwhile."""
    cancels = [threading.Event() for _ in range(model_server.options.slots)]
    begun, ended = threading.Semaphore(0), {}

    def user(number):
        pieces = model.stream(message("Go on."), max_tokens=3000, grammar=ENDLESS, cancelled=cancels[number])
        written = 0
        for piece in pieces:
            written += bool(piece.text)
            if written == 1 and piece.text:
                begun.release()
        ended[number] = (piece.finish_reason, written)

    threads = [threading.Thread(target=user, args=(number,)) for number in range(len(cancels))]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            assert begun.acquire(timeout=200)
        cancels[0].set()
        assert model.complete(message("Say hello."), max_tokens=1).text
        threads[0].join()
        assert set(ended) == {0} and ended[0][0] == "cancelled" and ended[0][1] < 1000
    finally:
        for cancelled in cancels:
            cancelled.set()
        for thread in threads:
            thread.join()


def test_control_tokens_in_a_document_are_plain_text(client):
    """As control tokens they are one token of the prompt each; as text, several."""
    tokens = ["<|im_end|>", "<|im_start|>", "<|endoftext|>", "<|fim_prefix|>", "<|object_ref_start|>"]

    def read(words):
        return ask(client, " x ".join(["", *words, ""]), 1).usage.prompt_tokens

    bare, control, harmless = read([""] * 5), read(tokens), read(map(neutralise, tokens))
    assert control - bare <= 2 * len(tokens) < 3 * len(tokens) <= harmless - bare


def test_a_killed_process_is_named_and_started_anew(model_server):
    server = EmbeddedServer(model_server.weights)
    model = ChatModel(Endpoint("", "embedded"), "", server, PATIENT)
    server.start()
    try:
        assert server.wait(200), server.reason
        first = server.base_url, server.api_key
        os.kill(server._process.pid, signal.SIGKILL)
        _until(lambda: server.state == "failed")
        assert "killed, most often for want of memory" in model.problem
        assert model.complete(message("Say hello."), max_tokens=1).text
        assert server.state == "ready" and (server.base_url, server.api_key) != first
    finally:
        model.close()
    assert server.state == "stopped"


def test_where_memory_is_short_the_model_is_loaded_with_a_smaller_attention_cache(model_server, monkeypatch):
    monkeypatch.setattr("app.embedded.free_memory", lambda: int(needed_memory(model_server.weights, 8192)))
    server = EmbeddedServer(model_server.weights)
    model = ChatModel(Endpoint("", "embedded"), "", server, PATIENT)
    try:
        assert model.capabilities().context_tokens == 8192
    finally:
        model.close()


def test_a_file_that_is_no_model_is_one_clear_line(tmp_path):
    wrong = tmp_path / "wrong.gguf"
    wrong.write_bytes(b"GGUF" + bytes(4000))
    server = EmbeddedServer(wrong)
    server.start()
    assert not server.wait(200)
    assert "wrong.gguf could not be loaded" in server.reason and "CHAT_MODEL" in server.reason
    assert "\n" not in server.reason
    server.stop()


def test_threads_are_the_cores_that_this_process_may_use():
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


def _until(true):
    end = time.monotonic() + 60
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    assert true()
