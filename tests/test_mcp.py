"""The MCP door, called by the real client of the protocol over streamable HTTP."""

import json
from contextlib import asynccontextmanager

import anyio
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from ingest.store import Store

ZONES = "How many special economic zones is North Korea developing?"


@pytest.fixture
def call(zones_address):
    """`call(tool, **arguments)`: the tool's result as an object, or the line of its error."""

    def start(tool, **arguments):
        return anyio.run(_call, zones_address, tool, arguments)

    return start


@asynccontextmanager
async def session(address):
    async with (
        streamable_http_client(f"{address}/mcp") as (read, write, _),
        ClientSession(read, write) as opened,
    ):
        await opened.initialize()
        yield opened


async def _call(address, tool, arguments):
    async with session(address) as opened:
        result = await opened.call_tool(tool, arguments)
        text = result.content[0].text
        return text if result.isError else json.loads(text)


def test_the_tools_are_described(scripted_site):
    async def listed():
        async with session(scripted_site[0]) as opened:
            return (await opened.list_tools()).tools

    tools = anyio.run(listed)
    assert [tool.name for tool in tools] == ["search", "ask", "read"]
    assert all(tool.description and tool.annotations.readOnlyHint for tool in tools)


def test_an_answer_leads_to_the_words_that_read_gives(call):
    answer = call("ask", question=ZONES)
    (citation,) = answer["sentences"][0]["citations"]
    read = call("read", document_id=citation["document_id"], start=citation["start"], end=citation["end"])
    assert read["text"] == citation["quote"]
    assert "13 special economic zones" in read["text"]
    assert read["title"] == "North Korea’s Own Pivot to ASEAN"


def test_search_finds_passages_that_stand_in_the_text(call, seed_settings):
    found = call("search", query="food production", k=2)["passages"]
    assert len(found) == 2 and found[0]["score"] >= found[1]["score"]
    document = Store.open(seed_settings).catalog.document(found[0]["document_id"])
    assert all(document.text[one["start"] : one["end"]] == one["text"] for one in found)


def test_read_lists_the_articles_and_gives_a_long_text_in_parts(call):
    (listed,) = call("read")["documents"]
    whole = call("read", document_id=listed["document_id"])
    part = call("read", document_id=listed["document_id"], start=100, end=200)
    assert part["text"] == whole["text"][100:200]
    assert whole["characters"] == len(whole["text"])
    assert call("read", document_id=listed["document_id"], start=10**9)["text"] == ""


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("ask", {"question": "  "}),
        ("search", {"query": ""}),
        ("read", {"document_id": "0" * 64}),
        ("read", {"start": "x"}),
    ],
)
def test_a_fault_is_one_plain_error(call, tool, arguments):
    told = call(tool, **arguments)
    assert isinstance(told, str) and "Traceback" not in told
