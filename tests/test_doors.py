"""The Gradio API called by its real client, and the README's examples of every door, run as they stand."""

import json
import re
import subprocess
import sys

import anyio
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from app.ask import CUT, NO_MODEL
from ingest.settings import ROOT
from ingest.store import Store
from tests.browser import serving
from tests.test_mcp import session

ZONES = "How many special economic zones is North Korea developing?"
README = (ROOT / "README.md").read_text("utf-8").partition("## Other doors")[2].partition("\n## ")[0]
EXAMPLES = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SITE = "http://127.0.0.1:7860"


@pytest.fixture
def client(zones_address):
    return Client(zones_address, verbose=False)


def test_the_endpoints_are_named_and_described_and_the_events_of_the_page_are_none(client):
    told = client.view_api(return_format="dict")
    assert told["unnamed_endpoints"] == {}
    parameters = {
        name: [one["parameter_name"] for one in endpoint["parameters"]]
        for name, endpoint in told["named_endpoints"].items()
    }
    assert parameters == {
        "/search": ["query", "k", "documents"],
        "/ask": ["question", "documents"],
        "/read": ["document_id", "start", "end"],
    }
    assert all(endpoint["description"] for endpoint in told["named_endpoints"].values())


def test_an_answer_leads_to_the_words_of_the_article(client, seed_settings):
    (sentence,) = client.predict(ZONES, api_name="/ask")["sentences"]
    (citation,) = sentence["citations"]
    identity, start, end = (citation[name] for name in ("document_id", "start", "end"))
    read = client.predict(identity, start, end, api_name="/read")
    assert read["text"] == citation["quote"]
    assert Store.open(seed_settings).catalog.document(identity).text[start:end] == read["text"]


def test_a_question_of_a_client_that_goes_away_is_ended(scripted_site):
    address, script = scripted_site
    script.replies = {"slowly": "North Korea is developing \f" + "13 special economic zones and " * 400}
    script.came.clear()
    script.hung_up.clear()
    leaving = Client(address, verbose=False)
    leaving.submit("Say slowly how many special economic zones there are.", api_name="/ask")
    assert script.came.wait(60)
    leaving.close()
    script.go()
    assert script.hung_up.wait(50)


@pytest.mark.parametrize(
    ("endpoint", "given", "line"),
    [
        ("/ask", {"question": " "}, "The question is empty: type a question."),
        ("/ask", {"question": ZONES, "documents": "x"}, "documents: Input should be a valid list"),
        ("/search", {"query": ZONES, "k": "x"}, "k: Input should be a valid integer"),
        ("/read", {"document_id": "0" * 64}, f"No document {'0' * 64}"),
    ],
)
def test_a_fault_of_the_caller_is_one_line(client, endpoint, given, line):
    with pytest.raises(AppError) as told:
        client.predict(**given, api_name=endpoint)
    assert str(told.value).startswith(line) and "\n" not in str(told.value)


def doors(address):
    """The answer to ZONES at /mcp and at the Gradio API."""

    async def asked():
        async with session(address) as opened:
            return json.loads((await opened.call_tool("ask", {"question": ZONES})).content[0].text)

    return anyio.run(asked), Client(address, verbose=False).predict(ZONES, api_name="/ask")


def test_a_reply_that_broke_off_is_told_as_such_at_every_door(zones_address, scripted_site):
    _, script = scripted_site
    assert [(answer["notice"], answer["sentences"][0]["quoted"]) for answer in doors(zones_address)] == 2 * [
        ("", False)
    ]
    script.finish = "length"
    try:
        assert [answer["notice"] for answer in doors(zones_address)] == 2 * [CUT]
    finally:
        script.finish = "stop"


def test_quotes_in_place_of_a_failed_model_are_told_as_such_at_every_door(seed_settings):
    places = {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir}
    with serving(OPENAI_BASE_URL="http://127.0.0.1:9/v1", CHAT_MODEL="none", **places) as address:
        for answer in doors(address):
            assert answer["model"] is None and NO_MODEL in answer["notice"]
            assert answer["sentences"] and all(sentence["quoted"] for sentence in answer["sentences"])


def test_the_examples_of_the_readme_work(zones_address):
    printed = []
    for kind, example in EXAMPLES:
        assert SITE in example
        here = example.replace(SITE, zones_address)
        if kind == "json":
            continue
        command = ["sh", "-c", here] if kind == "sh" else [sys.executable, "-c", here]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert [kind for kind, _ in EXAMPLES] == ["sh", "python", "json", "python"]
    assert all("13 special economic zones" in text for text in printed)


def test_the_mcp_configuration_of_the_readme_leads_to_the_tools(zones_address):
    (example,) = [json.loads(example) for kind, example in EXAMPLES if kind == "json"]
    (server,) = example["mcpServers"].values()
    assert server["url"] == f"{SITE}/mcp"

    async def tools():
        async with session(zones_address) as opened:
            return {tool.name for tool in (await opened.list_tools()).tools}

    assert anyio.run(tools) == {"search", "ask", "read"}


def test_with_a_log_in_the_key_opens_the_gradio_api(seed_settings):
    places = {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir}
    with serving(APP_AUTH="ada:a-long-password", OPENAI_BASE_URL="http://127.0.0.1:9/v1", **places) as address:
        keyed = Client(address, headers={"Authorization": "Bearer ada:a-long-password"}, verbose=False)
        assert len(keyed.predict("food production", k=2, api_name="/search")["passages"]) == 2
        with pytest.raises(ValueError, match="Please login"):
            Client(address, headers={"Authorization": "Bearer ada:wrong"}, verbose=False)
