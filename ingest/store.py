"""The store as the app sees it: catalog, index and embedder, opened together for reading."""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np

from ingest import UserError
from ingest.builds import BrokenSealError, PrivateCopy
from ingest.catalog import Catalog
from ingest.catalog_schema import FILE_NAME
from ingest.embed import Embedder, LocalEmbedder, open_embedder
from ingest.embed_endpoint import PROBE
from ingest.index import VectorIndex
from ingest.lexical import TOKENS_FINGERPRINT
from ingest.settings import Settings
from ingest.split import SPLITTER_FINGERPRINT

CHROMA = "chroma"  # folder of the builds, in the index folder
MADE = f"{SPLITTER_FINGERPRINT}/{TOKENS_FINGERPRINT}"  # what splits and tokenises here
_PROBE_SAME = 0.99  # cosine similarity above which an endpoint still serves the model that it did
SMALL_SELECTION = 2000  # passages that are searched exactly when a search is within some documents


class StoreIndex:
    """Nearest passages of one commit; opens Chroma at the first search, on a private copy of its build."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings, self._catalog = settings, catalog
        self._lock = threading.Lock()
        self._opened: tuple[str, VectorIndex, PrivateCopy | None] | None = None

    def search(self, vector: np.ndarray, k: int, document_ids: Sequence[str] | None = None) -> list[tuple[str, float]]:
        """The `k` nearest passages as (passage id, cosine similarity), best first.

        Chroma's answer; within chosen documents of few passages, exact over the catalog's vectors.
        All are passages that the catalog holds now.
        """
        if document_ids is not None:
            ids = self._catalog.passage_ids(document_ids)
            if len(ids) <= SMALL_SELECTION:
                return _exact(vector, k, self._catalog.vectors(ids))
        hits = self._index().search(vector, k, document_ids)
        unreached = self._unreached(document_ids)
        if unreached:
            compared = dict(_exact(vector, k, self._catalog.vectors(unreached)))
            hits = sorted((compared | dict(hits)).items(), key=lambda hit: -hit[1])[:k]
        held = self._catalog.held([passage_id for passage_id, _ in hits])
        return [hit for hit in hits if hit[0] in held]

    def count(self) -> int:
        """Entries that Chroma holds."""
        return self._index().count()

    def close(self) -> None:
        """Release Chroma and its files."""
        with self._lock:
            if self._opened:
                _, index, copy = self._opened
                self._opened = None
                index.close()
                if copy:
                    copy.close()

    def _unreached(self, document_ids: Sequence[str] | None) -> list[str]:
        """Passages that the graph does not reach by their own vector: of 425,000 one, however often it was linked."""
        chosen = None if document_ids is None else {document_id[:16] for document_id in document_ids}
        places = _places(self._catalog.meta("unreached") or "[]")
        return [passage for document, passage in places if chosen is None or document in chosen]

    def _index(self) -> VectorIndex:
        """The index of the current build; that of an earlier commit is let go."""
        build = self._catalog.meta("build") or ""
        with self._lock:
            if self._opened is None or self._opened[0] != build:
                opened = self._open()
                # Searches that other threads have under way hold the old one, and it goes with them.
                self._opened = opened
            return self._opened[1]

    def _open(self) -> tuple[str, VectorIndex, PrivateCopy | None]:
        for attempt in (1, 2):  # a sync may replace the build between reading its name and copying it
            build = self._catalog.meta("build") or ""
            sealed = self._catalog.meta("seal")
            if not sealed:
                return build, VectorIndex.on_server(self._settings, build), None
            try:
                copy = PrivateCopy(self._settings.index_dir / CHROMA, build, json.loads(sealed))
                return build, VectorIndex.in_folder(copy.path), copy
            except BrokenSealError as error:
                if attempt == 2:
                    raise UserError(f"The vector index is damaged ({error}): run `python -m ingest sync`.") from error
            except OSError as error:
                raise UserError(
                    f"Cannot open the vector index ({error.strerror or error}): free some disk space."
                ) from error
        raise AssertionError


class Store:
    """An index, open for reading; made by `open`. Safe to use from several threads."""

    def __init__(self, settings: Settings, catalog: Catalog, embedder: Embedder) -> None:
        self._settings = settings
        self.catalog = catalog
        self.embedder = embedder
        self.index = StoreIndex(settings, catalog)
        self._identity = _identity(catalog.path)

    @classmethod
    def open(cls, settings: Settings) -> "Store":
        """Open the index of these settings; Chroma and the model load at their first use.

        Raises `UserError`, naming the command that mends it, when there is no index, it is damaged,
        or another embedder or another version of the splitter made it.
        """
        catalog = Catalog.open(settings.index_dir)
        embedder = open_embedder(settings)
        _check_made_by(catalog, embedder)
        return cls(settings, catalog, embedder)

    def refresh(self) -> None:
        """Follow what other processes did: an index that was deleted and made anew is opened again.

        Commits need no refresh: every call reads the newest. Raises `UserError` as `open` does.
        """
        if _identity(self.catalog.path) != self._identity:
            catalog = Catalog.open(self._settings.index_dir)
            self.index = StoreIndex(self._settings, catalog)
            self.catalog, self._identity = catalog, _identity(catalog.path)
        _check_made_by(self.catalog, self.embedder)

    def check_model(self) -> None:
        """Ask the embedder itself whether it is still the model that made the index: an endpoint is called.

        Raises `UserError` when it is not, though endpoint and name are the same, or when it does not answer.
        """
        if not same_probe(self.catalog.meta("probe") or "", probe_of(self.embedder)):
            raise UserError(
                f"The embedder {self.embedder.fingerprint} serves another model than the one that made the index: "
                "run `python -m ingest sync --rebuild`."
            )

    def close(self) -> None:
        """Release files and connections."""
        self.index.close()
        self.catalog.close()


def _check_made_by(catalog: Catalog, embedder: Embedder) -> None:
    made_by = catalog.fingerprint()
    if made_by is not None and made_by != embedder.fingerprint:
        raise UserError(
            f"The index was made with the embedder {made_by}, the settings name {embedder.fingerprint}: "
            "run `python -m ingest sync --rebuild`, or set EMBEDDING_MODEL and EMBEDDING_BASE_URL back."
        )
    if catalog.meta("made") != MADE:
        raise UserError("Another version of this program split the index: run `python -m ingest sync`.")


def probe_of(embedder: Embedder) -> str:
    """The vector of a fixed text, which tells two models behind one endpoint and name apart."""
    if isinstance(embedder, LocalEmbedder):
        return ""  # its fingerprint is the hash of the model itself
    return json.dumps([round(float(x), 5) for x in embedder.embed([PROBE])[0]])


def same_probe(stored: str, now: str) -> bool:
    """Whether two answers of `probe_of` are of the same model."""
    if not stored or not now:
        return stored == now
    a, b = np.array(json.loads(stored)), np.array(json.loads(now))
    return a.shape == b.shape and float(a @ b) > _PROBE_SAME


@lru_cache(maxsize=2)
def _places(unreached: str) -> tuple[tuple[str, str], ...]:
    """The document's and the passage's part of each entry that the catalog names."""
    parts = [entry.split("-") for entry in json.loads(unreached)]
    return tuple((document, passage) for document, passage, _ in parts)


def _exact(vector: np.ndarray, k: int, vectors: dict[str, np.ndarray]) -> list[tuple[str, float]]:
    if not vectors:
        return []
    scores = np.stack(list(vectors.values())) @ vector
    ranked = sorted(zip(vectors, scores.tolist(), strict=True), key=lambda pair: -pair[1])
    return ranked[:k]


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        facts = (path.parent / FILE_NAME).stat()
        return facts.st_dev, facts.st_ino
    return None
