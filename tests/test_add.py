"""Sources to corpus files: identity, change, what is kept beside, and that one bad source stops nothing."""

import gzip
import io
import json
import os
import socket
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from loopback import Server, public, reply, serving

from ingest import UserError
from ingest.add import AddReport, Upload, add_sources, refresh_sources
from ingest.corpus import corpus_files, read_document
from ingest.fetch import fetch
from ingest.progress import Progress
from ingest.sandbox import Sandbox
from ingest.settings import Settings, load_settings

WORDS = "The harbour was dredged in 1954, and ships of forty thousand tons came in that year. " * 6
PAGE = "<html><head><title>{0}</title>{1}</head><body><article><h1>{0}</h1><p>{2}</p></article></body></html>"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {"CORPUS_DIR": str(tmp_path / "corpus"), "INDEX_DIR": str(tmp_path / "index")}, tmp_path / "no.env"
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def counts(report: AddReport) -> tuple[int, int, int, int]:
    return len(report.added), len(report.updated), len(report.unchanged), len(report.failed)


def originals(settings: Settings) -> list[str]:
    return sorted(p.name for p in (settings.corpus_dir / "originals").glob("[!.]*") if p.suffix != ".json")


class Site:
    """Pages by path, served over real HTTP with ETags; what is not there is 404."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, bytes]] = {}

    def __call__(self, head: bytes, connection: socket.socket) -> None:
        path = head.split(b" ")[1].decode().split("?")[0]
        kind, body = self.pages.get(path, ("", b""))
        tag = f'"{len(body)}-{hash(body)}"'
        if not kind:
            reply(b"gone", "404 Not Found")(head, connection)
        elif kind == "redirect":
            reply(b"", "302 Found", Location=body.decode())(head, connection)
        elif f"If-None-Match: {tag}".encode() in head:
            connection.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        else:
            reply(body, Content_Type=kind, ETag=tag)(head, connection)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    with serving(site) as running:
        yield running


def web(server: Server) -> partial[object]:
    return partial(fetch, resolve=public, connect=server.connect)


def test_a_file_is_added_once_and_again_for_free(settings: Settings, source: Path) -> None:
    file = source / "note.txt"
    file.write_text("A note\n\nIts text.", encoding="utf-8")
    first = add_sources(settings, [str(file)])
    assert counts(first) == (1, 0, 0, 0)
    (path,) = corpus_files(settings.corpus_dir)
    assert first.added[0].path == path
    document = read_document(path)
    assert document.text == "A note\n\nIts text."
    assert (document.metadata.title, document.metadata.origin) == ("A note", str(file))
    before = path.stat().st_mtime_ns
    assert counts(add_sources(settings, [str(file)])) == (0, 0, 1, 0)
    assert path.stat().st_mtime_ns == before
    assert originals(settings) == []


def test_a_file_is_the_same_by_whichever_path(settings: Settings, source: Path) -> None:
    (source / "sub").mkdir()
    (source / "a.md").write_text("# A\n\nWater is wet.\n", "utf-8")
    assert counts(add_sources(settings, [str(source / "a.md")]))[0] == 1
    assert counts(add_sources(settings, [str(source / "sub" / ".." / "a.md")])) == (0, 0, 1, 0)
    assert len(corpus_files(settings.corpus_dir)) == 1


def test_a_file_beside_the_corpus_is_not_taken_for_one_in_it(settings: Settings) -> None:
    settings.corpus_dir.mkdir(parents=True, exist_ok=True)
    (settings.corpus_dir.parent / "beside.md").write_text("# Beside\n\nIce floats.\n", "utf-8")
    assert counts(add_sources(settings, [str(settings.corpus_dir / ".." / "beside.md")]))[0] == 1


def test_a_changed_file_replaces_its_document_in_place(settings: Settings, source: Path) -> None:
    file = source / "page.html"
    file.write_text(PAGE.format("Harbour", "", WORDS), encoding="utf-8")
    path = add_sources(settings, [str(file)]).added[0].path
    assert path is not None
    kept = originals(settings)
    assert kept == [f"{read_document(path).document_id}.html"]
    file.write_text(PAGE.format("Harbour", "", WORDS + "New."), encoding="utf-8")
    assert counts(add_sources(settings, [str(file)])) == (0, 1, 0, 0)
    assert corpus_files(settings.corpus_dir) == [path]
    assert read_document(path).text.endswith("New.")
    assert originals(settings) == [f"{read_document(path).document_id}.html"] != kept
    assert (settings.corpus_dir / "originals" / originals(settings)[0]).read_bytes() == file.read_bytes()


def test_new_markup_around_the_same_words_changes_nothing(settings: Settings, source: Path) -> None:
    file = source / "page.html"
    file.write_text(PAGE.format("Harbour", "", WORDS), encoding="utf-8")
    add_sources(settings, [str(file)])
    file.write_text(PAGE.format("Harbour", "<script>nonce=2</script>", WORDS), encoding="utf-8")
    assert counts(add_sources(settings, [str(file)])) == (0, 0, 1, 0)


def test_a_renamed_corpus_file_and_lost_receipts_are_found_again(settings: Settings, source: Path) -> None:
    file = source / "a.md"
    file.write_text("# Title\n\nBody: text.", encoding="utf-8")
    path = add_sources(settings, [str(file)]).added[0].path
    assert path is not None
    moved = path.rename(path.with_name("my own name.md"))
    for receipt in (settings.corpus_dir / "originals").glob("*.json"):
        receipt.unlink()
    assert counts(add_sources(settings, [str(file)])) == (0, 0, 1, 0)
    assert corpus_files(settings.corpus_dir) == [moved]


def test_what_was_written_by_hand_is_kept(settings: Settings, source: Path) -> None:
    file = source / "a.html"
    file.write_text(PAGE.format("Harbour", "", WORDS), encoding="utf-8")
    path = add_sources(settings, [str(file)]).added[0].path
    assert path is not None
    path.write_text(path.read_text("utf-8").replace("1954", "1955"), encoding="utf-8")
    edited = path.read_bytes()
    file.write_text(PAGE.format("Harbour", "<!-- built today -->", WORDS), encoding="utf-8")
    assert counts(add_sources(settings, [str(file)])) == (0, 0, 1, 0)
    file.write_text(PAGE.format("Harbour", "", WORDS + "New."), encoding="utf-8")
    for _ in range(2):
        (failed,) = add_sources(settings, [str(file)]).failed
        assert "by hand, which is kept" in str(failed.reason)
    assert path.read_bytes() == edited
    path.write_bytes(edited.replace(b"title:", b"title: ["))  # what is in it cannot be told: kept as well
    assert "by hand, which is kept" in str(add_sources(settings, [str(file)]).failed[0].reason)
    path.unlink()
    assert counts(add_sources(settings, [str(file)])) == (1, 0, 0, 0)


def test_two_processes_that_add_one_source_write_one_file(settings: Settings, source: Path) -> None:
    from ingest.receipts import Receipts

    file = source / "a.md"
    file.write_text("# Title\n\nBody.", encoding="utf-8")
    other = Receipts(settings.corpus_dir)
    assert other.origins() == {}  # what a process knows that began before the other one added it
    path = add_sources(settings, [str(file)]).added[0].path
    assert other.find(str(file)) == path


def test_a_document_removed_by_hand_comes_back(settings: Settings, source: Path) -> None:
    file = source / "a.md"
    file.write_text("Words.", encoding="utf-8")
    path = add_sources(settings, [str(file)]).added[0].path
    assert path is not None
    path.unlink()
    assert counts(add_sources(settings, [str(file)])) == (1, 0, 0, 0)


def test_the_same_text_under_two_names_is_two_origins_of_one_document(settings: Settings, source: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (source / name).write_text("The same words.", encoding="utf-8")
    assert counts(add_sources(settings, [str(source)])) == (2, 0, 0, 0)
    documents = [read_document(path) for path in corpus_files(settings.corpus_dir)]
    assert len({d.document_id for d in documents}) == 1
    assert {d.metadata.origin for d in documents} == {str(source / "a.txt"), str(source / "b.txt")}


def test_a_folder_is_read_through_but_for_what_is_not_ours_to_read(settings: Settings, source: Path) -> None:
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "a.md").write_text("One.", encoding="utf-8")
    (source / "b.TXT").write_text("Two.", encoding="utf-8")
    (source / ".hidden").mkdir()
    (source / ".hidden" / "c.md").write_text("Three.", encoding="utf-8")
    (source / "picture.png").write_bytes(b"\x89PNG")
    inside = load_settings({"CORPUS_DIR": str(source / "corpus")}, source / "no.env")
    assert counts(add_sources(inside, [str(source)])) == (2, 0, 0, 0)
    assert counts(add_sources(inside, [str(source)])) == (0, 0, 2, 0)


def test_one_bad_source_never_stops_the_rest(settings: Settings, source: Path) -> None:
    (source / "good.md").write_text("Good.", encoding="utf-8")
    (source / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    (source / "empty.txt").write_bytes(b"")
    os.mkfifo(source / "pipe.md")
    (source / "nothing here").mkdir()
    sources = [str(source / n) for n in ("bad.pdf", "none.md", "empty.txt", "pipe.md", "nothing here", "good.md")]
    report = add_sources(settings, [*sources, "ftp://a.example/x", "http://127.0.0.1/", "http://localhost"])
    assert counts(report) == (1, 0, 0, 8)
    reasons = {Path(item.source).name or item.source: item.reason for item in report.failed}
    assert reasons == {
        "bad.pdf": "a damaged PDF: it cannot be opened",
        "none.md": "no such file or folder",
        "empty.txt": "empty",
        "pipe.md": "not a regular file",
        "nothing here": "no file in this folder has a format that is read here",
        "x": "only http:// and https:// URLs are fetched",
        "127.0.0.1": "127.0.0.1 is not a public address",
        "localhost": "localhost is a name of a local network",
    }


def test_an_empty_name_does_not_add_the_current_folder(
    settings: Settings, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "a.txt").write_text("Words.", encoding="utf-8")
    monkeypatch.chdir(source)
    report = add_sources(settings, [""])
    assert counts(report) == (0, 0, 0, 1)
    assert report.failed[0].reason == "an empty name: say which file or folder"
    assert counts(add_sources(settings, ["."])) == (1, 0, 0, 0)


def test_an_unforeseen_fault_is_one_named_failure(
    settings: Settings, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: Sandbox, data: bytes, name: str, *rest: str | None) -> object:
        return 1 / 0 if name == "bad.md" else real(self, data, name, *rest)

    real = Sandbox.read
    monkeypatch.setattr(Sandbox, "read", read)
    for name in ("a.md", "bad.md", "c.md"):
        (source / name).write_text(f"Words of {name}.", encoding="utf-8")
    report = add_sources(settings, [str(source)])
    assert counts(report) == (2, 0, 0, 1)
    assert report.failed[0].reason == "reading it failed unforeseen (ZeroDivisionError)"


def test_no_source_is_read_in_this_process(settings: Settings, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ingest.readers.text", None)  # who imports it here fails
    (source / "a.md").write_text("# Notes\n\nWords of a file.", encoding="utf-8")
    uploads = [Upload("b.md", b"Words that were uploaded."), Upload("c.txt", "Worte, gemäß.".encode("cp1252"))]
    assert counts(add_sources(settings, [str(source), *uploads])) == (3, 0, 0, 0)


def test_an_archive_gives_its_members(settings: Settings, source: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("texts/a.md", "First.")
        archive.writestr("../../b.txt", "Second.")
        archive.writestr("picture.png", "x")
        archive.writestr("inner.zip", buffer.getvalue())
        archive.writestr("__MACOSX/a.md", "litter")
    file = source / "papers.zip"
    file.write_bytes(buffer.getvalue())
    report = add_sources(settings, [str(file)])
    assert counts(report) == (2, 0, 0, 2)
    assert {item.source for item in report.added} == {f"{file}!texts/a.md", f"{file}!../../b.txt"}
    assert all(item.path and item.path.parent == settings.corpus_dir for item in report.added)
    assert counts(add_sources(settings, [str(file)])) == (0, 0, 2, 2)


def test_standard_input_and_uploads(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(b"Piped words.")

    monkeypatch.setattr("sys.stdin", Input)
    report = add_sources(settings, ["-", Upload("../../etc/notes.md", b"Uploaded words.")])
    assert counts(report) == (2, 0, 0, 0)
    told = {read_document(p).text: read_document(p).metadata for p in corpus_files(settings.corpus_dir)}
    assert told["Uploaded words."].origin == "notes.md"
    assert (told["Piped words."].origin or "").startswith("stdin:")


def test_standard_input_that_cannot_be_read_stops_no_other(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("The other words.", encoding="utf-8")
    unreadable = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    for stdin, reason in (open(unreadable, closefd=True), "Bad file descriptor"), (None, "it is closed"):  # noqa: SIM115
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", stdin)
            report = add_sources(settings, ["-", str(other)])
        assert [one.reason for one in report.failed] == [reason]
        assert not report.stopped
    assert [read_document(path).text for path in corpus_files(settings.corpus_dir)] == ["The other words."]


def test_two_uploads_of_one_name_are_two_documents(settings: Settings) -> None:
    first, second = Upload("report.md", b"The first report."), Upload("report.md", b"The second report.")
    assert counts(add_sources(settings, [first, second])) == (2, 0, 0, 0)
    assert counts(add_sources(settings, [second, first])) == (0, 0, 2, 0)
    assert counts(add_sources(settings, [Upload("report.md", b"The third report.")])) == (1, 0, 0, 0)
    texts = {read_document(path).text for path in corpus_files(settings.corpus_dir)}
    assert texts == {"The first report.", "The second report.", "The third report."}


def test_a_page_is_known_by_its_canonical_url(settings: Settings, site: Site, server: Server) -> None:
    link = '<link rel="canonical" href="http://site.test/harbour">'
    site.pages["/harbour"] = ("text/html", PAGE.format("Harbour", link, WORDS).encode())
    urls = ["http://site.test/harbour?utm_source=x", "http://site.test/harbour"]
    assert counts(add_sources(settings, urls[:1], fetch=web(server))) == (1, 0, 0, 0)
    assert counts(add_sources(settings, urls[1:], fetch=web(server))) == (0, 0, 1, 0)
    told = read_document(corpus_files(settings.corpus_dir)[0]).metadata
    assert (told.origin, told.url, told.site) == (urls[1], urls[1], "site.test")
    assert told.retrieved is not None


def test_a_fetched_file_takes_no_address_but_its_own(settings: Settings, site: Site, server: Server) -> None:
    site.pages["/harbour"] = ("text/html", PAGE.format("Harbour", "", WORDS).encode())
    site.pages["/evil.md"] = (
        "text/markdown",
        b"---\ntitle: Evil\nurl: http://site.test/harbour\n---\n\nIt is mine now.",
    )
    site.pages["/evil.epub"] = ("application/epub+zip", epub(source="http://site.test/harbour"))
    mine = "http://other.test/evil.md", "http://other.test/evil.epub"
    add_sources(settings, ["http://site.test/harbour"], fetch=web(server))
    report = add_sources(settings, mine, fetch=web(server))
    assert {item.source for item in report.added} == set(mine)
    told = {read_document(path).metadata for path in corpus_files(settings.corpus_dir)}
    assert {(one.origin, one.url) for one in told} == {(url, url) for url in ("http://site.test/harbour", *mine)}


def epub(source: str) -> bytes:
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>Book</dc:title><dc:source>{source}</dc:source></metadata>"
        '<manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("book.opf", package)
        archive.writestr("a.xhtml", "<html><body><p>Once upon a time.</p></body></html>")
    return buffer.getvalue()


def test_refresh_asks_only_for_what_changed(settings: Settings, site: Site, server: Server) -> None:
    for name in ("a", "b", "c"):
        site.pages[f"/{name}"] = ("text/html", PAGE.format(name * 3, "", WORDS + name).encode())
    add_sources(settings, [f"http://site.test/{n}" for n in "abc"], fetch=web(server))
    site.pages["/b"] = ("text/html", PAGE.format("bbb", "", WORDS + "b changed.").encode())
    del site.pages["/c"]
    server.requests.clear()
    report = refresh_sources(settings, fetch=web(server))
    assert counts(report) == (0, 1, 1, 1)
    assert report.failed[0].reason == "the server answered 404 (Not Found)"
    assert len(corpus_files(settings.corpus_dir)) == 3
    assert all(b"If-None-Match" in request for request in server.requests)


@pytest.mark.parametrize("where", ["/", "http://other.test/article", "/login?next=/article"])
def test_an_article_that_leads_away_now_is_kept(settings: Settings, site: Site, server: Server, where: str) -> None:
    site.pages["/article"] = ("text/html", PAGE.format("Article", "", WORDS).encode())
    add_sources(settings, ["http://site.test/article"], fetch=web(server))
    (path,) = corpus_files(settings.corpus_dir)
    before = path.read_bytes()
    site.pages["/"] = site.pages["/login"] = ("text/html", PAGE.format("Welcome", "", WORDS * 2).encode())
    site.pages["/article"] = ("redirect", where.encode())
    report = refresh_sources(settings, fetch=web(server))
    assert counts(report)[3] == 1 and report.failed[0].reason
    assert corpus_files(settings.corpus_dir) == [path] and path.read_bytes() == before


def test_an_article_that_moved_within_its_host_is_refreshed(settings: Settings, site: Site, server: Server) -> None:
    site.pages["/article"] = ("text/html", PAGE.format("Article", "", WORDS).encode())
    add_sources(settings, ["http://site.test/article"], fetch=web(server))
    site.pages["/articles/1"] = ("text/html", PAGE.format("Article", "", WORDS + "It moved.").encode())
    site.pages["/article"] = ("redirect", b"/articles/1")
    assert counts(refresh_sources(settings, fetch=web(server))) == (0, 1, 0, 0)


def test_a_feed_gives_its_newest_pages(settings: Settings, site: Site, server: Server) -> None:
    entries = ""
    for day in range(1, 6):
        site.pages[f"/{day}"] = ("text/html", PAGE.format(f"Day {day}", "", WORDS + str(day)).encode())
        entries += f"<item><link>http://site.test/{day}</link><pubDate>0{day} Nov 2026 10:00:00 GMT</pubDate></item>"
    rss = f'<?xml version="1.0"?><rss version="2.0"><channel>{entries}</channel></rss>'
    site.pages["/feed"] = ("application/rss+xml", rss.encode())
    report = add_sources(settings, ["http://site.test/feed"], fetch=web(server), limit=2)
    assert {item.source for item in report.added} == {"http://site.test/5", "http://site.test/4"}
    report = add_sources(settings, ["http://site.test/feed"], fetch=web(server), since="2026-11-03")
    assert counts(report) == (1, 0, 2, 0)
    with pytest.raises(UserError, match="is not a date"):
        add_sources(settings, ["x"], since="last week")


ATOM = "<feed xmlns='http://www.w3.org/2005/Atom'>{0}</feed>"
ATOM_ENTRY = "<entry><link href='http://site.test/{0}'/><updated>2026-11-0{0}T10:00:00Z</updated></entry>"
SITEMAP = "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{0}</urlset>"
SITEMAP_ENTRY = "<url><loc>http://site.test/{0}</loc><lastmod>2026-11-0{0}</lastmod></url>"


@pytest.mark.parametrize(
    ("kind", "whole", "entry"),
    [("application/atom+xml", ATOM, ATOM_ENTRY), ("application/xml", SITEMAP, SITEMAP_ENTRY)],
    ids=["atom", "sitemap"],
)
def test_limit_and_since_choose_the_newest(
    settings: Settings, site: Site, server: Server, kind: str, whole: str, entry: str
) -> None:
    for day in range(1, 6):
        site.pages[f"/{day}"] = ("text/html", PAGE.format(f"Day {day}", "", WORDS + str(day)).encode())
    site.pages["/list"] = (kind, whole.format("".join(map(entry.format, (2, 5, 1, 4, 3)))).encode())
    report = add_sources(settings, ["http://site.test/list"], fetch=web(server), limit=2)
    assert {item.source for item in report.added} == {"http://site.test/5", "http://site.test/4"}
    report = add_sources(settings, ["http://site.test/list"], fetch=web(server), since="2026-11-02", limit=3)
    assert {item.source for item in report.added} == {"http://site.test/3"}
    (failed,) = add_sources(settings, ["http://site.test/list"], fetch=web(server), since="2026-11-06").failed
    assert (failed.source, failed.reason) == ("http://site.test/list", "lists no page since 2026-11-06")


def test_undated_entries_come_after_the_newest(settings: Settings, site: Site, server: Server) -> None:
    for day in range(1, 6):
        site.pages[f"/{day}"] = ("text/html", PAGE.format(f"Day {day}", "", WORDS + str(day)).encode())
    listed = [ATOM_ENTRY.format(2), "<entry><link href='http://site.test/5'/></entry>", *map(ATOM_ENTRY.format, (1, 4))]
    site.pages["/list"] = ("application/atom+xml", ATOM.format("".join(listed)).encode())
    report = add_sources(settings, ["http://site.test/list"], fetch=web(server), limit=2)
    assert {item.source for item in report.added} == {"http://site.test/4", "http://site.test/2"}
    site.pages["/list"] = ("application/atom+xml", ATOM.format("").encode())
    (failed,) = add_sources(settings, ["http://site.test/list"], fetch=web(server)).failed
    assert failed.reason == "lists no page"


def test_feeds_that_list_each_other_end(settings: Settings, site: Site, server: Server) -> None:
    for name in ("a", "b", "c"):
        entries = "".join(f"<entry><link href='http://site.test/{n}'/></entry>" for n in ("a", "b", "c", "page"))
        site.pages[f"/{name}"] = ("application/atom+xml", ATOM.format(entries).encode())
    site.pages["/page"] = ("text/html", PAGE.format("Page", "", WORDS).encode())
    report = add_sources(settings, [f"http://site.test/{n}" for n in "aab"], fetch=web(server))
    assert [item.source for item in report.added] == ["http://site.test/page"]
    assert [(item.source, item.reason) for item in report.failed] == [("http://site.test/c", "a feed within a feed")]
    assert len(server.requests) == 4


def test_parts_of_a_sitemap_index_that_fail_are_named(settings: Settings, site: Site, server: Server) -> None:
    parts = "".join(f"<sitemap><loc>http://site.test/{n}</loc></sitemap>" for n in ("good", "gone", "page", "index"))
    site.pages["/index"] = ("application/xml", f"<sitemapindex>{parts}</sitemapindex>".encode())
    site.pages["/good"] = ("application/xml", b"<urlset><url><loc>http://site.test/page</loc></url></urlset>")
    site.pages["/page"] = ("text/html", PAGE.format("Page", "", WORDS).encode())
    report = add_sources(settings, ["http://site.test/index"], fetch=web(server))
    assert counts(report) == (1, 0, 0, 3)
    assert {item.source.rpartition("/")[2]: item.reason for item in report.failed} == {
        "gone": "the server answered 404 (Not Found)",
        "page": "not a sitemap",
        "index": "an index of sitemaps within another",
    }


def test_what_only_begins_like_a_feed_is_read_as_what_it_is(settings: Settings, source: Path) -> None:
    page = PAGE.format("Harbour", "", WORDS).replace("</p>", "<br></p>")
    (source / "a.xhtml").write_text(f"<?xml version='1.0'?>\n<!-- > --><!DOCTYPE html>\n{page}", encoding="utf-8")
    (source / "b.txt").write_bytes(gzip.compress(WORDS.encode()))
    (source / "c.html").write_text("<?xml version='1.0'?><!-- > --><rss><channel><item>", encoding="utf-8")
    report = add_sources(settings, [str(source)])
    assert [Path(item.source).name for item in report.added] == ["a.xhtml"]
    assert {Path(item.source).name: item.reason for item in report.failed} == {
        "b.txt": "a gzip file: unpack it first",
        "c.html": "damaged: 'the feed' is not well-formed XML",
    }


def test_refresh_honours_last_modified_alone(settings: Settings) -> None:
    monday = "Mon, 23 Nov 2026 08:00:00 GMT"

    def old_server(head: bytes, connection: socket.socket) -> None:
        if f"If-Modified-Since: {monday}".encode() in head:
            connection.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        else:
            page = PAGE.format("Harbour", "", WORDS).encode()
            reply(page, Content_Type="text/html", Last_Modified=monday)(head, connection)

    with serving(old_server) as server:
        add_sources(settings, ["http://site.test/harbour"], fetch=web(server))
        assert counts(refresh_sources(settings, fetch=web(server))) == (0, 0, 1, 0)
        assert b"If-Modified-Since" in server.requests[-1]


def test_a_sitemap_index_gives_pages(settings: Settings, site: Site, server: Server) -> None:
    space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    part = f"<urlset {space}><url><loc>http://site.test/a</loc></url><url><loc>http://127.0.0.1/</loc></url></urlset>"
    index = f"<sitemapindex {space}><sitemap><loc>http://site.test/part.xml</loc></sitemap></sitemapindex>"
    site.pages["/part.xml"] = ("application/xml", part.encode())
    site.pages["/sitemap.xml"] = ("application/xml", index.encode())
    site.pages["/a"] = ("text/html", PAGE.format("A", "", WORDS).encode())
    report = add_sources(settings, ["http://site.test/sitemap.xml"], fetch=web(server))
    assert counts(report) == (1, 0, 0, 1)
    assert "not a public address" in str(report.failed[0].reason)


def test_progress_is_told_and_stop_ends_it(settings: Settings, source: Path) -> None:
    for n in range(12):
        (source / f"{n}.txt").write_text(f"Text {n}.", encoding="utf-8")
    told: list[Progress] = []
    report = add_sources(settings, [str(source)], progress=told.append)
    assert counts(report) == (12, 0, 0, 0)
    assert told[-1].done == told[-1].total == 13
    stopped = add_sources(settings, [str(source)], progress=told.append, stop=lambda: True)
    assert stopped.stopped
    assert counts(stopped) == (0, 0, 0, 0)


def test_damaged_receipts_cost_only_work(settings: Settings, source: Path) -> None:
    file = source / "a.md"
    file.write_text("Words.", encoding="utf-8")
    add_sources(settings, [str(file)])
    (receipt,) = (settings.corpus_dir / "originals").glob("*.json")
    for content in ("{", "[]", json.dumps({"origin": 1}), json.dumps({"origin": "other", "sha256": "x"})):
        receipt.write_text(content, encoding="utf-8")
        assert counts(add_sources(settings, [str(file)])) == (0, 0, 1, 0)


def test_a_read_only_corpus_is_one_clear_line(settings: Settings, source: Path) -> None:
    (source / "a.md").write_text("Words.", encoding="utf-8")
    settings.corpus_dir.parent.joinpath("corpus").write_text("a file where the folder should be", encoding="utf-8")
    report = add_sources(settings, [str(source / "a.md")])
    assert counts(report) == (0, 0, 0, 1)
    assert "Cannot write to" in str(report.failed[0].reason)


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.md", data)
    return buffer.getvalue()


def texts(settings: Settings) -> set[str]:
    return {read_document(path).text for path in corpus_files(settings.corpus_dir)}


def test_members_of_two_uploaded_archives_of_one_name_are_two_documents(settings: Settings) -> None:
    first, second = Upload("papers.zip", zipped(a=b"The first.")), Upload("papers.zip", zipped(a=b"The second."))
    assert counts(add_sources(settings, [first])) == (1, 0, 0, 0)
    assert counts(add_sources(settings, [second])) == (1, 0, 0, 0)
    assert texts(settings) == {"The first.", "The second."}
    assert counts(add_sources(settings, [second])) == counts(add_sources(settings, [first])) == (0, 0, 1, 0)


def test_an_archive_is_unpacked_as_its_members_are_worked_off(
    settings: Settings, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = [(f"{n}.md", f"Text {n}.".encode()) for n in range(40)]
    done, unpacked = [0], list[tuple[int, int]]()

    def unzip(_: object, data: bytes, skip: int = 0) -> tuple[list[tuple[str, bytes]], bool]:
        unpacked.append((skip, done[0]))
        return members[skip : skip + 10], skip + 10 >= len(members)

    def told(now: Progress) -> None:
        done[0] = int(now.done)

    monkeypatch.setattr("ingest.add.Sandbox.unzip", unzip)
    (source / "a.zip").write_bytes(zipped(a=b"A.", b=b"B."))
    assert counts(add_sources(settings, [str(source / "a.zip")], progress=told)) == (40, 0, 0, 0)
    assert [skip for skip, _ in unpacked] == [0, 10, 20, 30]
    assert unpacked[3][1] > 10, "most of the earlier members are done with"


def test_a_member_of_a_fetched_archive_claims_no_address_of_another_host(
    settings: Settings, site: Site, server: Server
) -> None:
    written = b"---\ntitle: A\nurl: http://%s/harbour\n---\n\nIt is mine now: %s."
    archive = zipped(a=written % (b"site.test", b"a"), b=written % (b"other.test", b"b"))
    site.pages["/x.zip"] = ("application/zip", archive)
    assert counts(add_sources(settings, ["http://other.test/x.zip"], fetch=web(server))) == (2, 0, 0, 0)
    told = {read_document(path).metadata for path in corpus_files(settings.corpus_dir)}
    assert {one.url for one in told} == {None, "http://other.test/harbour"}


def test_pages_that_state_one_address_but_differ_are_kept_apart(settings: Settings, site: Site, server: Server) -> None:
    link = '<link rel="canonical" href="http://site.test/all">'
    urls = [f"http://site.test/{n}" for n in "abc"]
    for name in "abc":
        site.pages[f"/{name}"] = ("text/html", PAGE.format(name, link, WORDS + f"Only {name}.").encode())
    assert counts(add_sources(settings, urls, fetch=web(server))) == (3, 0, 0, 0)
    assert {text[-7:] for text in texts(settings)} == {"Only a.", "Only b.", "Only c."}
    assert counts(add_sources(settings, urls[::-1], fetch=web(server))) == (0, 0, 3, 0)


def test_a_file_written_by_hand_with_the_origin_of_a_page_is_kept(
    settings: Settings, site: Site, server: Server
) -> None:
    site.pages["/harbour"] = ("text/html", PAGE.format("Harbour", "", WORDS).encode())
    settings.corpus_dir.mkdir()
    mine = settings.corpus_dir / "mine.md"
    front = "---\ntitle: My harbour\norigin: http://site.test/harbour\n---\n\n"
    mine.write_text(front + "My own words.", "utf-8")
    for again in (refresh_sources, partial(add_sources, sources=["http://site.test/harbour"])):
        (failed,) = again(settings, fetch=web(server)).failed
        assert f"{mine}, which add has no receipt of: that is kept" in str(failed.reason)
    assert mine.read_text("utf-8") == front + "My own words."
    mine.write_text(front + WORDS, "utf-8")
    for _ in range(2):
        assert counts(refresh_sources(settings, fetch=web(server))) == (0, 0, 1, 0)
    assert mine.read_text("utf-8") == front + WORDS
