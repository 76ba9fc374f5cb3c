"""Texts -> unit vectors by the /v1/embeddings of any endpoint: batches, retries, one clear line for each fault."""

import threading
from collections.abc import Callable, Sequence
from time import monotonic, sleep
from typing import TYPE_CHECKING

import numpy as np

from ingest import UserError
from ingest.address import loopback, shown

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import CreateEmbeddingResponse

OnDone = Callable[[int], None]
ENDPOINT_BATCH = 64  # texts of one request
TOO_MANY = (400, 413, 422)  # what endpoints answer to more than they take at once
ENDPOINT_TIMEOUT = 60.0  # seconds
ENDPOINT_CONNECT = 5.0  # seconds
ENDPOINT_RETRIES = 4  # the client waits as Retry-After says, else exponentially
FEW = 40  # texts, as a question needs: a reader waits for them
FEW_TIMEOUT, FEW_RETRIES, FEW_PAUSE = 20.0, 1, 0.5  # seconds for all tries, and between two
PROBE = "How tall is the tower, and when was it built?"


class EmbedderError(UserError):
    """The embedding endpoint failed; the message is one line for the user."""


def unit(vectors: np.ndarray) -> np.ndarray:
    """The same vectors, each of length 1: float32, (n, dimension)."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)


class EndpointEmbedder:
    """`/v1/embeddings` of OpenAI, Ollama, vLLM, TEI, llama.cpp...; vectors are made unit length here.

    The openai client itself is used, not llama-index's class around it: the class adds 5 seconds
    of import and no retry, batching or check that the client and this file do not have.
    """

    def __init__(self, base_url: str, model: str, key: str, prefix: str = "", query_prefix: str = "") -> None:
        """`prefix` is put before each text, or `query_prefix` by the embedder that is `for_queries`."""
        self._base_url, self._model, self._key = base_url, model, key
        self._prefix, self._query_prefix = prefix, query_prefix
        self._client: OpenAI | None = None
        self._dimension: int | None = None
        self._lock = threading.Lock()
        same = query_prefix == prefix
        self.for_queries = self if same else EndpointEmbedder(base_url, model, key, query_prefix, query_prefix)

    @property
    def fingerprint(self) -> str:
        """Endpoint, model and prefixes, where there are any.

        Not the dimension: asking for it takes a call, and an index must be readable (lexically)
        while the endpoint is down. The index keeps it beside the fingerprint.
        """
        prefixes = f" ({self._query_prefix!r}, {self._prefix!r})" if self._query_prefix or self._prefix else ""
        return f"{shown(self._base_url)}:{self._model}{prefixes}"

    @property
    def dimension(self) -> int:
        """Found by one call, once. Raises `EmbedderError` when the endpoint does not answer."""
        return self._dimension or self.embed([PROBE]).shape[1]

    def embed(self, texts: Sequence[str], on_done: OnDone | None = None) -> np.ndarray:
        """See `ingest.embed.Embedder`. Raises `EmbedderError` when the endpoint fails after retries."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        vectors: np.ndarray | None = None
        for start in range(0, len(order), ENDPOINT_BATCH):
            rows = order[start : start + ENDPOINT_BATCH]
            got = self._in_parts([self._prefix + texts[row] for row in rows])
            if vectors is None:
                vectors = np.empty((len(texts), got.shape[1]), np.float32)
            vectors[rows] = got
            if on_done:
                on_done(start + len(rows))
        assert vectors is not None
        return vectors

    def _in_parts(self, texts: list[str]) -> np.ndarray:
        """One request, or halves of it where the endpoint takes fewer texts (or characters) at once."""
        import openai

        try:
            return self._request(texts)
        except EmbedderError as error:
            cause = error.__cause__
            if len(texts) == 1 or not (isinstance(cause, openai.APIStatusError) and cause.status_code in TOO_MANY):
                raise
        middle = len(texts) // 2
        return np.concatenate([self._in_parts(texts[:middle]), self._in_parts(texts[middle:])])

    def _request(self, texts: list[str]) -> np.ndarray:
        import openai

        try:
            reply = self._few(texts) if len(texts) <= FEW else self._create(self._open(), texts)
            rows = sorted(reply.data, key=lambda item: item.index)
            got = np.asarray([row.embedding for row in rows], np.float32)
        except openai.OpenAIError as error:
            raise EmbedderError(self._fault(_reason(error))) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise EmbedderError(self._fault("its reply is not a list of embeddings")) from error
        if got.ndim != 2 or not got.shape[1] or len(got) != len(texts) or not np.isfinite(got).all():
            raise EmbedderError(self._fault(f"it returned {len(rows)} usable embeddings for {len(texts)} texts"))
        with self._lock:
            self._dimension = self._dimension or got.shape[1]
        if got.shape[1] != self._dimension:
            raise EmbedderError(self._fault(f"its vectors changed from {self._dimension} to {got.shape[1]}"))
        return unit(got)

    def _create(self, client: "OpenAI", texts: list[str]) -> "CreateEmbeddingResponse":
        return client.embeddings.create(input=texts, model=self._model, encoding_format="float")

    def _few(self, texts: list[str]) -> "CreateEmbeddingResponse":
        """The same in FEW_TIMEOUT over all tries: one that hangs is not tried again."""
        import openai

        end, left = monotonic() + FEW_TIMEOUT, FEW_RETRIES
        while True:
            timeout = openai.Timeout(end - monotonic(), connect=ENDPOINT_CONNECT)
            try:
                return self._create(self._open().with_options(max_retries=0, timeout=timeout), texts)
            except openai.APITimeoutError:
                raise
            except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
                if not left or monotonic() + _pause(error) >= end:
                    raise
                sleep(_pause(error))
            left -= 1

    def _open(self) -> "OpenAI":
        from openai import DefaultHttpxClient, OpenAI, Timeout

        timeout = Timeout(ENDPOINT_TIMEOUT, connect=ENDPOINT_CONNECT)
        with self._lock:
            if self._client is None:
                self._client = OpenAI(
                    base_url=self._base_url,
                    api_key=self._key,
                    timeout=timeout,
                    max_retries=ENDPOINT_RETRIES,
                    # A proxy of the environment is for what is elsewhere.
                    http_client=DefaultHttpxClient(timeout=timeout, trust_env=not loopback(self._base_url)),
                )
            return self._client

    def _fault(self, reason: str) -> str:
        return (
            f"The embedding endpoint {shown(self._base_url)} (model {self._model!r}) failed: {reason}. "
            "Check EMBEDDING_BASE_URL, EMBEDDING_MODEL and EMBEDDING_API_KEY."
        )


def _pause(error: Exception) -> float:
    """Seconds to wait before another try: as the endpoint asks, else FEW_PAUSE."""
    import openai

    asked = error.response.headers.get("retry-after", "") if isinstance(error, openai.APIStatusError) else ""
    return float(asked) if asked.isdecimal() else FEW_PAUSE


def _reason(error: Exception) -> str:
    """One short line; the reply's body is left out since it may repeat the key or the text."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return "no answer in time"
    if isinstance(error, openai.APIStatusError):
        return f"HTTP {error.status_code}"
    if isinstance(error, openai.APIConnectionError):
        return "cannot connect"
    return type(error).__name__
