"""The OpenAI-compatible door, asked by the real `openai` client over HTTP."""

import httpx
import openai
import pytest

from tests.servers.scripted import HELD, NOT_HELD

ZONES = "How many special economic zones is North Korea developing?"
PURPOSE = "And what is the purpose of these special economic zones?"
SENTENCE = (
    "Furthermore, North Korea is developing 13 special economic zones, and the purpose of these zones is to "
    "increase international exchanges and cooperation."
)
ANSWER = (
    "North Korea is developing 13 special economic zones. [1] It sold 40 submarines to Brazil in 1987. [1] "
    "(not supported by the sources: "
)
NOTE = f"[1] “{SENTENCE}” — North Korea’s Own Pivot to ASEAN"


@pytest.fixture
def address(scripted_site):
    address, script = scripted_site
    script.belief = HELD
    script.replies = {
        "special economic zones": "North Korea is developing 13 special economic zones <<13 special>>. "
        "It sold 40 submarines to Brazil in 1987 <<13 special>>.",
        "link": "See [the zones](http://a.b/c) and ![x](http://a.b/d), 13 zones <<13 special>>.",
    }
    return address


@pytest.fixture
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        yield client


def ask(client, question=ZONES, **options):
    return client.chat.completions.create(
        model="reading-room", messages=[{"role": "user", "content": question}], **options
    )


def test_an_answer_has_its_citations_in_the_message_and_beside_it(client):
    done = ask(client)
    content = done.choices[0].message.content
    assert content.startswith(ANSWER)
    assert content.endswith(NOTE)
    (citation,) = done.citations
    assert (citation["number"], citation["quote"], citation["title"]) == (
        1,
        SENTENCE,
        "North Korea’s Own Pivot to ASEAN",
    )
    assert done.answer["sentences"][0]["verdict"] == "supported"
    assert done.answer["sentences"][1]["verdict"] == "unsupported"
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens > 0


def test_a_stream_adds_up_to_the_same_message(client):
    chunks = list(ask(client, stream=True))
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert len(pieces) == 3  # a sentence at a time, then the notes
    assert "".join(pieces) == ask(client).choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert [one["quote"] for one in chunks[-1].citations] == [SENTENCE]


def test_an_abstention_is_said_in_both_forms(client, scripted_site):
    scripted_site[1].belief = NOT_HELD
    done = ask(client, "Who won the football world cup?")
    assert done.choices[0].message.content == "The sources do not answer this."
    assert done.answer["abstained"] is True and done.citations == []
    chunks = list(ask(client, "Who won the football world cup?", stream=True))
    said = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert said == "The sources do not answer this."


def test_earlier_messages_are_the_conversation(client, scripted_site):
    messages = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": ZONES},
        {"role": "assistant", "content": "North Korea is developing 13 special economic zones."},
        {"role": "user", "content": [{"type": "text", "text": PURPOSE}]},
    ]
    done = client.chat.completions.create(model="reading-room", messages=messages)
    assert done.answer["question"] == PURPOSE
    assert not done.answer["abstained"]


def test_what_a_model_writes_becomes_no_link_in_another_program(client):
    content = ask(client, "Where is the link to the zones?").choices[0].message.content
    assert "](" not in content.replace("\\]", "").replace("\\[", "")


def test_sources_can_be_chosen(client):
    done = ask(client, extra_body={"documents": ["0" * 64]})
    assert done.answer["abstained"] is True and done.answer["passages"] == []


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == ["reading-room"]


@pytest.mark.parametrize("messages", [[], [{"role": "assistant", "content": "x"}], [{"role": "user", "content": " "}]])
def test_a_request_without_a_question_is_refused_in_one_line(client, messages):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="reading-room", messages=messages)
    assert "\n" not in refused.value.message and "question" in refused.value.message


def test_a_body_that_is_not_json_is_refused(address):
    reply = httpx.post(f"{address}/v1/chat/completions", content=b"{", headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["error"]["message"]) == (400, "The body is not JSON.")
