"""Plain text and Markdown, in any encoding.

Decoding follows the order that is right most often: byte order mark, valid UTF-8,
the declared charset (read as the WHATWG Encoding Standard does), detection by
charset-normalizer (MIT), Windows-1252.
"""

import codecs
import re
from contextlib import suppress

import yaml

from ingest.document import Document
from ingest.readers.build import ReadError, iso_date, language_tag, make_document, one_line, web_url

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
         (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))  # fmt: skip
_WHATWG = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252",
           "ascii": "cp1252", "iso-8859-9": "cp1254", "gb2312": "gb18030", "gbk": "gb18030",
           "shift_jis": "cp932", "shift-jis": "cp932",
           "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "big5": "big5hkscs", "x-sjis": "cp932",
           "tis-620": "cp874", "iso-8859-11": "cp874", "iso-8859-8-i": "iso-8859-8"}  # fmt: skip
# An encoding in which plain ASCII means something else lets markup hide from whoever looks at the bytes.
_REFUSED = {
    "utf-7",
    "unicode_escape",
    "raw_unicode_escape",
    "punycode",
    "idna",
    "undefined",
    "rot13",
    "hz",
    "cp037",
}
_SAMPLE = 64_000
_ISO_2022_JP = re.compile(rb"\x1b\$(?:[@B]|\(D)")
_NAMES = ("name", "full_name", "display_name", "title")  # of a person or a thing that front matter describes
_NULLS = ("~", "null", "Null", "NULL")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)


def decode(data: bytes, declared: str | None = None) -> str:
    """Bytes to text; never raises. `declared` is the charset of a header or a meta element."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if _ISO_2022_JP.search(data[:_SAMPLE]):  # Japanese mail: all of it is ASCII, and so would pass for that
        with suppress(UnicodeDecodeError):
            return data.decode("iso2022_jp_ext")
    if text and "\0" not in text[:1000]:
        return text
    guess = _wide(data) or (declared and _known(declared)) or None
    if guess is None and text:
        return text
    return data.decode(guess or _detect(data), "replace")


def _known(label: str) -> str | None:
    name = label.strip(" \"'").lower()
    name = _WHATWG.get(name, name)
    try:
        found = codecs.lookup(name).name
        "a".encode(found)
    except (LookupError, TypeError, UnicodeError, ValueError):
        return None
    return None if found in _REFUSED or name in _REFUSED or found == "utf-8" else found


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: Western text has a zero in every second byte."""
    sample = data[:2000]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = max(1, len(sample) // 2)
    if len(sample) < 4 or max(even, odd) < 0.4 * half or min(even, odd) > 0.05 * half:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _detect(data: bytes) -> str:
    from charset_normalizer import from_bytes

    if not data:
        return "utf-8"
    best = from_bytes(data[:_SAMPLE]).best()
    # A file that is nearly all valid UTF-8 is damaged UTF-8, whatever a detector thinks of the rest.
    bad = data[:_SAMPLE].decode("utf-8", "replace").count("\ufffd")
    high = sum(byte > 127 for byte in data[:_SAMPLE])
    if best is None:
        return "utf-8" if bad * 4 < high else "cp1252"
    return "utf-8" if bad * 20 < high else best.encoding


def require_text(data: bytes, text: str) -> None:
    """Raise `ReadError` when the bytes are plainly no text."""
    sample = text[:100_000]
    bad = sum(1 for c in sample if c == "\ufffd" or (c < " " and c not in "\t\n\r\f\v\x1a\x1b"))
    if sample and bad > 0.05 * len(sample):
        raise ReadError("not a text file, nor any format that is read here")
    if not data:
        raise ReadError("empty")


def read_text(data: bytes, name: str, charset: str | None = None) -> Document:
    """Plain text as it stands; the title is the first line if it looks like one, else the file's name."""
    text = decode(data, charset)
    require_text(data, text)
    first = text.lstrip("\ufeff \t\r\n").split("\n", 1)
    alone = len(first) > 1 and not first[1].split("\n", 1)[0].strip()
    line = re.sub(r"^#{1,6} +", "", first[0].strip())  # piped Markdown has no name that tells it
    looks_like_title = alone and 0 < len(line) <= 120 and line[-1] not in ".,;:"
    return make_document(text, name=name, title=line if looks_like_title else None)


def read_markdown(data: bytes, name: str, charset: str | None = None) -> Document:
    """Markdown as it stands; YAML front matter (as Jekyll and Hugo write it) becomes metadata."""
    text = decode(data, charset).replace("\r\n", "\n")
    require_text(data, text)
    fields, text = _front_matter(text)

    def stated(*keys: str) -> str | None:
        for key in keys:
            value = fields.get(key)
            said = _said(value)
            if said:
                return one_line(said)
        return None

    return make_document(
        text,
        name=name,
        title=stated("title"),
        author=stated("author", "authors", "by"),
        published=iso_date(_padded(stated("published", "date", "pubdate", "publishdate"))),
        url=web_url(stated("url", "canonical", "canonical_url", "source")),
        site=stated("site", "website"),
        section=stated("section"),
        summary=stated("summary", "description"),
        language=language_tag(stated("language", "lang")),
    )


def _said(value: object) -> str:
    """A value as one text: of a list its entries, of a map (`author: {name: ...}`) its name."""
    if isinstance(value, list):
        return ", ".join(said for entry in value if (said := _said(entry)))
    if isinstance(value, dict):
        return next((said for key in _NAMES if (said := _said(value.get(key)))), "")
    return str(value) if value and value not in _NULLS else ""


class _Loader(yaml.BaseLoader):
    """Every value is text as written, or a list or map of such: no tag can make anything else of it.

    Aliases are how a small YAML file becomes a huge object; front matter has no use for them.
    """

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        """The next node, if it is no alias and has neither an anchor nor a tag."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor or getattr(event, "tag", None):
            raise yaml.composer.ComposerError(None, None, "aliases and tags are not read", event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[arg-type]
        return node


def _padded(date: str | None) -> str | None:
    """A time as YAML lets one write it ("2024-2-3 9:05:00 -5") with the zeros that ISO 8601 asks for."""
    found = yaml.constructor.SafeConstructor.timestamp_regexp.match(date or "")
    if not found or not found["hour"]:
        return date
    zone = f"{found['tz_sign']}{found['tz_hour']:0>2}:{found['tz_minute'] or '00'}" if found["tz_sign"] else ""
    day = f"{found['year']}-{found['month']:0>2}-{found['day']:0>2}"
    return f"{day} {found['hour']:0>2}:{found['minute']}:{found['second']}{zone or found['tz'] or ''}"


def _front_matter(text: str) -> tuple[dict[str, object], str]:
    found = _FRONT_MATTER.match(text.lstrip("\ufeff"))
    if not found:
        return {}, text
    try:
        loaded = yaml.load(found[1], Loader=_Loader)  # noqa: S506 - it makes nothing but text
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, text
    if not isinstance(loaded, dict):
        return {}, text
    return {str(k).lower(): v for k, v in loaded.items()}, text.lstrip("\ufeff")[found.end() :]
