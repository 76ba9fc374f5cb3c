"""The sets that retrieval is measured on, and the stores made of them by the product's own sync.

    found = load("scifact")          # or load("scifact", queries=100, distractors=300): a seeded sample
    store = open_store(found)        # built once, kept in .cache/bench

A row of a set's corpus becomes one document, so what is relevant is told by document. A user's own
question file is read by `own`, against the store that the settings name; there a passage is relevant
that overlaps a sentence of the gold evidence. Knows nothing of measures or of who retrieves.
"""

import hashlib
import json
import random
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.evaluate import read_questions
from bench.remember import Remembering
from bench.report import CACHE, data_folder
from ingest.corpus import tidy, write_document
from ingest.document import Document, Metadata
from ingest.settings import Settings, load_settings
from ingest.store import Store
from ingest.sync import sync

NAMES = ("squad_new_wiki", "scifact", "multihop_news")
SEED = 7


@dataclass(frozen=True)
class Gold:
    """Something relevant: a document, or a span of one. Documents are named by their id."""

    document_id: str
    start: int = 0
    end: int = 10**9

    def met_by(self, document_id: str, start: int, end: int) -> bool:
        """Whether a passage overlaps it."""
        return document_id == self.document_id and start < self.end and self.start < end


@dataclass(frozen=True)
class Asked:
    """A query and what is relevant to it; never nothing."""

    text: str
    gold: tuple[Gold, ...]


@dataclass(frozen=True)
class RetrievalSet:
    """Documents and queries. `by_document`: ranks count documents, not passages."""

    name: str
    documents: tuple[Document, ...]
    queries: tuple[Asked, ...]
    by_document: bool = True

    @property
    def key(self) -> str:
        """Names the documents, so that a store is built anew when they change."""
        digest = hashlib.sha256()
        for document in self.documents:
            digest.update(f"{document.document_id}{document.metadata.title}\n".encode())
        return digest.hexdigest()[:12]


def folder(name: str) -> Path:
    """Where the files of a set are; it may not exist."""
    return data_folder() / "retrieval" / name


def sha256(name: str) -> str:
    """The hash of a set's three files together."""
    digest = hashlib.sha256()
    for file in ("corpus.jsonl", "qrels.tsv", "queries.jsonl"):
        digest.update((folder(name) / file).read_bytes())
    return digest.hexdigest()


def load(name: str, queries: int | None = None, distractors: int | None = None, seed: int = SEED) -> RetrievalSet:
    """The whole set; or so many of its queries, their relevant documents and so many others."""
    rows = [json.loads(line) for line in _lines(folder(name) / "corpus.jsonl")]
    documents = {row["doc_id"]: tidy(Document(row["text"], Metadata(row["title"]))) for row in rows if row["text"]}
    texts = {row["qid"]: row["text"] for row in map(json.loads, _lines(folder(name) / "queries.jsonl"))}
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in _lines(folder(name) / "qrels.tsv")[1:]:
        query, document, score = line.split("\t")
        if int(score) > 0 and document in documents:
            relevant[query].add(documents[document].document_id)
    asked = [
        Asked(text, tuple(Gold(one) for one in sorted(relevant[query])))
        for query, text in texts.items()
        if relevant[query]
    ]
    # Rows of one text are one document to us, under the first one's title.
    unique = {one.document_id: one for one in reversed(documents.values())}
    whole = RetrievalSet(name, tuple(reversed(unique.values())), tuple(asked))
    return whole if queries is None else _sample(whole, queries, distractors or 0, seed)


def _sample(whole: RetrievalSet, queries: int, distractors: int, seed: int) -> RetrievalSet:
    draw = random.Random(seed)
    asked = draw.sample(whole.queries, min(queries, len(whole.queries)))
    wanted = {gold.document_id for one in asked for gold in one.gold}
    others = [one for one in whole.documents if one.document_id not in wanted]
    kept = wanted | {one.document_id for one in draw.sample(others, min(distractors, len(others)))}
    documents = tuple(one for one in whole.documents if one.document_id in kept)
    return replace(whole, documents=documents, queries=tuple(asked))


def settings_for(corpus: Path, index: Path, **more: str) -> Settings:
    """Settings of a bench's own: nothing of the user's, the embedder in this process."""
    return load_settings({"CORPUS_DIR": str(corpus), "INDEX_DIR": str(index), **more}, dotenv=Path("/nonexistent"))


def open_store(found: RetrievalSet, base: Path = CACHE / "retrieval") -> Store:
    """The store of a set's documents, made by `sync` unless an earlier run has made it."""
    home = base / f"{found.name}-{found.key}"
    settings = settings_for(home / "corpus", home / "index")
    written = home / "written"
    if not written.exists():
        shutil.rmtree(home, ignore_errors=True)
        for document in found.documents:
            write_document(settings.corpus_dir, document)
        written.touch()
    embedder = Remembering()
    report = sync(settings, embedder=embedder)
    if report.documents != len(found.documents):
        raise SystemExit(f"{found.name}: {report.documents} of {len(found.documents)} documents are in the index")
    store = Store.open(settings)
    store.embedder = embedder
    return store


def own(file: Path, store: Store) -> RetrievalSet:
    """A user's question file as a set: what is relevant are the places of its evidence in the store."""
    documents = tuple(store.catalog.document(row.document_id) for row in store.catalog.documents())
    asked = []
    for question in read_questions(file):
        gold = tuple(place for quote in question.evidence for place in _places(documents, quote))
        if gold and not question.history:
            asked.append(Asked(question.question, gold))
    return RetrievalSet(file.stem, documents, tuple(asked), by_document=False)


def _places(documents: Sequence[Document], quote: str) -> list[Gold]:
    found = [(one.document_id, one.text.find(quote)) for one in documents]
    return [Gold(document_id, at, at + len(quote)) for document_id, at in found if at >= 0][:1]


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
