"""Damaged and hostile files: each ends in text or a named reason, and nothing of ours goes down.

A seeded sample runs always, every file and page nightly; -s prints the table of outcomes.
"""

import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from ingest.corpus import tidy
from ingest.readers import ArchiveError, ReadError
from ingest.sandbox import WALL_SECONDS, Sandbox
from ingest.split import split

DATA = Path(os.environ.get("BENCH_DATA") or Path(__file__).parents[2] / "shared" / "data") / "badinput"
FOLDERS = ("pdf", "office", "epub", "strings")
SAMPLE = 60  # of the files, and of the pages
LEAST = 1000  # to be tried in all
pytestmark = [
    pytest.mark.equipped,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no hostile files at {DATA}; set BENCH_DATA"),
]


def outcome(sandbox: Sandbox, data: bytes, name: str) -> str:
    """What a file ends in: its format, or the reason it has none. Whatever else is raised fails the test."""
    try:
        document, kind = sandbox.read(data, name)
    except ArchiveError:
        members, _ = sandbox.unzip(data)
        named = [found if isinstance(found, str) else outcome(sandbox, found, name) for name, found in members]
        return f"archive: {len(named)} members named"
    except ReadError as reason:
        assert str(reason)
        assert "\n" not in str(reason)
        return f"reason: {reason}"
    assert document.text.strip()
    assert all(0 <= page <= len(document.text) for page in document.metadata.pages)
    return f"text: {kind}"


def html_cases() -> list[tuple[str, bytes | Path]]:
    """Each #data section of html5lib's tree construction tests is a page of its own."""
    cases: list[tuple[str, bytes | Path]] = []
    for file in sorted(DATA.glob("html/html5lib-tests/**/*.dat")):
        parts = re.split(rb"(?m)^#data\n", file.read_bytes())[1:]
        pages = (re.split(rb"(?m)^#(?:errors|encoding)", part)[0] for part in parts)
        cases += [(f"{file.stem}-{n}.html", page) for n, page in enumerate(pages)]
    for file in sorted(DATA.glob("html/html5lib-tests/tokenizer/*.test")):
        tests = json.loads(file.read_bytes()).get("tests", [])
        cases += [
            (f"{file.stem}-{n}.html", test["input"].encode("utf-8", "surrogatepass")) for n, test in enumerate(tests)
        ]
    return cases


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The bombs, loops and traps that the generator makes (inert until a parser inflates them)."""
    return make_bombs(tmp_path_factory.mktemp("bad"), 64)


def make_bombs(folder: Path, megabytes: int) -> list[Path]:
    """Bombs that unpack to so many megabytes, and what else there is of traps."""
    command = [sys.executable, str(DATA / "own/make_bad.py"), str(folder), str(megabytes)]
    made = subprocess.run(command, capture_output=True)
    assert made.returncode == 0, made.stderr
    return sorted(folder.iterdir())


def bad_files() -> list[tuple[str, bytes | Path]]:
    """Damaged and hostile files of others: PDF, Office, EPUB, lists of strings."""
    files = sorted(f for folder in FOLDERS for f in (DATA / folder).rglob("*") if f.is_file())
    return [(f.name, f) for f in files]


def run(cases: list[tuple[str, bytes | Path]], label: str) -> Counter[str]:
    """Read every case in the sandbox; the counts of outcomes, printed with the slowest."""
    found: Counter[str] = Counter()
    times: list[tuple[float, str]] = []
    before = own_memory()
    with Sandbox(workers=2) as sandbox, ThreadPoolExecutor(2) as pool:

        def one(case: tuple[str, bytes | Path]) -> None:
            name, source = case
            start = time.monotonic()
            result = outcome(sandbox, source.read_bytes() if isinstance(source, Path) else source, name)
            times.append((time.monotonic() - start, name))
            found[re.sub(r"'[^']*'|\d[\d,]*", "N", result)] += 1

        list(pool.map(one, cases))
    grown = (own_memory() - before) / 1e6
    print(f"\n{label}: {len(cases)} cases, our memory grew by {grown:.0f} MB")
    for result, count in found.most_common():
        print(f"{count:6}  {result}")
    for seconds, name in sorted(times, reverse=True)[:5]:
        print(f"{seconds:6.1f} s  {name}")
    assert found.total() == len(cases)
    assert max(times)[0] < 3 * WALL_SECONDS
    assert grown < 200
    return found


def own_memory() -> int:
    """Resident bytes of this process, by /proc; 0 where there is none."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def test_files_end_in_text_or_a_reason() -> None:
    found = run(random.Random(20261124).sample(bad_files(), SAMPLE), "files")
    assert sum(n for result, n in found.items() if result.startswith("text: ")) > SAMPLE / 5


def test_pages_end_in_text_or_a_reason() -> None:
    run(random.Random(20261124).sample(html_cases(), SAMPLE), "pages")


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_the_whole_list_ends_in_text_or_a_reason(tmp_path: Path) -> None:
    bombs = [(f.name, f) for f in make_bombs(tmp_path, 256)]
    tried = sum(run(cases, label).total() for label, cases in
                (("files", bad_files()), ("pages", html_cases()), ("bombs and traps", bombs)))  # fmt: skip
    assert tried >= LEAST


# What plain text and Markdown can be made of, over and over, to keep a reader busy.
SHAPES = {
    "brackets": "[", "links": "[a](", "pictures": "![x](y ", "stars": "*a ", "bars": "|a", "code": "`a\n",
    "quotes": "> ",
    "headings": "# a\n## b\n", "underlines": "a\n===\n", "fences": "```\n", "items": "- a\n", "numbers": "1. ",
    "rows": "| a |\n",
    "blank lines": "a\n\n", "one line": "word ", "one word": "a", "tabs": "\t", "paragraph ends": "a\v",
    "line ends": "a\u2028",
    "marks": "a" + "\u0301\u0323" * 50, "joiners": "👩\u200d", "stops": ". ", "closers": '.")', "notes": ".[1]",
    "initials": "A. ",
    "ideographs": "字。」", "page marks": "<!-- page 99999 -->\na", "halves of marks": "<!-- page ",
    "front matter": "---\na: b\n",
    "flow of YAML": "---\na: " + "[" * 9000 + "\n---\nb",
    "aliases": "---\na: &a [x]\nb: [*a, *a]\n---\nText. ",
}  # fmt: skip
BYTES = {
    "not UTF-8": b"abc \xff def ",
    "surrogates": b"\xed\xa0\x80a",
    "UTF-16": "a b. ".encode("utf-16-le"),
    "zeros": b"a\0",
}


@pytest.mark.parametrize(
    "size", [50_000, pytest.param(2_000_000, marks=[pytest.mark.nightly, pytest.mark.timeout(3600)])]
)
def test_hostile_text_becomes_passages_or_a_reason(size: int) -> None:
    shapes = {name: text.encode() for name, text in SHAPES.items()} | BYTES
    cases: list[tuple[str, bytes | Path]] = [
        (f"{name}{suffix}", (shape * (size // len(shape) + 1))[:size])
        for name, shape in shapes.items()
        for suffix in (".md", ".txt")
    ]
    found = run(cases, "hostile text")
    assert sum(count for result, count in found.items() if result.startswith("text: ")) > len(cases) / 2
    with Sandbox() as sandbox:
        for name, data in cases:
            with suppress(ReadError):
                document = tidy(sandbox.read(bytes(data), name)[0])  # type: ignore[arg-type]
                for passage in split(document):
                    span = passage.span
                    assert document.text[span.start : span.end] == span.text


def test_bombs_and_traps_end_in_text_or_a_reason(bombs: list[Path]) -> None:
    found = run([(f.name, f) for f in bombs], "bombs and traps")
    assert len(bombs) >= 60
    assert any("archive" in result for result in found)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("docx_billion_laughs.docx", "entities"),
        ("docx_quadratic.docx", "entities"),
        ("docx_xxe_file.docx", "entities"),
        ("docx_xxe_http.docx", "entities"),
        ("docx_bomb.docx", "unpacks to more than"),
        ("epub_bomb.epub", "unpacks to more than"),
        ("zip_5000_entries.zip", "entries"),
        ("zip_truncated.zip", "damaged"),
        ("pdf_no_text.pdf", "probably scanned"),
        ("pdf_header_only.pdf", "damaged"),
        ("docx_missing_document.docx", "no text part"),
        ("txt_empty.txt", "empty"),
        ("txt_binary.txt", "not a text file"),
        ("svg_xss.svg", "XML of an unknown kind"),
    ],
)
def test_the_reason_names_what_is_wrong(bombs: list[Path], name: str, reason: str) -> None:
    data = next(f for f in bombs if f.name == name).read_bytes()
    with Sandbox() as sandbox, pytest.raises(ReadError, match=reason):
        sandbox.read(data, name)


@pytest.mark.parametrize(
    "name", ["html_hidden_injection.html", "docx_hidden_injection.docx", "pdf_hidden_injection.pdf"]
)
def test_text_that_no_reader_sees_is_left_out(bombs: list[Path], name: str) -> None:
    data = next(f for f in bombs if f.name == name).read_bytes()
    with Sandbox() as sandbox:
        document, _ = sandbox.read(data, name)
    assert "ZEBRA" not in document.text


def test_no_file_of_an_archive_reaches_the_disk(bombs: list[Path], tmp_path: Path) -> None:
    data = next(f for f in bombs if f.name == "zip_traversal.zip").read_bytes()
    with Sandbox() as sandbox:
        members, complete = sandbox.unzip(data)
    assert complete
    assert ("../../../../tmp/CANARY_ESCAPE.txt", b"canary") in members
    assert not any(Path("/tmp").glob("CANARY*"))
