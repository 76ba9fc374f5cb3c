"""What the tests of the store share: a small corpus that changes, and children that can be killed."""

import functools
import importlib
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ingest.catalog import Catalog
from ingest.corpus import corpus_files, read_document, write_document
from ingest.document import Document, Metadata
from ingest.settings import Settings, load_settings
from ingest.split import split

WORDS = """
river mountain treaty engine harvest museum orbit protein ledger violin glacier election vaccine
harbour senate copper poem railway satellite enzyme budget drought novel bridge reactor orchid
""".split()

# Where a child dies: anywhere, or a few milliseconds after it enters one of these.
PHASES = (
    "ingest.prepare:parse_document",
    "ingest.prepare:split",
    "ingest.embed:LocalEmbedder.embed",
    "ingest.catalog_writer:CatalogWriter.prepare_document",
    "ingest.catalog_writer:CatalogWriter.add_vectors",
    "ingest.catalog_writer:CatalogWriter.flip",
    "ingest.catalog_writer:CatalogWriter.close",
    "ingest.index:VectorIndex.add",
    "ingest.index:VectorIndex.delete",
    "ingest.builds:copy",
    "ingest.builds:seal",
    "ingest.builds:sweep",
)


ADD_PHASES = (
    "ingest.receipts:Receipts.store",
    "ingest.receipts:Receipts._write",
    "ingest.receipts:write_document",
    "ingest.sync:sync",
)


def settings_for(folder: Path) -> Settings:
    """Settings whose corpus and index are in `folder`; the corpus folder exists."""
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    places = {"CORPUS_DIR": str(folder / "corpus"), "INDEX_DIR": str(folder / "index")}
    return load_settings(places, dotenv=folder / "no.env")


def article(rng: random.Random, paragraphs: int = 3) -> Document:
    """A short document of random sentences; the same seed gives the same text."""

    def sentence() -> str:
        return " ".join(rng.choices(WORDS, k=rng.randint(5, 9))).capitalize() + f" {rng.randint(1000, 9999)}."

    body = "\n\n".join(" ".join(sentence() for _ in range(10)) for _ in range(paragraphs))
    return Document(body, Metadata(title=f"{rng.choice(WORDS)} {rng.randint(0, 999)}", language="en"))


def change_corpus(settings: Settings, rng: random.Random) -> None:
    """Add, edit, retitle, copy, rename or delete some documents."""
    files = corpus_files(settings.corpus_dir)
    for _ in range(rng.randint(1, 3)):
        kind = rng.choice(("add", "add", "edit", "retitle", "copy", "rename", "delete"))
        if kind == "add" or len(files) < 4:
            files.append(write_document(settings.corpus_dir, article(rng, rng.randint(1, 4))))
            continue
        path = rng.choice(files)
        document = read_document(path)
        if kind == "edit":
            write_document(settings.corpus_dir, Document(document.text + " One more.", document.metadata), path)
        elif kind == "retitle":
            write_document(settings.corpus_dir, Document(document.text, Metadata(f"new {rng.random()}")), path)
        elif kind == "copy":
            files.append(write_document(settings.corpus_dir, document))
        else:
            files.remove(path)
            if kind == "delete":
                path.unlink()
            else:
                files.append(path.rename(path.with_name(f"renamed-{rng.randrange(10**9)}.md")))


def texts_of(settings: Settings) -> set[str]:
    """The ids of the documents that the corpus holds now."""
    return {read_document(path).document_id for path in corpus_files(settings.corpus_dir)}


def visible(settings: Settings) -> set[str]:
    """The documents that a reader sees at one moment, each of them whole."""
    catalog = Catalog.open(settings.index_dir)
    try:
        found = set()
        with catalog.read():
            for row in catalog.documents():
                document = catalog.document(row.document_id)
                ids = [passage.passage_id for passage in split(document)]
                assert catalog.passage_ids([row.document_id]) == ids
                assert len(catalog.vectors(ids)) == len(ids)
                found.add(row.document_id)
        return found
    finally:
        catalog.close()


def kill_a_sync(settings: Settings, phase: str, seconds: float, sources: Sequence[str] = ()) -> bool:
    """Run a sync in a child that is killed `seconds` after it enters `phase` ("" for its start).

    With `sources`, these are added before. Returns whether the kill struck before the sync ended.
    """
    child = _CONTEXT.Process(target=_sync_until_killed, args=(settings, phase, seconds, sources))
    child.start()
    child.join(60)
    assert not child.is_alive(), "a sync hangs"
    return child.exitcode == -signal.SIGKILL


def _sync_until_killed(settings: Settings, phase: str, seconds: float, sources: Sequence[str]) -> None:
    from ingest.add import add_sources

    def die() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    def arm() -> None:
        threading.Thread(target=die, daemon=True).start()

    if phase:
        _call_first(phase, arm)
    else:
        arm()
    if sources:
        add_sources(settings, sources)
    importlib.import_module("ingest.sync").sync(settings)


def _call_first(phase: str, arm: object) -> None:
    """Make the function named by `phase` call `arm` when it is entered for the first time."""
    module_name, _, path = phase.partition(":")
    owner: object = importlib.import_module(module_name)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    armed: list[bool] = []

    @functools.wraps(original)
    def entered(*args: object, **named: object) -> object:
        if not armed:
            armed.append(True)
            arm()  # type: ignore[operator]
        return original(*args, **named)

    setattr(owner, name, entered)


def prepared_context() -> "multiprocessing.context.ForkServerContext":
    """Children that start with the heavy libraries loaded, so that a kill costs no import."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["ingest.sync", "ingest.add", "ingest.__main__", "chromadb", "onnxruntime", "tokenizers"]
    )
    return context


_CONTEXT = prepared_context()


def run_children(calls: Sequence[tuple[Callable[..., object], tuple[object, ...]]]) -> list[int | None]:
    """Run each (function, arguments) in a process of its own, at the same time; returns the exit codes."""
    children = [_CONTEXT.Process(target=function, args=arguments) for function, arguments in calls]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    return [child.exitcode for child in children]
