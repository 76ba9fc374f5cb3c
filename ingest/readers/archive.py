"""Zip containers, opened within bounds: for archives of articles, and for docx, odt and epub.

Nothing is ever extracted to disk and no path from an archive is used as a file path: members
are read by name from memory. Sizes are enforced while inflating, since headers can lie.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath

from lxml import etree

from ingest.readers.build import ReadError
from ingest.settings import SOURCE_BYTES

MAX_ENTRIES = 2_000
MAX_MEMBER = SOURCE_BYTES  # inflated
MAX_TOTAL = 200_000_000  # bytes, inflated, all members that are read
_LITTER = (".ds_store", "thumbs.db", "desktop.ini")


class BoundedZip:
    """A zip archive in memory of which only so much can be read."""

    def __init__(self, data: bytes) -> None:
        """Raises `ReadError` when it is damaged or has more than `MAX_ENTRIES` members."""
        # The end record states the count; a look there spares parsing a million entries.
        end = data.rfind(b"PK\x05\x06", max(0, len(data) - 70_000))
        stated = int.from_bytes(data[end + 10 : end + 12], "little") if end >= 0 else 0
        if stated > MAX_ENTRIES:
            raise ReadError(f"the archive has {stated:,} entries; at most {MAX_ENTRIES:,} are read")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (
            zipfile.BadZipFile,
            ValueError,
            OSError,
            EOFError,
            NotImplementedError,
            OverflowError,
        ) as error:
            raise ReadError("a damaged zip container") from error
        self._left = MAX_TOTAL
        if len(self._zip.infolist()) > MAX_ENTRIES:
            raise ReadError(f"the archive has more than {MAX_ENTRIES:,} entries")

    def names(self) -> list[str]:
        """Member names in order, folders left out; a name that occurs twice is listed once."""
        return list(dict.fromkeys(i.filename for i in self._zip.infolist() if not i.is_dir()))

    def has(self, name: str) -> bool:
        """Whether there is a member of exactly this name."""
        return name in self._zip.NameToInfo

    def is_link(self, name: str) -> bool:
        """Whether the member claims to be a symbolic link (Unix mode in its attributes)."""
        return self._zip.getinfo(name).external_attr >> 28 == 0xA

    def read(self, name: str) -> bytes:
        """The member's bytes; raises `ReadError` when it is missing, damaged, locked or too large."""
        try:
            with self._zip.open(name) as member:
                limit = min(MAX_MEMBER, self._left)
                data = member.read(limit + 1)
        except KeyError as error:
            raise ReadError(f"damaged: {_short(name)} is missing in it") from error
        except RuntimeError as error:
            raise ReadError("the archive is locked with a password") from error
        except (zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError, NotImplementedError) as error:
            raise ReadError(f"damaged: {_short(name)} cannot be unpacked") from error
        if len(data) > limit:
            raise ReadError(f"{_short(name)} unpacks to more than {limit // 1_000_000} MB")
        self._left -= len(data)
        return data

    def xml(self, name: str) -> etree._Element:
        """A member as XML, see `parse_xml`."""
        return parse_xml(self.read(name), name)


def _short(name: str) -> str:
    return repr(name[:80])


def parse_xml(data: bytes, name: str = "it") -> etree._Element:
    """Parse XML without network, files or entities; raises `ReadError` for what is not well-formed.

    Any entity declaration is refused: honest documents have none, and they are the way to
    read local files and to grow a kilobyte into gigabytes (CWE-611, CWE-776).
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        if b"<!ENTITY" in data[:100_000]:
            raise ReadError("its XML declares entities, which are refused") from error
        raise ReadError(f"damaged: {_short(name)} is not well-formed XML") from error
    if root is None:
        raise ReadError(f"damaged: {_short(name)} is empty")
    declared = root.getroottree().docinfo.internalDTD
    if declared is not None and any(True for _ in declared.iterentities()):
        raise ReadError("its XML declares entities, which are refused")
    return root


def kind_of_zip(data: bytes) -> str:
    """Which format a zip container is: docx, odt, epub or zip."""
    archive = BoundedZip(data)
    names = archive.names()
    if archive.has("mimetype"):
        kind = archive.read("mimetype")[:200].strip().decode("ascii", "replace")
        if kind == "application/epub+zip":
            return "epub"
        if kind.startswith("application/vnd.oasis.opendocument.text"):
            return "odt"
        if kind.startswith("application/vnd.oasis.opendocument"):
            raise ReadError("an OpenDocument spreadsheet or presentation: save it as PDF first")
    if "META-INF/container.xml" in names:
        return "epub"
    if "[Content_Types].xml" not in names:
        return "zip"
    if any(n.startswith("xl/") for n in names):
        raise ReadError("a spreadsheet: save it as PDF or text first")
    if any(n.startswith("ppt/") for n in names):
        raise ReadError("a presentation: save it as PDF first")
    return "docx"


def unzip(data: bytes, skip: int = 0) -> Iterator[tuple[str, bytes | str]]:
    """Each member of an archive of articles after the first `skip`: its name, and its bytes or why not.

    Links and archives within are named, not followed; what systems leave in archives is left out.
    """
    archive = BoundedZip(data)
    wanted = [n for n in archive.names() if not _is_litter(n)]
    for name in wanted[skip:]:
        if archive.is_link(name):
            yield name, "a link, which is not followed"
        elif name.lower().endswith((".zip", ".7z", ".rar", ".gz", ".tar")):
            yield name, "an archive within the archive: unpack it first"
        else:
            try:
                yield name, archive.read(name)
            except ReadError as error:
                yield name, str(error)


def _is_litter(name: str) -> bool:
    low = name.lower()
    return low.startswith("__macosx/") or PurePosixPath(low).name in _LITTER
