"""E-mail (.eml, RFC 5322) and saved pages (.mhtml, RFC 2557), with the standard library's parser."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import getaddresses

from ingest.document import Document
from ingest.readers.build import ReadError, iso_date, language_tag, make_document, one_line, web_url
from ingest.readers.html import article, parse_html
from ingest.readers.inline import plain_inline, with_notes
from ingest.readers.markup import drop_hidden, markdown
from ingest.readers.text import decode, require_text

_MAX_PARTS = 500
_META_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)


def read_eml(data: bytes, name: str) -> Document:
    """The body of a message, plain text before HTML; attachments are left out."""
    message = _parse(data)
    text = _body(message)
    people = getaddresses([str(message.get("From") or "")])
    author = next((person or address for person, address in people), None)
    return make_document(
        text,
        name=name,
        title=one_line(_header(message, "Subject")),
        author=one_line(author),
        published=iso_date(_header(message, "Date")),
        language=language_tag(_header(message, "Content-Language")),
    )


def read_mhtml(data: bytes, name: str, url: str | None = None) -> Document:
    """The article of a page that a browser saved with all its parts."""
    message = _parse(data)
    part = next((p for p in _parts(message) if p.get_content_type() in ("text/html", "application/xhtml+xml")), None)
    if part is None:
        raise ReadError("the saved page has no HTML part")
    stated = _header(message, "Snapshot-Content-Location") or _header(part, "Content-Location")
    return article(parse_html(_text(part)), name=name, url=url or web_url(stated))


def _parse(data: bytes) -> EmailMessage:
    try:
        message = message_from_bytes(data.lstrip(b"\r\n \t"), policy=policy.default)
    except (ValueError, TypeError, AttributeError, IndexError, LookupError, RecursionError) as error:
        raise ReadError("a damaged message") from error
    if not message.keys():
        raise ReadError("not a message: it has no headers")
    return message


def _header(message: EmailMessage, key: str) -> str | None:
    # The standard parser raises all sorts of errors on malformed structured headers.
    try:
        value = message.get(key)
        return None if value is None else str(value)
    except Exception:  # noqa: BLE001
        return None


def _parts(message: EmailMessage) -> list[EmailMessage]:
    parts = []
    for part in message.walk():
        if not part.is_multipart():
            parts.append(part)
        if len(parts) >= _MAX_PARTS:
            break
    return parts


def _body(message: EmailMessage) -> str:
    texts = [p for p in _parts(message) if not p.is_attachment()]
    plain = "\n\n".join(_text(p) for p in texts if p.get_content_type() == "text/plain").strip()
    if plain:
        return _unwrapped(plain)
    for part in texts:
        if part.get_content_type() == "text/html":
            tree = parse_html(_text(part))
            notes = plain_inline(tree)
            drop_hidden(tree)
            body = tree.find("body")
            return with_notes(markdown(tree if body is None else body), notes)
    raise ReadError("no text in the message, only attachments")


def _text(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset()
    if charset is None and part.get_content_type() == "text/html":
        found = _META_CHARSET.search(data[:4096])
        charset = found[1].decode("ascii") if found else None
    text = decode(data, charset)
    if data:
        require_text(data, text)
    return text


def _unwrapped(text: str) -> str:
    """Undo the wrapping at 72 columns: a paragraph whose lines are all that long is one line."""
    paragraphs = re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n"))
    out = []
    for paragraph in paragraphs:
        lines = paragraph.split("\n")
        wrapped = len(lines) > 1 and all(55 <= len(line) <= 80 for line in lines[:-1])
        plain = not any(re.match(r"\s*([>|*+-]|\d+[.)]) ", line) or line.startswith(("  ", "\t")) for line in lines)
        out.append(" ".join(line.strip() for line in lines) if wrapped and plain else paragraph)
    return "\n\n".join(out)
