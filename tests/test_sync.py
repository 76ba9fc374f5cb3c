"""Sync makes the index equal to the corpus, does only the work that changed, and never shows half of it."""

import json
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from store_kit import WORDS, article, run_children, settings_for, texts_of, visible
from test_readers import pdf

from ingest import UserError, builds
from ingest.add import Upload, add_sources
from ingest.catalog import Catalog
from ingest.catalog_writer import CatalogWriter
from ingest.corpus import corpus_files, parse_document, read_document, write_document
from ingest.document import Document, Metadata
from ingest.embed import Embedder, LocalEmbedder, open_embedder
from ingest.embed_endpoint import OnDone
from ingest.health import check
from ingest.index import VectorIndex, blank_unused
from ingest.progress import Progress
from ingest.rebuild import FEW
from ingest.settings import ROOT, Settings
from ingest.split import embedding_text, split
from ingest.store import Store
from ingest.sync import SyncReport, remove, sync

PAGE = "<html><head><title>{0}</title></head><body><article><p>{1}</p></article></body></html>"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return open_embedder(settings_for(tmp_path_factory.mktemp("embedder")))


def counts(report: SyncReport) -> tuple[int, int, int, int]:
    return report.documents, report.added, report.removed, report.embedded


def passages(settings: Settings) -> list[str]:
    return sorted(Catalog.open(settings.index_dir).passage_ids())


def write(settings: Settings, *documents: Document) -> list[Path]:
    return [write_document(settings.corpus_dir, document) for document in documents]


def test_only_what_changed_is_done_again(settings: Settings, embedder: Embedder) -> None:
    rng = random.Random(1)
    documents = [article(rng, 6) for _ in range(3)]
    files = write(settings, *documents)
    whole = sum(len(split(document)) for document in documents)
    assert counts(sync(settings, embedder=embedder)) == (3, 3, 0, whole)
    generation = Catalog.open(settings.index_dir).generation()
    assert counts(sync(settings, embedder=embedder)) == (3, 0, 0, 0)
    assert Catalog.open(settings.index_dir).generation() == generation

    edited = Document(f"{documents[0].text}\n\nThe dam was closed.", documents[0].metadata)
    write_document(settings.corpus_dir, edited, files[0])
    old, new = ({p.span.text for p in split(d)} for d in (documents[0], edited))
    assert counts(sync(settings, embedder=embedder)) == (3, 1, 1, len(new - old))
    assert len(new - old) == 1 < len(new)

    moved = files[1].rename(settings.corpus_dir / "moved by hand.md")
    os.utime(moved)
    assert counts(sync(settings, embedder=embedder)) == (3, 0, 0, 0)
    assert "moved by hand.md" in {path for row in Catalog.open(settings.index_dir).documents() for path in row.paths}
    files[2].unlink()
    assert counts(sync(settings, embedder=embedder)) == (2, 0, 1, 0)
    assert visible(settings) == texts_of(settings)
    assert check(settings) == []


def test_the_same_text_under_two_names_is_one_document(settings: Settings, embedder: Embedder) -> None:
    twins = [Upload(name, b"Locks\n\nThe lock gate was opened in 1931.") for name in ("a.txt", "b.txt")]
    paths = [one.path for one in add_sources(settings, twins).added]
    assert counts(sync(settings, embedder=embedder)) == (1, 1, 0, 1)
    (row,) = Catalog.open(settings.index_dir).documents()
    assert (set(row.origins), len(row.paths)) == ({"a.txt", "b.txt"}, 2)
    assert paths[0]
    paths[0].unlink()
    assert counts(sync(settings, embedder=embedder))[:3] == (1, 0, 0)
    (row,) = Catalog.open(settings.index_dir).documents()
    assert len(row.origins) == 1
    assert check(settings) == []


@pytest.mark.parametrize("by_hand", [False, True])
def test_what_is_removed_is_gone_everywhere(settings: Settings, embedder: Embedder, by_hand: bool) -> None:
    secret = "Zyxomma"
    page = PAGE.format("Dragonflies", f"The {secret} flies at dusk over still water in the south. " * 8)
    kept, gone = add_sources(settings, [Upload("keep.txt", b"Kept words."), Upload("page.html", page.encode())]).added
    sync(settings, embedder=embedder)
    assert kept.path
    assert gone.path
    assert len(list((settings.corpus_dir / "originals").glob("*.html"))) == 1
    if by_hand:
        gone.path.unlink()
    else:
        remove(settings, read_document(gone.path).document_id[:12])
    assert counts(sync(settings, embedder=embedder)) == (1, 0, 1, 0)
    left = [path for path in settings.corpus_dir.parent.rglob("*") if path.is_file()]
    assert [path for path in left if secret.lower().encode() in path.read_bytes().lower()] == []
    assert len(corpus_files(settings.corpus_dir)) == 1
    with pytest.raises(UserError, match="No document"):
        remove(settings, read_document(kept.path).document_id[:11] + "0" * 53)


def test_unused_room_of_the_vector_index_is_blank(settings: Settings, embedder: Embedder, tmp_path: Path) -> None:
    (tmp_path / "header.bin").write_bytes(struct.pack("<i4Q", 1, 0, 4, 1, 8) + bytes(20))
    for name, each in (("data_level0.bin", 8), ("length.bin", 4)):
        (tmp_path / name).write_bytes(b"x" * 4 * each)
    blank_unused(tmp_path)
    assert (tmp_path / "data_level0.bin").read_bytes() == b"x" * 8 + bytes(24)
    assert (tmp_path / "length.bin").read_bytes() == b"x" * 4 + bytes(12)
    for seed in range(3):  # Chroma writes so few into its log only: all of the file is unused
        write(settings, article(random.Random(seed)))
        sync(settings, embedder=embedder)
        (level,) = (settings.index_dir / "chroma").rglob("data_level0.bin")
        assert not any(level.read_bytes())
    assert check(settings) == []


@pytest.mark.parametrize("overlooked", [1, 99])
def test_a_passage_out_of_reach_of_the_graph_ends_no_sync_and_is_found(
    settings: Settings, embedder: Embedder, monkeypatch: pytest.MonkeyPatch, overlooked: int
) -> None:
    """Of some 400,000 vectors one is; here Chroma is made to lose the first ones that it is asked for."""
    write(settings, article(random.Random(5), 60), article(random.Random(6), 60))
    query, lost = VectorIndex._query, set[str]()

    def overlooking(ids: Sequence[str], vectors: np.ndarray) -> list[str]:
        lost.update(sorted(ids)[:overlooked])
        return [one for one in ids if one in lost]

    with monkeypatch.context() as patch:
        patch.setattr(VectorIndex, "not_found", lambda _, ids, vectors: overlooking(ids, vectors))
        if overlooked > FEW:
            with pytest.raises(UserError, match="passages by their own vectors"):
                sync(settings, embedder=embedder)
            return
        sync(settings, embedder=embedder)

    def forgetful(index: VectorIndex, vectors: np.ndarray, k: int) -> tuple[list[list[str]], list[list[float]]]:
        hits, scores = query(index, vectors, k)
        kept = [[at for at, one in enumerate(row) if one not in lost] for row in hits]
        hits = [[row[at] for at in places] for row, places in zip(hits, kept, strict=True)]
        return hits, [[row[at] for at in places] for row, places in zip(scores, kept, strict=True)]

    monkeypatch.setattr(VectorIndex, "_query", forgetful)
    (entry,) = lost
    with closing(Store.open(settings)) as store:
        passage = entry.split("-")[1]
        vector = store.catalog.vectors([passage])[passage]
        assert store.index.search(vector, 3)[0] == (passage, pytest.approx(1.0, abs=1e-3))
    write(settings, article(random.Random(8), 60))
    sync(settings, embedder=embedder)
    with closing(Store.open(settings)) as store:
        assert store.index.search(vector, 3)[0][0] == passage, "also after another was added"
    for path in corpus_files(settings.corpus_dir):
        path.unlink()
    write(settings, article(random.Random(7), 60))
    sync(settings, embedder=embedder)
    with closing(Store.open(settings)) as store:
        assert passage not in dict(store.index.search(vector, 100)), "gone with its document"


def test_a_build_of_an_earlier_version_that_kept_entries_itself_is_made_anew(
    settings: Settings, embedder: Embedder
) -> None:
    write(settings, article(random.Random(1)))
    sync(settings, embedder=embedder)
    writer = CatalogWriter.open(settings.index_dir)
    folder = settings.index_dir / "chroma" / str(writer.meta("build"))
    (folder / "beside.npz").write_bytes(b"entries")
    writer.set_meta({"seal": json.dumps(builds.seal(folder))})
    writer.close()
    sync(settings, embedder=embedder)
    assert [*(settings.index_dir / "chroma").iterdir()] != [folder]
    assert not [*settings.index_dir.rglob("beside.npz")]
    assert check(settings) == []


def test_hundreds_of_equal_passages_hide_no_other(settings: Settings, embedder: Embedder) -> None:
    """HNSW finds no way out of a crowd of equal vectors, such as those of a long table of zeros."""
    write(settings, *(article(random.Random(seed)) for seed in range(12)))
    sync(settings, embedder=embedder)
    write(settings, Document("x" * 300_000, Metadata("Long")))
    assert sync(settings, embedder=embedder).passages > 300
    assert check(settings) == []


def test_ids_are_the_same_after_the_index_is_deleted(settings: Settings, embedder: Embedder) -> None:
    shutil.copy(ROOT / "corpus" / "north-koreas-own-pivot-to-asean.md", settings.corpus_dir)
    write(settings, article(random.Random(2)))
    sync(settings, embedder=embedder)
    before = passages(settings)
    shutil.rmtree(settings.index_dir)
    sync(settings, embedder=embedder)
    assert passages(settings) == before


class Another(LocalEmbedder):
    """Stands for another model: it makes the same vectors under another name."""

    fingerprint = "another-model"


def test_another_embedder_needs_a_rebuild(settings: Settings, embedder: Embedder) -> None:
    write(settings, article(random.Random(3)))
    first = sync(settings, embedder=embedder)
    with pytest.raises(UserError, match="python -m ingest sync --rebuild"):
        sync(settings, embedder=Another())
    before = passages(settings)
    rebuilt = sync(settings, rebuild=True, embedder=Another())
    assert counts(rebuilt) == (1, 0, 0, first.embedded)
    assert passages(settings) == before
    assert Catalog.open(settings.index_dir).fingerprint() == "another-model"
    with pytest.raises(UserError, match="another-model"):
        sync(settings, embedder=embedder)
    assert counts(sync(settings, embedder=Another())) == (1, 0, 0, 0)


@pytest.mark.parametrize("rebuild", [False, True])
def test_a_stopped_sync_goes_on_where_it_was(
    settings: Settings, embedder: Embedder, rebuild: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.prepare.KEPT", 4)
    rng = random.Random(4)
    documents = [article(rng, 4) for _ in range(12)]
    write(settings, *documents)
    whole = sum(len(split(document)) for document in documents)
    if rebuild:
        sync(settings, embedder=embedder)
        embedder = Another()
    told: list[Progress] = []
    stopped = sync(settings, told.append, lambda: len(told) > 2, rebuild=rebuild, embedder=embedder)
    assert stopped.stopped
    assert 0 < stopped.embedded < whole
    assert visible(settings) <= texts_of(settings)
    done = sync(settings, rebuild=rebuild, embedder=embedder)
    assert (done.documents, done.embedded) == (12, whole - stopped.embedded)
    assert not done.stopped
    assert visible(settings) == texts_of(settings)


class Patient(LocalEmbedder):
    """Ends no batch before all files are read, as long as somebody reads them."""

    def __init__(self, read: threading.Event) -> None:
        super().__init__()
        self._read = read
        self.waited_in_vain = False

    def embed(self, texts: Sequence[str], on_done: OnDone | None = None) -> np.ndarray:
        self.waited_in_vain = not self._read.wait(30) or self.waited_in_vain
        return super().embed(texts, on_done)


def test_files_are_read_while_others_are_embedded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.prepare.BATCH", 1)
    rng = random.Random(8)
    write(settings, *(article(rng, 1) for _ in range(3)))
    read, seen = threading.Event(), list[Path]()

    def parse(data: bytes, path: Path) -> Document:
        seen.append(path)
        if len(seen) == 3:
            read.set()
        return parse_document(data, path)

    monkeypatch.setattr("ingest.prepare.parse_document", parse)
    embedder = Patient(read)
    assert sync(settings, embedder=embedder).embedded == 3
    assert not embedder.waited_in_vain


class Failing(LocalEmbedder):
    """Fails after so many calls, as an endpoint may."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._calls = calls

    def embed(self, texts: Sequence[str], on_done: OnDone | None = None) -> np.ndarray:
        self._calls -= 1
        if self._calls < 0:
            raise UserError("The embedding endpoint failed.")
        return super().embed(texts, on_done)


def test_an_embedder_that_fails_ends_the_sync_and_keeps_what_it_made(
    settings: Settings, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.prepare.KEPT", 1)
    rng = random.Random(9)
    documents = [article(rng, 1) for _ in range(5)]
    write(settings, *documents[:1])
    sync(settings, embedder=embedder)
    write(settings, *documents[1:])
    with pytest.raises(UserError, match="endpoint failed"):
        sync(settings, embedder=Failing(2))
    assert visible(settings) == {documents[0].document_id}
    assert sync(settings, embedder=embedder).embedded == 2
    assert visible(settings) == texts_of(settings)


class Turned(LocalEmbedder):
    """Truly another embedder: its vectors point the other way and may have fewer components; it fails too."""

    fingerprint = "turned"

    def __init__(self, calls: int, dimension: int) -> None:
        super().__init__()
        self.dimension = dimension
        self._failing = Failing(calls)

    def embed(self, texts: Sequence[str], on_done: OnDone | None = None) -> np.ndarray:
        return -self._failing.embed(texts, on_done)[:, : self.dimension]


def vectors_kept(settings: Settings) -> int:
    with closing(sqlite3.connect(settings.index_dir / "catalog.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])


@pytest.mark.parametrize("dimension", [384, 200])
@pytest.mark.parametrize("first", [True, False])
def test_no_vector_of_an_interrupted_embedder_is_kept_for_another(
    settings: Settings, embedder: Embedder, monkeypatch: pytest.MonkeyPatch, first: bool, dimension: int
) -> None:
    monkeypatch.setattr("ingest.prepare.KEPT", 1)
    rng = random.Random(12)
    write(settings, *(article(rng, 1) for _ in range(4)))
    if not first:
        sync(settings, embedder=Another())
    with pytest.raises(UserError, match="endpoint failed"):
        sync(settings, rebuild=not first, embedder=Turned(2, dimension))
    with pytest.raises(UserError, match="endpoint failed"):  # what the same one made is kept
        sync(settings, rebuild=not first, embedder=Turned(1, dimension))
    assert vectors_kept(settings) == (3 if first else 7)
    report = sync(settings, rebuild=not first, embedder=embedder)
    assert report.embedded == report.passages == 4
    assert check(settings) == []
    catalog = Catalog.open(settings.index_dir)
    ids = catalog.passage_ids()
    for passage_id, (passage, metadata) in catalog.passages(ids).items():
        own = embedder.embed([embedding_text(metadata, passage)])[0]
        assert own @ catalog.vectors([passage_id])[passage_id] > 0.99


def test_one_bad_file_stops_no_other_and_loses_no_old_text(settings: Settings, embedder: Embedder) -> None:
    good, turning = write(settings, *(article(random.Random(n)) for n in (5, 6)))
    sync(settings, embedder=embedder)
    before = visible(settings)
    turning.write_bytes(b"---\ntitle: [\n---\n")
    (settings.corpus_dir / "not text.md").write_bytes(b"\xff\xfe\x00\x01")
    (settings.corpus_dir / "dangling.md").symlink_to(settings.corpus_dir / "nowhere.md")
    (settings.corpus_dir / "new.md").write_text("New words.", encoding="utf-8")
    report = sync(settings, embedder=embedder)
    assert {failed.path for failed in report.failed} == {turning.name, "not text.md"}
    assert (report.added, report.removed) == (1, 0)
    assert before < visible(settings)
    turning.unlink()
    good.unlink()
    assert sync(settings, embedder=embedder).removed == 2


def test_a_second_writer_is_refused_at_once_and_told_the_owner(settings: Settings, tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time; from ingest.lock import writer_lock\n"
        "with writer_lock(pathlib.Path(sys.argv[1])): print('ready', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(settings.index_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"ready\n"
        for _ in range(20):
            with pytest.raises(UserError, match=f"process {owner.pid}"):
                sync(settings)
        assert owner.poll() is None, "refused at once, not when the owner has ended"
        owner.kill()
    assert sync(settings).documents == 0  # a dead owner's lock is nobody's


def read_all_the_while(settings: Settings, allowed: list[set[str]], end: Path) -> None:
    seen = 0
    while not end.exists():
        assert visible(settings) in allowed
        seen += 1
    os._exit(0 if seen > 3 else 3)


def sync_two_states(settings: Settings, states: Path, end: Path) -> None:
    try:
        for turn in range(4):
            for name in ("a.md", "b.md", "c.md"):
                shutil.copyfile(states / str(turn % 2) / name, settings.corpus_dir / name)
            assert sync(settings).documents == 3
    finally:
        end.touch()


def test_readers_in_other_processes_see_the_old_state_or_the_new(settings: Settings, tmp_path: Path) -> None:
    states, allowed = tmp_path / "states", []
    for state in (0, 1):
        (states / str(state)).mkdir(parents=True)
        documents = [article(random.Random(10 * state + n), 4) for n in range(3)]
        for document, name in zip(documents, ("a.md", "b.md", "c.md"), strict=True):
            write_document(states / str(state), document, states / str(state) / name)
        allowed.append({document.document_id for document in documents})
    for path in (states / "0").iterdir():
        shutil.copy(path, settings.corpus_dir)
    sync(settings)
    end = tmp_path / "end"
    reader = (read_all_the_while, (settings, allowed, end))
    writer = (sync_two_states, (settings, states, end))
    assert run_children([reader, reader, writer]) == [0, 0, 0]


def damage_catalog(settings: Settings) -> None:
    path = settings.index_dir / "catalog.sqlite"
    path.write_bytes(path.read_bytes()[:5000] + b"\0" * 9000)


def damage_text(settings: Settings) -> None:
    path = settings.index_dir / "catalog.sqlite"
    data = bytearray(path.read_bytes())
    for at in range(20_000, len(data), 4_000):
        data[at] ^= 255
    path.write_bytes(data)


def damage_build(settings: Settings) -> None:
    for path in (settings.index_dir / "chroma").rglob("*.bin"):
        path.write_bytes(path.read_bytes()[:-7])


def lose_build(settings: Settings) -> None:
    shutil.rmtree(settings.index_dir / "chroma")


@pytest.mark.parametrize("damage", [damage_catalog, damage_text, damage_build, lose_build])
def test_a_damaged_index_is_made_whole_by_the_next_sync(settings: Settings, embedder: Embedder, damage: object) -> None:
    write(settings, *(article(random.Random(n)) for n in range(4)))
    sync(settings, embedder=embedder)
    before = passages(settings)
    damage(settings)  # type: ignore[operator]
    assert check(settings) != []
    report = sync(settings, embedder=embedder)
    assert report.rebuilt
    assert passages(settings) == before
    assert check(settings) == []
    assert not sync(settings, embedder=embedder).rebuilt


LANGUAGES = {
    "de": ("Der Müller mahlte das Getreide in der Mühle am Fluß. Später kaufte er eine Säge.", "Wo mahlte der Müller?"),
    "zh": ("长江是亚洲最长的河流，全长约六千三百公里。黄河位于北方。", "亚洲最长的河流"),
    "ar": ("يقع سد النهضة في إثيوبيا على النيل الأزرق. بدأ البناء عام ٢٠١١.", "أين يقع سد النهضة؟"),
    "ja": ("東京タワーは一九五八年に完成した。高さは三百三十三メートルである。", "東京タワーの高さ"),
}


@pytest.fixture(scope="module")
def many_tongues(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[Settings]:
    settings = settings_for(tmp_path_factory.mktemp("tongues"))
    add_sources(settings, [Upload(f"{code}.txt", text.encode()) for code, (text, _) in LANGUAGES.items()])
    write(settings, *(article(random.Random(n)) for n in range(3)))
    sync(settings, embedder=embedder)
    yield settings


@pytest.mark.parametrize("code", LANGUAGES)
def test_other_languages_are_kept_to_the_letter_and_found(many_tongues: Settings, code: str) -> None:
    text, query = LANGUAGES[code]
    catalog = Catalog.open(many_tongues.index_dir)
    (best, score), *_ = catalog.lexical(query, 1)
    passage, metadata = catalog.passages([best])[best]
    assert score > 0
    assert (passage.span.text, metadata.origin) == (text, f"{code}.txt")
    assert len(passage.sentences) == 2


def test_regions_of_a_language_are_one_and_no_language_is_one_too_many(settings: Settings, embedder: Embedder) -> None:
    tags = ["en", "en-US", "en-GB", "EN-AU", "en-CA", "en-IE", "de-CH", "fr", "es", "it", "nl", "pt"]
    for at, tag in enumerate(tags):
        text = f"Die Brücken wurden {at} mal gezählt." if tag == "de-CH" else f"Words of number {at}."
        write(settings, Document(text, Metadata(title=f"Number {at}", language=tag)))
        if tag.lower().startswith("en"):
            write(settings, Document(f"Again, number {at}.", Metadata(title=f"Again {at}", language=tag)))
    sync(settings, embedder=embedder)
    catalog = Catalog.open(settings.index_dir)
    with catalog.read() as connection:
        assert sorted(catalog._counts(connection)[3]) == ["de", "en", "es", "fr", "it", "nl", "pt"]
    ((passage_id, _),) = catalog.lexical("Brücke", 3)  # by the German stemmer, from the plural
    assert "Brücken" in catalog.passages([passage_id])[passage_id][0].span.text


def test_common_words_rank_what_rare_ones_find_and_find_by_twos(
    settings: Settings, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an index of a million passages, where the rarest word of a question has thousands by itself."""
    for name, value in (("_CANDIDATES", 10), ("_MATCHES", 40)):
        monkeypatch.setattr(f"ingest.catalog.{name}", value)
    texts = [f"A violin of {number}." for number in range(20)]
    texts += [f"{word}, as in {number}." for word in ("Harvest", "Copper") for number in range(22)]
    wanted = "The harvest, a violin and copper, a railway and a bridge.", "Harvest and copper."
    for text in (*texts, *wanted):
        write(settings, Document(text, Metadata(title="", language="en")))
    sync(settings, embedder=embedder)
    catalog = Catalog.open(settings.index_dir)
    found = [passage_id for passage_id, _ in catalog.lexical("violin harvest copper", 2)]
    assert {catalog.passages([one])[one][0].span.text for one in found} == set(wanted)


def test_a_span_of_a_pdf_knows_its_page(settings: Settings, embedder: Embedder) -> None:
    """From the file to the passage that is found: so a citation can say "p. 4"."""
    pages = [[(72, 700, 12, f"On this page the {name} is described at some length.")] for name in WORDS[:6]]
    add_sources(settings, [Upload("report.pdf", pdf(pages))])
    sync(settings, embedder=embedder)
    catalog = Catalog.open(settings.index_dir)
    for number, name in enumerate(WORDS[:6], 1):
        (best, _), *_ = catalog.lexical(name, 1)
        passage, _ = catalog.passages([best])[best]
        document = catalog.document(passage.span.document_id)
        assert document.page(document.text.index(name)) == number
        assert document.metadata.pages[number - 1] <= document.text.index(name)


def test_titles_that_differ_only_in_case_are_two_files(settings: Settings, embedder: Embedder) -> None:
    one, two = write(settings, Document("One.", Metadata("A Title")), Document("Two.", Metadata("a title")))
    assert one.name.lower() != two.name.lower()
    assert sync(settings, embedder=embedder).documents == 2


def test_a_corpus_folder_that_is_missing_is_told(settings: Settings) -> None:
    settings.corpus_dir.rmdir()
    with pytest.raises(UserError, match="no corpus folder"):
        sync(settings)
