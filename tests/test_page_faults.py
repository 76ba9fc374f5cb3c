"""Every fault of a chat endpoint as a reader of the page meets it: the real app in a process, a real Chromium.

The endpoint is the scripted server, whose models each go wrong in one way; the page's own chooser picks
the fault. What cannot be waited for, and names that must not be looked up, are changed in the app's
process by a `sitecustomize` on its path. All faults but those of the connection share one app, one page
and one conversation, which each of them leaves as it was.
"""

import os
import socket
import ssl
import subprocess

import pytest

from app.ask import NO_MODEL
from ingest.settings import ROOT
from tests.browser import Visit, launched, serving
from tests.servers.faulty import FaultyServer, delta
from tests.test_ask_faults import WRITTEN
from tests.test_model import FAULTS, KEY

GOOD = "copies"
FOOD = "How large is total food production in North Korea now?"
ZONES = "How many special economic zones is North Korea developing?"
ARTICLE = "North Korea’s Own Pivot to ASEAN"
IMAGE = "<img src=x onerror=document.title='active'>"
ACTIVE = "img, script, iframe, object, embed, form, a"
TURNS = """[...document.querySelectorAll('.turn')].map((turn) =>
  ['.question', '.answer', '.told', '.foot'].map((part) => turn.querySelector(part).innerText))"""

# Models of which a limit is waited for get a short one.
IMPATIENT = """
import app.models
from app.client import Limits

opened, short = app.models.open_model, {"silent": Limits(first_token=1), "stall": Limits(stall=1)}


def open_model(settings, name=None, load=True):
    model = opened(settings, name, load)
    model._client.limits = short.get(name, model._client.limits)
    return model


app.models.open_model = open_model
"""

# A name that is unknown until the file `known` is there, and is then this machine's.
HOST = "model.invalid"
NAMES = """
import os, socket

found = socket.getaddrinfo


def look_up(host, *rest, **more):
    if host not in ({host!r}, {host!r}.encode()):
        return found(host, *rest, **more)
    if not os.path.exists({known!r}):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return found("127.0.0.1", *rest, **more)


socket.getaddrinfo = look_up
"""


def hooked(folder, code):
    """The variable by which the app's process runs `code` before all else."""
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}


def hostile(handler):
    """A model that writes HTML, and fails in HTML."""
    handler.say(delta(f"Half {IMAGE} an"), {"error": {"message": f"out of {IMAGE} memory", "code": 500}})


@pytest.fixture(scope="module")
def server():
    running = FaultyServer()
    running.says_yes = True
    running._http.RequestHandlerClass.hostile = hostile
    with running:
        yield running


@pytest.fixture(scope="module")
def places(seed_settings):
    return {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir, "OPENAI_API_KEY": KEY}


@pytest.fixture(scope="module")
def browser(chromium):
    with launched(chromium) as running:
        yield running


@pytest.fixture(scope="module")
def visit(browser, places, server, tmp_path_factory):
    """The page over all models of the faulty server, its conversation begun with a turn that went well."""
    models = ",".join((GOOD, *FAULTS, "hostile", "busy_once"))
    hook = hooked(tmp_path_factory.mktemp("impatient"), IMPATIENT)
    with serving(OPENAI_BASE_URL=server.url, CHAT_MODELS=models, **places, **hook) as address:
        visit = Visit(browser, address)
        ask(visit.open(), FOOD, GOOD)
        assert "5.03 million tons" in well_answered(visit.page)
        yield visit
        visit.context.close()


@pytest.fixture
def page(visit):
    """The page, of which at the end of the test the conversation so far is the same, and nothing else is wrong."""
    earlier = turns(visit.page)
    yield visit.page
    assert turns(visit.page)[: len(earlier)] == earlier
    visit.check()


def ask(page, question, model=None):
    if model:
        page.select_option("#model", model)
    page.fill("#question", question)
    page.press("#question", "Enter")


def retry(page, model=None):
    """Ask the last question again."""
    if model:
        page.select_option("#model", model)
    page.locator(".turn").last.locator("button[title='Ask again']").click()


def turns(page):
    """What is read in each turn of the conversation, whether or not its passages are unfolded."""
    return page.evaluate(TURNS)


def last(page):
    """The element of the last turn, when it has ended."""
    page.wait_for_selector(".turn:last-child footer:not([hidden])")
    return page.locator(".turn").last


def well_answered(page):
    """The last answer: one sentence of a model, supported and cited, and nothing to be told of it."""
    turn = last(page)
    claim = turn.locator(".claim")
    assert (claim.count(), claim.get_attribute("class"), claim.locator(".chip").count()) == (1, "claim", 1)
    assert turn.locator(".told").inner_text() == ""
    assert f" · {GOOD} · " in turn.locator(".foot").inner_text()
    return claim.inner_text()


def fault_told(page, question=ZONES):
    """The one line on what went wrong; the question stands over it, and the passages are shown with it.

    Nothing in it is active, and the key is nowhere in the page.
    """
    turn = last(page)
    assert turn.locator(".question").inner_text() == question
    line = turn.locator(".told").inner_text()
    assert turn.locator(".told *").count() == turn.locator(".told > .notice").count() == 1
    assert line and "\n" not in line and "Traceback" not in line
    assert turn.locator(ACTIVE).count() == 0 and page.title() == "Reading room"
    assert KEY not in page.content()
    turn.locator(".evidence summary").click()
    passage = turn.locator(".hits > li").first
    assert passage.is_visible() and ARTICLE in passage.inner_text()
    return line


def stands_incomplete(page, line, text="Half an"):
    """What was written before the fault is there as it came, and is said to be incomplete."""
    assert last(page).locator(".claim > span").all_inner_texts() == [text]
    assert "The text so far is incomplete." in line and NO_MODEL not in line


def quoted_instead(page, line):
    """No model wrote anything: the sources' own sentences, each with its citation, are the answer."""
    claims = last(page).locator(".claim")
    assert claims.count() == claims.locator("> q").count() == claims.locator(".chip").count() > 0
    assert NO_MODEL in line


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_plain_line_and_asking_again_answers(page, fault):
    before = len(turns(page))
    ask(page, ZONES, fault)
    line = fault_told(page)
    assert FAULTS[fault][2] in line
    (stands_incomplete if fault in WRITTEN else quoted_instead)(page, line)
    retry(page, GOOD)
    assert "13 special economic zones" in well_answered(page)
    assert len(turns(page)) == before + 1


def test_what_a_failing_endpoint_writes_is_never_active(page):
    ask(page, ZONES, "hostile")
    line = fault_told(page)
    assert f"out of {IMAGE} memory" in line
    stands_incomplete(page, line, f"Half {IMAGE} an")


def test_a_cut_answer_outlasts_the_page_and_the_conversation_goes_on(page):
    ask(page, ZONES, "cut")
    line = fault_told(page)
    page.reload()
    assert fault_told(page) == line
    stands_incomplete(page, line)
    earlier = turns(page)
    ask(page, FOOD, GOOD)
    well_answered(page)
    assert turns(page)[:-1] == earlier


def test_an_endpoint_that_is_busy_for_a_moment_is_waited_for(page, server):
    ask(page, ZONES, "busy_once")
    turn = last(page)
    assert server.times("busy_once") == 2
    assert turn.locator(".notice").count() == 0


# --- No connection at all ------------------------------------------------------------------------------


def certificate(path):
    """A certificate of HOST, signed by itself, with its key in the same file."""
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=model"
    command = [*make.split(), "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", path, "-out", path]
    subprocess.run(command, check=True, capture_output=True)
    return path


def secured(bound, context):
    """A model server, not yet started, that speaks TLS on the port that `bound` has."""
    server = FaultyServer()
    server.says_yes = True
    server._http.socket.close()
    bound.listen()
    server._http.socket = context.wrap_socket(bound, server_side=True)
    return server


def no_connection(page, question, word):
    line = fault_told(page, question)
    assert word in line and HOST in line and "OPENAI_BASE_URL" in line
    quoted_instead(page, line)


def test_a_host_that_is_unknown_then_closed_then_not_trusted_answers_once_all_is_mended(browser, places, tmp_path):
    known, trusted = tmp_path / "known", certificate(tmp_path / "trusted.pem")
    variables = places | hooked(tmp_path, NAMES.format(host=HOST, known=str(known)))
    variables |= {"SSL_CERT_FILE": trusted, "NO_PROXY": "*", "no_proxy": "*", "CHAT_MODEL": GOOD}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path / "other.pem"))
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"https://{HOST}:{bound.getsockname()[1]}/v1"
        with serving(OPENAI_BASE_URL=url, **variables) as address:
            visit = Visit(browser, address)
            page = visit.open()
            ask(page, FOOD)
            no_connection(page, FOOD, "cannot be found")
            earlier = turns(page)
            known.touch()
            ask(page, ZONES)
            no_connection(page, ZONES, "Nothing answers at")
            with secured(bound, context):
                retry(page)
                no_connection(page, ZONES, "CERTIFICATE_VERIFY_FAILED")
                context.load_cert_chain(trusted)
                retry(page)
                assert "13 special economic zones" in well_answered(page)
            assert turns(page)[:-1] == earlier
            visit.check()
            visit.context.close()
