"""What one chat endpoint can do, found out by asking it, and the requests that fit it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import openai

from app.faults import overflow
from app.reply import Piece

# A parameter that an endpoint may not know -> how its error messages name it.
_OPTIONAL = {
    "grammar": ("grammar",),
    "response_format": ("response_format", "json_schema", "structured output"),
    "logprobs": ("logprobs",),
    "stream_options": ("stream_options",),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens",),
    "stop": ("'stop'", "stop sequences", "parameter: stop"),
    "stream": ("'stream'", "to stream"),  # OpenAI streams some models to verified organisations alone
    "system": ("system role", "system message", "developer instruction", "'system'"),  # Gemma's template has none
}
_UNKNOWN = (
    "verified",
    "support",
    "not enabled",
    "unrecognized",
    "unknown",
    "not permitted",
    "not allowed",
    "unexpected",
    "extra",
)
_THINKING_TOKENS = 4096
_FAR_ABOVE = 100.0  # all other tokens, in logits: among those that are raised alike nothing changes


@dataclass(frozen=True)
class Request:
    """One question to the model; `max_tokens` counts the visible answer.

    With `tokens`, ids, no text is asked for but how likely each is to be the next, among themselves: llama.cpp alone
    tells that. The token that it draws for it is of no account.
    """

    messages: list[dict[str, str]]
    max_tokens: int
    temperature: float = 0.0
    grammar: str | None = None
    json_schema: dict[str, Any] | None = None
    logprobs: int | None = None
    stop: list[str] | None = None
    tokens: tuple[int, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """Found out by asking the endpoint. `context_tokens` for one request, None when it does not tell."""

    grammar: bool
    json_schema: bool
    logprobs: bool
    context_tokens: int | None


@dataclass
class Endpoint:
    """An OpenAI-shaped endpoint and what it is known to refuse (learnt from its own errors)."""

    base_url: str
    model: str | None
    refused: set[str] = field(default_factory=set)
    thinks: bool = False
    thinks_unopened: bool = False  # its replies begin in the middle of thinking
    capabilities: Capabilities | None = None
    choices: tuple[str, ...] = ()  # what it lists, where the user named none of them

    @property
    def host(self) -> str:
        """Host and port, for display; never a user name or password of the URL."""
        parts = urlsplit(self.base_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or self.base_url

    def take_first(self, listed: Sequence[dict[str, Any]]) -> None:
        """Ask the first model of a list, one that its name calls an embedder only where there is no other."""
        self.choices = tuple(str(entry["id"]) for entry in listed)
        self.model = min(self.choices, key=lambda name: "embed" in name.lower(), default=None)

    def body(self, request: Request, without: set[str]) -> dict[str, Any]:
        """The arguments of `chat.completions.create`, less what the endpoint refuses and `without`."""
        if request.tokens:
            return self._shares_body(request)
        left_out = self.refused | without
        extra: dict[str, Any] = {}
        body: dict[str, Any] = {
            "model": self.model or "default",
            "messages": _without_system(request.messages) if "system" in left_out else request.messages,
            "stream": True,
            "extra_body": extra,
        }
        body["max_completion_tokens" if "max_tokens" in left_out else "max_tokens"] = self._tokens(request)
        if "temperature" not in left_out:
            body["temperature"] = request.temperature
        if "stream" in left_out:
            extra["stream"] = False  # goes before the argument
        elif "stream_options" not in left_out:
            body["stream_options"] = {"include_usage": True}
        if request.stop and not self.thinks and "stop" not in left_out:  # it would end the thinking
            body["stop"] = request.stop
        if request.logprobs and "logprobs" not in left_out:
            body |= {"logprobs": True, "top_logprobs": request.logprobs}
        if request.json_schema and "response_format" not in left_out:
            body["response_format"] = json_format(request.json_schema)
        if request.grammar and "grammar" not in left_out:
            extra["grammar"] = request.grammar
        return body

    def _shares_body(self, request: Request) -> dict[str, Any]:
        return {
            "model": self.model or "default",
            "messages": request.messages,
            "max_tokens": 1,
            "logprobs": True,
            "top_logprobs": len(request.tokens),
            "extra_body": {
                "post_sampling_probs": True,
                "samplers": [],
                "logit_bias": [[token, _FAR_ABOVE] for token in request.tokens],
            },
        }

    def _tokens(self, request: Request) -> int:
        """Tokens to be written at most: with room for thinking, as far as the context has it."""
        if not self.thinks:
            return request.max_tokens
        room = _THINKING_TOKENS
        if self.capabilities and self.capabilities.context_tokens:
            read = sum(len(message["content"].encode()) for message in request.messages) // 3
            room = max(0, min(room, self.capabilities.context_tokens - read - request.max_tokens))
        return request.max_tokens + room

    def drop(self, error: openai.APIStatusError, body: dict[str, Any]) -> str | None:
        """The parameter of `body` that the endpoint's error names, to be left out of the next try.

        It is remembered for good when the error says that the endpoint does not know it.
        """
        said = f"{error.message} {getattr(error, 'param', '') or ''}".lower()
        if error.status_code not in (400, 403, 404, 415, 422, 500, 501) or overflow(error.message):
            return None
        for name, words in _OPTIONAL.items():
            sent = name in body or name in body["extra_body"] or name == body["messages"][0]["role"]
            if sent and any(word in said for word in words):
                if any(word in said for word in _UNKNOWN):
                    self.refused.add(name)
                return name
        return None


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same with the system's words in front of the first user's."""
    if len(messages) < 2 or messages[0]["role"] != "system":
        return messages
    system, first, *rest = messages
    return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest]


def json_format(schema: dict[str, Any]) -> dict[str, Any]:
    """The `response_format` of a JSON schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


# Tiny requests that show by their reply what an endpoint does with a parameter, also when it ignores it.
_SCHEMA = {
    "type": "object",
    "properties": {"fruit": {"type": "string", "enum": ["kiwi"]}},
    "required": ["fruit"],
    "additionalProperties": False,
}
_FRUIT = [{"role": "user", "content": 'Name one fruit as JSON: {"fruit": "..."}.'}]
WITH_LOGPROBS = Request(_FRUIT, 24, logprobs=2)
TRIALS = (
    Request(_FRUIT, 24, json_schema=_SCHEMA),
    Request(_FRUIT, 24, grammar='root ::= "kiwi"'),
    WITH_LOGPROBS,
)


def judge_trials(replies: Sequence[Piece | None], context_tokens: int | None) -> Capabilities:
    """What the replies to TRIALS show, in their order; None where one was refused."""
    as_json, as_grammar, with_logprobs = replies
    return Capabilities(
        grammar=as_grammar is not None and as_grammar.text.strip() == "kiwi",
        json_schema=as_json is not None and _loads(as_json.text) == {"fruit": "kiwi"},
        logprobs=with_logprobs is not None and bool(with_logprobs.logprobs),
        context_tokens=context_tokens,
    )


async def told_capabilities(client: openai.AsyncOpenAI, endpoint: Endpoint) -> Capabilities | None:
    """What the endpoint tells of itself at /props, as llama.cpp does; None when it does not."""
    props = await _get(client, endpoint.base_url.removesuffix("/v1") + "/props")
    settings = props.get("default_generation_settings")
    return Capabilities(True, True, True, settings.get("n_ctx")) if isinstance(settings, dict) else None


async def list_models(client: openai.AsyncOpenAI) -> list[dict[str, Any]]:
    """The entries of /v1/models; empty when the endpoint has no such list."""
    found = (await _get(client, str(client.base_url).rstrip("/") + "/models")).get("data")
    return [entry for entry in found or [] if isinstance(entry, dict) and entry.get("id")]


async def context_tokens(client: openai.AsyncOpenAI, endpoint: Endpoint) -> int | None:
    """Tokens of context by /v1/models, under the names that vLLM, OpenRouter, LM Studio, llama.cpp use, or Ollama's."""
    for entry in await list_models(client):
        if entry["id"] == endpoint.model:
            facts = {**(entry.get("meta") or {}), **entry}
            names = (
                "max_model_len",
                "context_length",
                "loaded_context_length",
                "context_window",
                "n_ctx_train",
            )
            if told := next((facts[n] for n in names if isinstance(facts.get(n), int)), None):
                return int(told)
    return await _loaded_context(client, endpoint)


async def _loaded_context(client: openai.AsyncOpenAI, endpoint: Endpoint) -> int | None:
    """Tokens of context with which Ollama has loaded the model: what is beyond them it cuts without a word."""
    loaded = (await _get(client, endpoint.base_url.removesuffix("/v1") + "/api/ps")).get("models")
    names = (endpoint.model, f"{endpoint.model}:latest")
    found = [one for one in loaded or [] if isinstance(one, dict) and one.get("name") in names]
    told = [one["context_length"] for one in found if isinstance(one.get("context_length"), int)]
    return told[0] if told else None


async def _get(client: openai.AsyncOpenAI, url: str) -> dict[str, Any]:
    try:
        found = await client.get(url, cast_to=object, options={"timeout": 5})
    except (openai.APIError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
