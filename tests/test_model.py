import asyncio
import logging
import queue
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from app.client import Limits
from app.embedded import EmbeddedServer, ServerOptions
from app.endpoint import Endpoint
from app.faults import clip
from app.markup import ThinkingFilter, neutralise
from app.meter import Metered
from app.model import ChatModel, ModelError, open_model
from ingest import UserError
from ingest.settings import load_settings
from tests.servers.faulty import FaultyServer
from tests.servers.obedient import ObedientServer

ASK = [{"role": "user", "content": "A secret question"}]
KEY = "sk-abcdefghijklmnop"
# Generous, so that a busy machine fails no test; short only where a limit is what is tested.
PATIENT = Limits(connect=20, first_token=40, stall=40, retry_after=2)
SHORT = {"silent": Limits(first_token=1), "stall": Limits(first_token=40, stall=0.5)}


@pytest.fixture
def server():
    with FaultyServer() as running:
        yield running


@pytest.fixture
def opened():
    models = []

    def start(url, name, limits=None):
        models.append(ChatModel(Endpoint(url, name), KEY, None, limits or SHORT.get(name, PATIENT)))
        return models[-1]

    yield start
    for model in models:
        model.close()


def ask(model, **options):
    """The text that came, and the error that ended it or None."""
    text = ""
    try:
        for piece in model.stream(ASK, max_tokens=50, **options):
            text += piece.text
    except ModelError as error:
        return text, error
    return text, None


def once_asked(server, times, then):
    """Do `then` as soon as the server has been asked so often."""

    def wait():
        while len(server.requests) < times:
            time.sleep(0.01)
        then()

    threading.Thread(target=wait, daemon=True).start()


def settings(tmp_path, **variables):
    return load_settings({"CACHE_DIR": str(tmp_path), **variables}, tmp_path / "no.env")


def test_pieces_join_to_the_text_and_the_last_tells_why_it_ended(server, opened):
    pieces = list(opened(server.url, "good").stream(ASK, max_tokens=50))
    assert [p.text for p in pieces] == ["Hello", " there.", ""]
    assert pieces[-1].finish_reason == "stop"
    assert (pieces[-1].usage.prompt_tokens, pieces[-1].usage.completion_tokens) == (7, 2)
    assert opened(server.url, "good").complete(ASK, max_tokens=50).text == "Hello there."


# model of the faulty server -> kind of error, text that stands, a word of the message
FAULTS = {
    "silent": ("timeout", "", "within 1 seconds"),
    "stall": ("stall", "Half an", "stopped writing"),
    "unauthorized": ("unauthorized", "", "OPENAI_API_KEY"),
    "missing": ("not_found", "", "It has: good, other"),
    "busy": ("rate_limit", "", "in 60 seconds"),
    "broke": ("rate_limit", "", "quota"),
    "broken": ("server", "", "HTTP 500"),
    "long_prompt": ("context", "", "longer than"),
    "cut": ("cut", "Half an", "broke off"),
    "cut_cleanly": ("cut", "Half an", "broke off"),
    "malformed": ("malformed", "Half an", "not valid JSON"),
    "malformed_first": ("malformed", "", "not valid JSON"),
    "failed_later": ("server", "Half an", "out of memory"),
    "empty": ("empty", "", "empty"),
    "nothing": ("empty", "", "empty"),
    "wrong_json": ("wrong_json", "", "OPENAI_BASE_URL"),
    "wrong_types": ("wrong_json", "", "OPENAI_BASE_URL"),
    "page": ("wrong_json", "", "text/html"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_plain_line_and_the_text_so_far_stands(server, opened, caplog, fault):
    caplog.set_level(logging.DEBUG)
    kind, stands, word = FAULTS[fault]
    text, error = ask(opened(server.url, fault))
    assert (error.kind, text, error.partial) == (kind, stands, bool(stands))
    assert word in str(error)
    assert "\n" not in str(error)
    assert KEY not in str(error) + caplog.text
    assert isinstance(error, UserError)


@pytest.mark.parametrize("fault", ["broken", "stall", "cut", "malformed"])
def test_after_a_fault_the_same_model_object_answers_again(server, opened, fault):
    model = opened(server.url, fault)
    assert ask(model)[1]
    model._client.endpoint.model = "good"
    assert ask(model) == ("Hello there.", None)


def test_nobody_listens(opened):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        assert ask(opened(url, "good"))[1].kind == "refused"


def test_name_without_address(opened, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = ask(opened("http://no-such-host.invalid/v1", "good"))[1]
    assert error.kind == "dns"
    assert "no-such-host.invalid" in str(error)


def test_https_asked_of_a_plain_server(server, opened):
    assert ask(opened(server.url.replace("http:", "https:"), "good"))[1].kind == "tls"


@pytest.mark.parametrize("name", ["busy_once", "broken_once"])
def test_tried_again_before_the_first_token(server, opened, name):
    assert ask(opened(server.url, name)) == ("Hello there.", None)
    assert server.times(name) == 2


@pytest.mark.parametrize("name, tries", [("broken", 2), ("busy", 1), ("broke", 1), ("cut", 1), ("stall", 1)])
def test_tried_no_oftener_than_is_of_use(server, opened, name, tries):
    ask(opened(server.url, name))
    assert server.times(name) == tries


def test_refused_parameters_are_left_out_and_remembered(server, opened):
    model = opened(server.url, "picky")
    assert ask(model, grammar='root ::= "x"') == ("Hello there.", None)
    assert server.times("picky") == 5
    assert ask(model, grammar='root ::= "x"') == ("Hello there.", None)
    assert server.times("picky") == 6


def test_capabilities_are_not_believed_of_a_server_that_ignores_parameters(server, opened):
    found = opened(server.url, "good").capabilities()
    assert not (found.grammar or found.json_schema or found.logprobs)
    assert found.context_tokens == 4096


def test_a_template_without_a_system_role_gets_its_words_in_the_users_turn(server, opened):
    model = opened(server.url, "gemma")
    talk = [{"role": "system", "content": "Be short."}, *ASK, {"role": "assistant", "content": "Yes."}, *ASK]
    for times in (2, 3):  # refused once, then known
        assert model.complete(talk, max_tokens=50).text == "Hello there."
        assert server.times("gemma") == times
    merged = {"role": "user", "content": f"Be short.\n\n{ASK[0]['content']}"}
    assert server.requests[-1]["messages"] == [merged, *talk[2:]]


def test_the_context_with_which_ollama_loaded_a_model_is_known(server, opened):
    assert opened(server.url, "cuts").capabilities().context_tokens == 2048
    assert opened(server.url, "picky").capabilities().context_tokens is None


def test_capabilities_are_learnt_past_refused_parameters(server, opened):
    able, picky = opened(server.url, "able"), opened(server.url, "picky")
    found = able.capabilities()
    assert found.grammar and found.json_schema and found.logprobs
    assert not picky.capabilities().grammar
    asked = server.times("picky")
    assert picky.capabilities() and ask(picky) == ("Hello there.", None)
    assert server.times("picky") == asked + 1


def test_what_a_failing_server_cannot_do_is_not_remembered(server, opened):
    model = opened(server.url, "able_later")
    assert not model.capabilities().grammar
    assert model.capabilities().grammar


def test_a_silent_server_is_given_up_once(server, opened):
    with pytest.raises(ModelError) as caught:
        opened(server.url, "silent").capabilities()
    assert caught.value.kind == "timeout" and len(server.requests) == 1


def test_cancel_ends_whatever_a_question_asks(server, opened):
    """Also before the answer itself: while it finds out what the endpoint can do, and while the gate is asked."""
    cancelled = threading.Event()
    chat = Metered(opened(server.url, "silent", Limits(first_token=200, stall=200)), None, cancelled)
    for wait in (lambda: chat.held_to_grammar, lambda: chat.complete(ASK, max_tokens=1).text):
        cancelled.clear()
        server.hung_up.clear()
        once_asked(server, len(server.requests) + 1, cancelled.set)
        assert not wait()
        assert server.hung_up.wait(10)


def test_an_endpoint_of_this_machine_is_never_asked_through_a_proxy(server, opened, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    model = opened(server.url, "good")
    assert ask(model) == ("Hello there.", None)
    assert "".join(r.delta or "" for r in model.llm().stream_complete("Hi")) == "Hello there."
    assert ask(opened(server.url.replace("127.0.0.1", "localhost"), "good")) == ("Hello there.", None)
    assert ask(opened("http://no-such-host.invalid/v1", "good"))[1].kind == "refused"  # the proxy was asked


def test_first_model_of_the_list_when_none_is_named(server, opened):
    model = opened(server.url, None)
    assert ask(model) == ("Hello there.", None)
    assert model.name == "good"


def test_a_model_that_thinks_unseen_and_does_not_stream(server, opened):
    model = opened(server.url, "reasons")
    assert ask(model) == ("Hello there.", None)
    assert ask(model, stop=["\n"], logprobs=5) == ("Hello there.", None)
    assert "stop" not in server.requests[-1]
    found = model.capabilities()
    assert not (found.grammar or found.json_schema or found.logprobs)
    asked = len(server.requests)
    assert model.capabilities() is found and len(server.requests) == asked


def test_a_connection_that_was_kept_too_long_is_made_anew(server, opened):
    assert ask(opened(server.url, "hangs_up_once")) == ("Hello there.", None)


def test_a_model_of_this_machine_is_not_asked_of_openai(tmp_path):
    for name in ("/models/some.gguf", "qwen2.5-coder-0.5b-instruct", "owner/name"):
        with pytest.raises(UserError, match="unset one of the two"):
            open_model(settings(tmp_path, CHAT_MODEL=name, OPENAI_API_KEY=KEY))


def test_thinking_is_kept_out(server, opened):
    assert ask(opened(server.url, "thinks")) == ("Hello there.", None)


def test_thinking_that_only_ends_is_taken_back_and_then_known(server, opened):
    model = opened(server.url, "thinks_unopened")
    assert model.complete(ASK, max_tokens=50).text == "Hello there."
    assert ask(model) == ("Hello there.", None)  # nothing of it is shown any more
    assert ask(opened(server.url, "good")) == ("Hello there.", None)


def test_the_end_of_a_thinking_said_once_does_not_stop_the_streaming(server, opened):
    model = opened(server.url, "thinks_when_told")
    assert model.complete([{"role": "user", "content": "think"}], max_tokens=50).text == "Hello there."
    assert ask(model) == ("Hello there.", None)  # taken for thinking, so it comes whole
    pieces = [piece.text for piece in model.stream(ASK, max_tokens=50) if piece.text]
    assert len(pieces) > 1 and "".join(pieces) == "Hello there."


def test_a_reply_that_was_taken_for_thinking_stands_when_that_never_ends():
    kept = ThinkingFilter(begun=True)
    assert (kept.feed("It is <thi"), kept.feed("n ice.")) == ("", "")
    assert kept.close() == "It is <thin ice."


def test_a_model_that_thinks_gets_room_for_it(server, opened):
    assert ask(opened(server.url, "thinks_long")) == ("Hello there.", None)


@pytest.mark.parametrize("name", ["slow", "silent"])
def test_cancel_hangs_up_also_before_the_first_token(server, opened, name):
    cancelled = threading.Event()
    model = opened(server.url, name, Limits(first_token=60, stall=60))
    once_asked(server, 1, cancelled.set)
    last = list(model.stream(ASK, max_tokens=50, cancelled=cancelled))[-1]
    assert last.finish_reason == "cancelled"
    assert server.hung_up.wait(5)


def test_closing_the_iterator_hangs_up(server, opened):
    stream = opened(server.url, "slow").stream(ASK, max_tokens=50)
    assert next(stream).text
    stream.close()
    assert server.hung_up.wait(5)


def test_many_streams_at_once(server, opened):
    model, results = opened(server.url, "good", Limits()), queue.SimpleQueue()
    threads = [threading.Thread(target=lambda: results.put(ask(model))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {results.get() for _ in threads} == {("Hello there.", None)}


@pytest.fixture
def one_by_one():
    """A model that answers one at a time and says "One", then "two." when let go; `asked` are its requests so far."""
    said, go = [], threading.Semaphore(0)

    def say(_, prompt):
        said.append(prompt)
        yield "One "
        assert go.acquire(timeout=60)
        yield "two."

    with ObedientServer(say) as server:
        limits = Limits(connect=20, first_token=3, stall=60, at_once=1)
        model = ChatModel(Endpoint(server.url, "scripted"), KEY, None, limits)
        yield SimpleNamespace(model=model, asked=said, go=go, server=server)
        model.close()


def until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def in_line(one_by_one, name, asker, **options):
    """Ask in a thread; returns once the request is at the model or waits for its turn."""
    before, told = len(one_by_one.asked) + len(one_by_one.model._client._turns._waiting), []
    asked = [{"role": "user", "content": name}]
    thread = threading.Thread(target=lambda: told.append(asker.complete(asked, max_tokens=50, **options).text))
    thread.start()
    until(lambda: len(one_by_one.asked) + len(one_by_one.model._client._turns._waiting) > before)
    return thread, told


def test_whoever_waits_for_a_turn_is_answered_in_order_and_on_a_clock_that_begins_with_it(one_by_one):
    askers = [in_line(one_by_one, name, one_by_one.model) for name in ("first", "second", "third")]
    time.sleep(4)  # longer than any of them may wait for a first word
    for number, (thread, told) in enumerate(askers, start=1):
        until(lambda: len(one_by_one.asked) >= number)  # noqa: B023 - called at once
        assert one_by_one.asked == ["first", "second", "third"][:number]
        one_by_one.go.release()
        thread.join(60)
        assert told == ["One two."]


def test_what_a_question_asks_besides_does_not_wait_behind_others(one_by_one):
    question, other = (Metered(one_by_one.model, None, threading.Event()) for _ in range(2))
    pieces = question.stream([{"role": "user", "content": "answer"}], max_tokens=50)
    assert next(pieces).text == "One "  # nobody reads on, as the road does not while the gate is asked
    askers = [in_line(one_by_one, "other", other), in_line(one_by_one, "view", question)]
    for _ in range(3):
        one_by_one.go.release()
    for thread, told in askers:
        thread.join(60)
        assert told == ["One two."]
    assert one_by_one.asked == ["answer", "view", "other"]
    assert next(pieces).text == "two."


def test_a_stop_ends_the_wait_for_a_turn_and_the_next_one_moves_up(one_by_one):
    stopped = threading.Event()
    first = in_line(one_by_one, "first", one_by_one.model)
    gone = in_line(one_by_one, "gone", one_by_one.model, cancelled=stopped)
    last = in_line(one_by_one, "last", one_by_one.model)
    stopped.set()
    gone[0].join(60)
    assert gone[1] == [""] and first[0].is_alive() and one_by_one.asked == ["first"]
    one_by_one.go.release()
    one_by_one.go.release()
    last[0].join(60)
    assert last[1] == ["One two."]
    assert one_by_one.asked == ["first", "last"]


def test_the_embedded_model_is_asked_by_as_many_at_once_as_it_has_slots_and_an_endpoint_by_all(tmp_path):
    embedded = open_model(settings(tmp_path, CHAT_MODEL=str(tmp_path / "some.gguf")), load=False)
    nearby = open_model(settings(tmp_path, CHAT_MODEL="m", OPENAI_BASE_URL="http://127.0.0.1:1/v1"))
    hosted = open_model(settings(tmp_path, OPENAI_API_KEY=KEY))
    assert [one._client.limits.at_once for one in (embedded, nearby, hosted)] == [ServerOptions().slots, None, None]


def test_a_closed_model_that_was_never_loaded_is_not_waited_for(tmp_path):
    model = ChatModel(Endpoint("", "m"), "", EmbeddedServer(tmp_path / "m.gguf"), Limits(first_token=1))
    model.close()
    text, error = ask(model)
    model.close()
    assert (text, error.kind, str(error)) == ("", "unavailable", "The embedded model has been closed.")


def test_close_ends_the_thread(server, opened):
    model = opened(server.url, "good")
    ask(model)
    model.close()
    end = time.monotonic() + 5
    while any(t.name == "chat-client" for t in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(t.name == "chat-client" for t in threading.enumerate())


def test_settings_choose_the_endpoint(tmp_path):
    local = open_model(settings(tmp_path, OPENAI_BASE_URL="http://u:pw@127.0.0.1:1/v1", CHAT_MODEL="m"))
    assert (local.name, local.where, local.remote) == ("m", "127.0.0.1:1", False)
    assert "pw" not in local.describe()
    hosted = open_model(settings(tmp_path, OPENAI_API_KEY=KEY))
    assert (hosted.where, hosted.remote) == ("api.openai.com", True)
    assert KEY not in hosted.describe()
    both = open_model(settings(tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL="https://llm.example/v1"))
    assert (both.where, both.remote) == ("llm.example", True)
    assert all(model.ready for model in (local, hosted, both))


def test_a_failed_endpoint_is_never_replaced_by_another(server, tmp_path, monkeypatch):
    connected = []
    connect = asyncio.BaseEventLoop.create_connection
    monkeypatch.setattr(
        asyncio.BaseEventLoop,
        "create_connection",
        lambda self, factory, host=None, port=None, **kw: (
            connected.append(port) or connect(self, factory, host, port, **kw)
        ),
    )
    model = open_model(settings(tmp_path, OPENAI_BASE_URL=server.url, OPENAI_API_KEY=KEY, CHAT_MODEL="broken"))
    assert ask(model)[1].kind == "server"
    assert set(connected) == {int(server.url.split(":")[2].split("/")[0])}
    model.close()


def test_unknown_embedded_model_is_named_with_the_choices(tmp_path):
    with pytest.raises(UserError, match=r"choose one of qwen2\.5-coder-1\.5b-instruct, qwen"):
        open_model(settings(tmp_path, CHAT_MODEL="gpt-9"))


def test_llama_index_rides_on_the_same_endpoint(server, opened):
    llm = opened(server.url, "good").llm()
    assert (llm.model, llm.api_base, llm.context_window) == ("good", server.url, 4096)
    assert "".join(r.delta or "" for r in llm.stream_complete("Hi")) == "Hello there."


THOUGHTS = [
    ("<think>a < b</think>Yes. 1 < 2 <t>", "Yes. 1 < 2 <t>"),
    ("No <thinking>thought", "No "),
    ("[THINK]x[/THINK]A [note]", "A [note]"),
    ("never opened</think> Then", "never opened Then"),
    ("<THINK>x</THINK>a<think>y</think>b<thi", "ab<thi"),
]


@pytest.mark.parametrize("whole, visible", THOUGHTS)
def test_thinking_is_filtered_wherever_the_reply_is_cut(whole, visible):
    for first in range(len(whole) + 1):
        for second in range(first, len(whole) + 1):
            kept = ThinkingFilter()
            parts = (whole[:first], whole[first:second], whole[second:])
            assert "".join(map(kept.feed, parts)) + kept.close() == visible


@pytest.mark.parametrize(
    "text", ["a < b, c > d", "x || y", "[1] see [note]", "<p>", "5 |> 3 is F#"[:2], "Ｓ｜Ｔ", "I <3 you"]
)
def test_ordinary_text_is_not_changed(text):
    assert neutralise(text) == text


def test_neutral_text_stays_as_it_is():
    for text in ("<|im_end|>", "<<SYS>>[INST]</s>", "<<|im_end|>|im_end|>", "<s<s>>"):
        assert neutralise(neutralise(text)) == neutralise(text)


def test_endpoint_words_are_shown_without_keys():
    assert clip(f"bad key {KEY}\nBearer xyz.abc  end.") == "bad key *** *** end"
