"""Files as they are found in the wild: odd names, links, pipes, closed folders, nothing in them, too much in them.

Each is added, or named with its reason; added again it is free; dropped into corpus/ by hand it is indexed,
or named. Nothing is printed that a terminal would take for a command.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from store_kit import settings_for, texts_of, visible

from ingest.add import Upload, add_sources
from ingest.catalog import Catalog
from ingest.clean import clean_line
from ingest.clean import visible as shown
from ingest.corpus import corpus_files, read_document
from ingest.embed import Embedder, open_embedder
from ingest.health import check
from ingest.settings import Settings
from ingest.sync import remove, sync

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes for a name")

NAMES = [
    b"a\nb.md", b"a\rb.md", b"a\tb.md", b"a  b.md", b" .md", b"q\"uo'te.md", b"-rf.md", b"--help.md", b"CON.md",
    b"\x1b]0;title\x07\x1b[31mred.md", b"x" * 252 + b".md", "👩\u200d👩\u200d👧\u200d👦.md".encode(),
    "\u00e9.md".encode(),
    "e\u0301.md".encode(), "\u202efdp.md".encode(), "inv\u200boice.md".encode(), b"<img src=x onerror=1>.md",
    b"$(touch CANARY).md", b"`id`.md", b"| cat.md", b"a;b.md", b"{{7*7}}.md", b"[x](javascript:1).md", b"%2e%2e.md",
    "نص عربي.md".encode(), "日本語.md".encode(), b"a..md", b"back\\slash.md",
]  # fmt: skip
NOT_UTF8 = [b"\xff\xfe.md", b"caf\xe9.md"]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return open_embedder(settings_for(tmp_path_factory.mktemp("embedder")))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "home")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def written(folder: Path, names: list[bytes]) -> list[str]:
    """Files of these names, each with a text of its own; gives the texts."""
    texts = [f"Town number {number} has a harbour of its own." for number in range(len(names))]
    for name, text in zip(names, texts, strict=True):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_text(text, encoding="utf-8")
    return texts


def reasons(report: object) -> dict[str, str]:
    return {Path(item.source).name: item.reason for item in report.failed}  # type: ignore[attr-defined]


def test_odd_names_are_added_once(settings: Settings, source: Path, embedder: Embedder) -> None:
    texts = written(source, NAMES + NOT_UTF8)
    report = add_sources(settings, [str(source)])
    assert (len(report.added), report.failed) == (len(texts), ())
    again = add_sources(settings, [str(source)])
    assert (len(again.unchanged), again.added, again.updated, again.failed) == (len(texts), (), (), ())
    one_by_one = add_sources(settings, [str(path) for path in source.iterdir()])
    assert len(one_by_one.unchanged) == len(texts)
    documents = [read_document(path) for path in corpus_files(settings.corpus_dir)]
    assert sorted(document.text for document in documents) == sorted(texts)
    assert all(clean_line(document.metadata.title) == document.metadata.title != "" for document in documents)
    origins = [document.metadata.origin or "" for document in documents]
    assert len(set(origins)) == len(texts)
    assert all(clean_line(origin) == origin for origin in origins)
    assert all(path.parent == settings.corpus_dir for path in corpus_files(settings.corpus_dir))
    assert (sync(settings, embedder=embedder).documents, check(settings)) == (len(texts), [])


def test_odd_names_in_the_corpus_are_indexed_and_removed(settings: Settings, embedder: Embedder) -> None:
    texts = written(settings.corpus_dir, NAMES + NOT_UTF8)
    report = sync(settings, embedder=embedder)
    assert [failed.reason.rpartition(" has a name")[2] for failed in report.failed] == [
        " that is not UTF-8: rename it."
    ] * 2
    assert all(failed.reason.isprintable() and failed.path.isprintable() for failed in report.failed)
    assert (report.documents, check(settings)) == (len(NAMES), [])
    rows = Catalog.open(settings.index_dir).documents()
    assert sorted(path for row in rows for path in row.paths) == sorted(os.fsdecode(name) for name in NAMES)
    assert all(clean_line(row.metadata.title) == row.metadata.title != "" for row in rows)
    assert sync(settings, embedder=embedder).embedded == 0
    for row in rows:
        remove(settings, row.document_id)
    assert sync(settings, embedder=embedder).documents == 0
    assert len(list(settings.corpus_dir.glob("[!.]*"))) - (settings.corpus_dir / "originals").exists() == len(
        texts
    ) - len(NAMES)


@pytest.mark.parametrize("name", [os.fsdecode(name) for name in NAMES + NOT_UTF8])
def test_a_name_is_shown_in_one_line_and_two_names_differently(name: str) -> None:
    told = shown(name)
    assert clean_line(told) == told
    assert "\n" not in told and "\x1b" not in told
    assert (told == name) == (clean_line(name) == name)
    told.encode("utf-8")


def test_links_lead_nowhere_else(settings: Settings, source: Path, embedder: Embedder, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("The private key of the owner.", encoding="utf-8")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "private.md").write_text("The diary of the owner.", encoding="utf-8")
    for folder in (source, settings.corpus_dir):
        (folder / "deep").mkdir()
        (folder / "deep" / "real.md").write_text("The real words.", encoding="utf-8")
        (folder / "inside.md").symlink_to(folder / "deep" / "real.md")
        (folder / "outside.md").symlink_to(secret)
        (folder / "upwards.md").symlink_to("../secret.md" if folder == source else "../../secret.md")
        (folder / "itself.md").symlink_to("itself.md")
        (folder / "nowhere.md").symlink_to("gone.md")
        (folder / "zeros.md").symlink_to("/dev/zero")
        (folder / "folder").symlink_to(tmp_path / "other")
        (folder / "deep" / "round").symlink_to("..")
    report = add_sources(settings, [str(source)])
    out = "a link that leads out of the folder"
    assert reasons(report) == {
        "outside.md": out,
        "upwards.md": out,
        "zeros.md": out,
        **dict.fromkeys(("itself.md", "nowhere.md"), "a link that leads nowhere"),
    }
    assert {Path(item.source).name for item in report.added} == {"real.md", "inside.md"}
    found = sync(settings, embedder=embedder)
    assert [failed.path for failed in found.failed] == ["outside.md", "upwards.md"]
    assert all("leads out of the corpus folder" in failed.reason for failed in found.failed)
    assert visible(settings) <= texts_of(settings)
    texts = [Catalog.open(settings.index_dir).document(row).text for row in visible(settings)]
    assert texts == ["The real words."]
    assert add_sources(settings, [str(source / "outside.md")]).added, "a link that a person names is followed"


def test_hidden_empty_huge_and_special_files(settings: Settings, source: Path, embedder: Embedder) -> None:
    for folder in (source, settings.corpus_dir):
        (folder / ".hidden.md").write_text("Hidden.", encoding="utf-8")
        (folder / ".git").mkdir()
        (folder / ".git" / "a.md").write_text("Hidden.", encoding="utf-8")
        (folder / "empty.md").write_bytes(b"")
        (folder / "blank.md").write_text(" \n\t\n", encoding="utf-8")
        (folder / "front.md").write_text("---\ntitle: Only this\n---\n", encoding="utf-8")
        with (folder / "huge.md").open("wb") as file:
            file.truncate(1 << 40)  # a tebibyte of nothing, which takes no place on the disk
        os.mkfifo(folder / "pipe.md")
        (folder / "twin.md").write_text("The same words.", encoding="utf-8")
        (folder / "twin of it.md").write_text("The same words.", encoding="utf-8")
        (folder / "folder.md").mkdir()
    report = add_sources(settings, [str(source)])
    found = reasons(report)
    assert {name: found[name] for name in ("empty.md", "huge.md", "pipe.md")} == {
        "empty.md": "empty",
        "huge.md": "larger than 50 MB",
        "pipe.md": "not a regular file",
    }
    assert set(found) == {"empty.md", "huge.md", "pipe.md", "blank.md", "front.md"}
    assert {Path(item.source).name for item in report.added} == {"twin.md", "twin of it.md"}
    synced = sync(settings, embedder=embedder)
    told = {failed.path: failed.reason for failed in synced.failed}
    assert set(told) == {"empty.md", "blank.md", "front.md", "huge.md"}
    assert "more than 50 MB: split it" in told["huge.md"]
    (row,) = Catalog.open(settings.index_dir).documents()
    assert len(row.paths) == 4, "one document under four names"
    assert len(row.origins) == 2


def test_uploads_may_be_called_anything(settings: Settings) -> None:
    names = [os.fsdecode(name) for name in NAMES + NOT_UTF8] + ["../../etc/passwd.md", "..\\..\\x.md", "", "a\x00b.md"]
    uploads = [Upload(name, f"Upload number {n} is a text.".encode()) for n, name in enumerate(names)]
    report = add_sources(settings, uploads)
    assert report.failed == ()
    assert all(path.parent == settings.corpus_dir for path in corpus_files(settings.corpus_dir))
    for item in (*report.added, *report.updated):
        item.source.encode("utf-8")
        assert "/" not in item.source and clean_line(item.source) == item.source


def unprivileged() -> list[str]:
    """What comes before a command so that closed folders are closed to it, also when root runs the tests."""
    if os.geteuid():
        return []
    given_up = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if not shutil.which("setpriv") or subprocess.run([*given_up, "true"], capture_output=True).returncode:
        pytest.skip("root may read everything, and cannot give that up here (setpriv)")
    return given_up


@pytest.fixture
def closed(settings: Settings) -> Callable[..., tuple[int, str, str]]:
    """`python -m ingest`, to which closed folders are closed; (status, output, errors)."""
    places = {"CORPUS_DIR": str(settings.corpus_dir), "INDEX_DIR": str(settings.index_dir)}

    def run(*arguments: object) -> tuple[int, str, str]:
        command = [*unprivileged(), sys.executable, "-m", "ingest", *map(str, arguments)]
        done = subprocess.run(command, env=os.environ | places, capture_output=True, text=True, timeout=120)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.equipped
def test_what_may_not_be_read_is_named_and_what_was_indexed_stays(
    settings: Settings, source: Path, closed: Callable[..., tuple[int, str, str]], embedder: Embedder
) -> None:
    for folder in (source, settings.corpus_dir):
        (folder / "deep").mkdir()
        (folder / "deep" / "kept.md").write_text("Words that are kept.", encoding="utf-8")
        (folder / "secret.md").write_text("Words that few may read.", encoding="utf-8")
    sync(settings, embedder=embedder)
    before = visible(settings)
    for folder in (source, settings.corpus_dir):
        (folder / "secret.md").write_text("Words that fewer may read.", encoding="utf-8")
        (folder / "secret.md").chmod(0)
    (source / "deep").chmod(0)
    status, _, err = closed("add", source)
    assert status == 2
    assert f"{source}/deep: Permission denied" in err and f"{source}/secret.md: Permission denied" in err
    assert f"Cannot read {settings.corpus_dir}/secret.md: Permission denied." in err
    assert visible(settings) == before
    for mode in (0, 0o444):  # not even listed; listed, but not to be opened
        (settings.corpus_dir / "deep").chmod(mode)
        status, _, err = closed("sync")
        assert (status, err.count("\n")) == (2, 1), err
        assert f"Cannot read {settings.corpus_dir}/deep" in err
        assert visible(settings) == before, "nothing of a closed folder is taken for deleted"
    for path in (source / "deep", settings.corpus_dir / "deep", *settings.corpus_dir.glob("*.md")):
        path.chmod(0o700)
    sync(settings, embedder=embedder)
    assert visible(settings) == texts_of(settings)


def test_a_terminal_is_told_nothing_but_text(settings: Settings, source: Path, run: Callable[..., object]) -> None:
    written(source, NAMES + NOT_UTF8)
    (source / "\x1b[2J\n.pdf").write_bytes(b"no PDF")
    written(settings.corpus_dir, NAMES[:12] + NOT_UTF8)
    places = {"CORPUS_DIR": settings.corpus_dir, "INDEX_DIR": settings.index_dir}
    added = run("ingest", "add", source, **places)
    listed = run("ingest", "list", **places)
    as_json = run("ingest", "list", "--json", **places)
    for done in (added, listed, as_json):
        told = done.stdout + done.stderr  # type: ignore[attr-defined]
        assert "Traceback" not in told
        assert all(char == "\n" or char.isprintable() or char == "\u200d" for char in told)
    assert added.returncode == 2  # type: ignore[attr-defined]
    rows = [json.loads(line) for line in as_json.stdout.splitlines()]  # type: ignore[attr-defined]
    assert len(rows) == len(listed.stdout.splitlines()) > len(NAMES)  # type: ignore[attr-defined]
