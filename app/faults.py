"""Faults of a chat endpoint -> one plain line each: what happened and what to do."""

import json
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from time import time

import httpx
import openai

from ingest import UserError

CHECK_URL = "Check that OPENAI_BASE_URL is an OpenAI-compatible endpoint (it mostly ends in /v1)."


class ModelError(UserError):
    """The model could not answer, or not to the end; the message is one line for the user.

    `kind` is one of: refused, dns, tls, connect, timeout, stall, unauthorized, not_found,
    rate_limit, server, context, cut, malformed, wrong_json, empty, thinking, rejected, unavailable.
    `partial` is true when text had already been given: it stands, and is incomplete.
    """

    def __init__(self, kind: str, message: str, partial: bool = False) -> None:
        super().__init__(message + (" The text so far is incomplete." if partial else ""))
        self.kind = kind
        self.partial = partial


# What the client, its transport, and the reading of an odd reply can raise.
FAULTS = (
    ModelError,
    openai.OpenAIError,
    httpx.HTTPError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)


def explain(error: BaseException, host: str, model: str, partial: bool) -> ModelError:
    """Turn what the client raised into a `ModelError`; nothing secret of the request is in it."""
    if isinstance(error, ModelError):
        return ModelError(error.kind, str(error), partial) if partial and not error.partial else error
    kind, message = _explain(error, host, model)
    return ModelError(kind, message, partial)


def _explain(error: BaseException, host: str, model: str) -> tuple[str, str]:
    if isinstance(error, openai.APIStatusError):
        return _status(error, host, model)
    for look in (_named, _transport):
        for cause in _causes(error):
            if found := look(cause, host):
                return found
    if isinstance(error, openai.APIError):
        if overflow(error.message):
            return _overflow(host)
        return "server", f"{host} reported an error: {clip(error.message)}. Ask again."
    return "wrong_json", f"{host} sent a reply of an unknown shape ({type(error).__name__}). {CHECK_URL}"


def _named(cause: BaseException, host: str) -> tuple[str, str] | None:
    """The fault of a connection by a cause that says what it is, however deep it lies."""
    if isinstance(cause, ssl.SSLError):
        return "tls", (
            f"The secure connection to {host} failed ({cause.reason or 'TLS error'}): its certificate or the "
            "protocol (http or https) is wrong. Check OPENAI_BASE_URL."
        )
    if isinstance(cause, socket.gaierror):
        return "dns", f"The name {host} cannot be found. Check OPENAI_BASE_URL and the network."
    if isinstance(cause, ConnectionRefusedError):
        return "refused", f"Nothing answers at {host}. Start the model server, or check OPENAI_BASE_URL."
    if isinstance(cause, (json.JSONDecodeError, UnicodeDecodeError)):
        return (
            "malformed",
            f"{host} sent a reply that is not valid JSON. Ask again; if it stays so: {CHECK_URL}",
        )
    return None


def _transport(cause: BaseException, host: str) -> tuple[str, str] | None:
    """The fault of a connection by the transport's own kinds of error."""
    if isinstance(cause, (httpx.TimeoutException, TimeoutError)):
        return "connect", f"{host} could not be reached in time. Check OPENAI_BASE_URL and the network."
    if isinstance(cause, httpx.ConnectError):
        return "connect", f"{host} could not be reached ({cause}). Check OPENAI_BASE_URL and the network."
    if isinstance(cause, (httpx.NetworkError, httpx.ProtocolError, ConnectionError)):
        return "cut", f"The connection to {host} broke off. Ask again."
    return None


def _status(error: openai.APIStatusError, host: str, model: str) -> tuple[str, str]:
    code, said = error.status_code, clip(_words(error))
    if code == 401:
        return "unauthorized", f"{host} refused the key (HTTP {code}). Check OPENAI_API_KEY."
    if code == 403:
        return "unauthorized", f"{host} does not allow this (HTTP {code}: {said}). Check OPENAI_API_KEY and CHAT_MODEL."
    if code == 402:
        return "rate_limit", f"The account at {host} has no credit for this (HTTP {code}: {said}). Check its billing."
    if code == 404:
        return "not_found", f"{host} has no model {model!r} (HTTP 404: {said}). Set CHAT_MODEL to one that it has, " \
            "and check that OPENAI_BASE_URL is right (it mostly ends in /v1)."  # fmt: skip
    if spent(error):
        return (
            "rate_limit",
            f"The account at {host} has no quota left (HTTP 429). Check its plan and billing.",
        )
    if code == 429:
        wait = error.response.headers.get("retry-after", "")
        when = f"in {wait} seconds" if wait.isdigit() else "in a minute"
        return "rate_limit", f"{host} takes no more questions for now (HTTP 429). Ask again {when}."
    if overflow(error.message):
        return _overflow(host)
    if code >= 500:
        return "server", f"{host} failed (HTTP {code}). Ask again; if it stays so, look at the model server."
    return "rejected", f"{host} rejected the request (HTTP {code}: {said}). Check CHAT_MODEL."


def _overflow(host: str) -> tuple[str, str]:
    return "context", f"The question with its evidence is longer than the model at {host} can read. Start " \
        "a new conversation, ask more shortly, or choose a model with a larger context."  # fmt: skip


def spent(error: openai.APIStatusError) -> bool:
    """Is there no quota left, so that waiting is of no use? Others speak of quotas and mean the next minute."""
    if error.status_code != 429 or "retry-after" in error.response.headers:
        return error.status_code == 429 and error.code == "insufficient_quota"
    return error.code == "insufficient_quota" or "quota" in error.message.lower()


def _words(error: openai.APIStatusError) -> str:
    """What the endpoint itself said of the error."""
    said = error.body.get("message") if isinstance(error.body, dict) else None
    return said if isinstance(said, str) else error.message


def overflow(message: str) -> bool:
    """Does the endpoint complain about the length of the prompt?"""
    said = message.lower()
    if re.search(r"(prompt|input|inputs`?) (is|are) (too long|longer)|input token count|inputs` tokens \+", said):
        return True
    return "context" in said and bool(re.search(r"exceed|length|maximum|window|size|too (long|large)", said))


def clip(message: str, limit: int = 160) -> str:
    """An endpoint's own words on one line, shortened, with anything like a key taken out."""
    line = re.sub(r"\b(sk|key|gsk|hf)[-_][\w*-]{6,}|Bearer \S+", "***", " ".join(message.split()))
    return (line if len(line) <= limit else line[: limit - 1] + "…").rstrip(".")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def hung_up(error: Exception) -> bool:
    """Did the endpoint close the connection, as one does that it kept for too long?"""
    cause = error if isinstance(error, httpx.HTTPError) else error.__cause__
    return isinstance(cause, (httpx.RemoteProtocolError, httpx.ReadError))


def pause_before(error: openai.APIStatusError, failures: int) -> float | None:
    """Seconds to wait before another try, after so many failures; None when trying again is of no use."""
    if error.status_code >= 500:
        return 0.5 if not failures else None
    if error.status_code != 429 or spent(error) or failures >= 3:
        return None
    asked = error.response.headers.get("retry-after", "")
    with suppress(ValueError):
        return max(0.0, float(asked))
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time())
    except (TypeError, ValueError):
        return 2.0**failures
