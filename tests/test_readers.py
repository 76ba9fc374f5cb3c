"""Each format, from files built here: text and metadata to the character."""

import io
import zipfile
from email.message import EmailMessage

import pytest

from ingest.document import Document
from ingest.readers import ArchiveError, ReadError, read, sniff
from ingest.readers.build import iso_date, language_tag, web_url
from ingest.readers.feed import entries
from ingest.readers.text import decode


def zipped(members: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def pdf(pages: list[list[tuple[float, float, float, str]]], info: str = "") -> bytes:
    """A PDF of lines (x, y, size, text) a page, in Helvetica."""
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        f"<<{info}>>",
    ]
    kids = []
    for lines in pages:
        drawn = "".join(f"BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET\n" for x, y, size, text in lines)
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {len(objects) + 2} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>"
        )
        objects.append(f"<</Length {len(drawn)}>>\nstream\n{drawn}endstream")
    objects[1] = f"<</Type/Pages/Kids[{' '.join(kids)}]/Count {len(kids)}>>"
    out, offsets = b"%PDF-1.7\n", []
    for number, item in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{item}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    return out + (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
        f"trailer\n<</Size {len(objects) + 1}/Root 1 0 R/Info 4 0 R>>\nstartxref\n{len(out)}\n%%EOF\n"
    ).encode("latin-1")


PROSE = [
    (72, 700, 12, "The bridge was opened in 1932 after eight years of work that em-"),
    (72, 686, 12, "ployed about two thousand people. Its span is 503 metres, and the"),
    (72, 672, 12, "arch stands 134 metres above the water of the harbour it crosses."),
    (72, 646, 12, "Trains and cars have shared it from the first day of its use until"),
    (72, 632, 12, "now."),
]


def test_pdf_lines_become_paragraphs_and_hyphens_go() -> None:
    document = read(pdf([[(72, 740, 24, "Harbour Bridge"), *PROSE]], "/Title(The Bridge)/Author(A. Writer)"), "b.pdf")
    assert document.text == (
        "# Harbour Bridge\n\n"
        "The bridge was opened in 1932 after eight years of work that employed about two thousand people. "
        "Its span is 503 metres, and the arch stands 134 metres above the water of the harbour it crosses.\n\n"
        "Trains and cars have shared it from the first day of its use until now."
    )
    assert document.metadata.title == "The Bridge"
    assert document.metadata.author == "A. Writer"
    assert document.metadata.published is None


def test_pdf_compounds_keep_their_hyphen() -> None:
    lines = [
        (72, 700, 12, "It was a well-"),
        (72, 686, 12, "known state-of-the-art mixed-use plan of the nineteen-"),
        (72, 672, 12, "twenties, as mixed-"),
        (72, 658, 12, "use plans by Smith-"),
        (72, 644, 12, "Jones were."),
    ]
    text = read(pdf([lines]), "a.pdf").text
    assert text == (
        "It was a well-known state-of-the-art mixed-use plan of the nineteentwenties, as mixed-use plans by "
        "Smith-Jones were."
    )


def test_pdf_pages_are_remembered_and_running_lines_dropped() -> None:
    names = ["alpha", "beta", "gamma", "delta"]
    pages = [
        [
            (72, 770, 9, "Annual Report"),
            (72, 700, 12, f"This page speaks of {name}."),
            (300, 20, 9, str(n + 1)),
        ]
        for n, name in enumerate(names)
    ]
    document = read(pdf(pages), "report.pdf")
    assert document.text == "\n\n".join(f"This page speaks of {name}." for name in names)
    for number, name in enumerate(names, 1):
        assert document.page(document.text.index(name)) == number


def test_pdf_stamps_watermarks_and_alternating_heads_are_dropped_and_notes_kept() -> None:
    pages = [
        [
            (72, 770, 9, f"{n}   Annual Report" if n % 2 else f"River Board   {n}"),
            (72, 700, 12, f"This page speaks of {name}."),
            (72, 80, 8, f"{n} See volume {n} of the notes."),
            (300, 20, 9, f"Page {n} of 6"),
            (150, 400, 60, "DRAFT"),
            (20, 10, 7, "Downloaded from example.org on 1 May 2024"),
        ]
        for n, name in enumerate(("alpha", "beta", "gamma", "delta", "epsilon", "zeta"), 1)
    ]
    text = read(pdf(pages), "report.pdf").text
    assert "Annual" not in text
    assert "River Board" not in text
    assert "Page" not in text
    assert "DRAFT" not in text
    assert "Downloaded" not in text
    assert text.startswith("This page speaks of alpha.\n\n1 See volume 1 of the notes.\n\nThis page speaks of beta.")


def test_pdf_page_numbers_of_a_short_document_are_dropped() -> None:
    pages = [[(72, 700, 12, f"The {n} part of it."), (300, 20, 9, f"Page {n} of 2")] for n in (1, 2)]
    pages[1].insert(1, (72, 600, 12, "Page 1 of 2"))  # said of another page: text
    pages[1] += [(72, y, 12, f"Line {y} of the text.") for y in (580, 560, 540)]
    text = read(pdf(pages), "report.pdf").text
    assert "Page 2 of 2" not in text
    assert text.count("Page 1 of 2") == 1


def test_a_sentence_that_runs_over_a_page_end_stays_whole() -> None:
    pages = [[(72, 700, 12, "The treaty was signed by all")], [(72, 700, 12, "members in the spring.")]]
    document = read(pdf(pages), "t.pdf")
    assert document.text == "The treaty was signed by all members in the spring."
    assert document.page(document.text.index("members")) == 2


def test_a_scanned_pdf_says_what_to_do() -> None:
    with pytest.raises(ReadError, match="probably scanned: run OCR first"):
        read(pdf([[]]), "scan.pdf")


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx(body: str, **parts: str) -> bytes:
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>",
        "docProps/core.xml": '<c:coreProperties xmlns:c="c" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<dc:title>A Report</dc:title><dc:creator>Ann Other</dc:creator><dc:language>en-GB</dc:language>"
        "</c:coreProperties>",
        "word/styles.xml": f'<w:styles {W}><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        '<w:style w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="berschrift1"/></w:style></w:styles>',
    }
    return zipped(members | parts)


def paragraph(text: str, style: str = "", run: str = "", extra: str = "") -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{extra}</w:pPr><w:r><w:rPr>{run}</w:rPr><w:t>{text}</w:t></w:r></w:p>"


def test_docx() -> None:
    item = '<w:numPr><w:ilvl w:val="0"/></w:numPr>'
    cell = "<w:tc>{}</w:tc>".format
    rows = [("Year", "Sum"), ("2025", "7 | 8")]
    table = "".join(f"<w:tr>{''.join(cell(paragraph(c)) for c in row)}</w:tr>" for row in rows)
    document = read(
        docx(
            paragraph("Findings", "Own") + "<w:p><w:r><w:t>Split </w:t></w:r><w:r><w:t>run.</w:t></w:r>"
            "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t> Kept.</w:t></w:r></w:ins></w:p>"
            + paragraph("one", extra=item)
            + paragraph("two", extra=item)
            + f"<w:tbl>{table}</w:tbl>"
            + paragraph("unseen", run="<w:vanish/>")
            + paragraph("Ende gut, alles gut. Größe: 5 µm")
        ),
        "r.docx",
    )
    assert document.text == (
        "# Findings\n\nSplit run. Kept.\n\n- one\n- two\n\n| Year | Sum |\n| --- | --- |\n| 2025 | 7 / 8 |\n\n"
        "Ende gut, alles gut. Größe: 5 µm"
    )
    told = document.metadata
    assert (told.title, told.author, told.language, told.published) == (
        "A Report",
        "Ann Other",
        "en-GB",
        None,
    )


def test_docx_notes_are_marked_and_kept_and_powers_stay_powers() -> None:
    mark = '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:{}Reference w:id="{}"/></w:r>'.format
    power = '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>3</w:t></w:r>'
    body = (
        f"<w:p><w:r><w:t>A word</w:t></w:r>{mark('footnote', 2)}<w:r><w:t> and 10</w:t></w:r>{power}"
        f"<w:r><w:t> more.</w:t></w:r>{mark('endnote', 2)}</w:p>"
    )
    own = '<w:p><w:r><w:footnoteRef/></w:r><w:r><w:t xml:space="preserve"> {}</w:t></w:r></w:p>'.format
    document = read(
        docx(
            body,
            **{
                "word/footnotes.xml": f'<w:footnotes {W}><w:footnote w:type="separator" w:id="0"><w:p/></w:footnote>'
                f'<w:footnote w:id="2">{own("The note.")}</w:footnote></w:footnotes>',
                "word/endnotes.xml": f'<w:endnotes {W}><w:endnote w:id="2">{own("The end.")}</w:endnote></w:endnotes>',
            },
        ),
        "r.docx",
    )
    assert document.text == "A word[1] and 10³ more.[2]\n\n[1] The note.\n\n[2] The end."


def test_odt_notes_are_marked_and_kept() -> None:
    text = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
    content = (
        f'<o:document-content xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="{text}"><o:body>'
        "<o:text><text:p>A word<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>The note."
        "</text:p></text:note-body></text:note> and more.</text:p></o:text></o:body></o:document-content>"
    )
    data = zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})
    assert read(data, "x.odt").text == "A word[1] and more.\n\n[1] The note."


def test_epub_notes_are_marked_and_kept() -> None:
    body = (
        '<p>A word<a epub:type="noteref" href="#n1">1</a> and 10<sup>3</sup> more.</p>'
        '<aside epub:type="footnote" id="n1"><p>The note.</p></aside>'
    )
    assert read(epub({"a.xhtml": body}, ["a.xhtml"]), "x.epub").text == ("A word[1] and 10³ more.\n\n[1] The note.")


def test_odt() -> None:
    names = {
        "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
        "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
        "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
        "meta": "urn:oasis:names:tc:opendocument:xmlns:meta:1.0",
        "dc": "http://purl.org/dc/elements/1.1/",
    }
    declared = " ".join(f'xmlns:{k}="{v}"' for k, v in names.items())
    content = (
        f"<office:document-content {declared}><office:body><office:text>"
        '<text:h text:outline-level="2">Part two</text:h>'
        "<text:p>Some <text:span>bold</text:span> words<text:note><text:note-citation>1</text:note-citation>"
        "</text:note>.</text:p><text:list><text:list-item><text:p>one</text:p></text:list-item>"
        "<text:list-item><text:p>two</text:p></text:list-item></text:list>"
        "</office:text></office:body></office:document-content>"
    )
    meta = (
        f"<office:document-meta {declared}><office:meta><dc:title>Open</dc:title>"
        "<meta:initial-creator>First</meta:initial-creator><dc:creator>Last</dc:creator>"
        "</office:meta></office:document-meta>"
    )
    data = zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content, "meta.xml": meta})
    document = read(data, "x.odt")
    assert document.text == "## Part two\n\nSome bold words.\n\n- one\n- two"
    assert (document.metadata.title, document.metadata.author) == ("Open", "First")


def epub(chapters: dict[str, str], spine: list[str]) -> bytes:
    items = "".join(f'<item id="{n}" href="{n}" media-type="application/xhtml+xml"/>' for n in chapters)
    order = "".join(f'<itemref idref="{n}"/>' for n in spine)
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
            '<rootfiles><rootfile full-path="OEBPS/c.opf"/></rootfiles></container>',
            "OEBPS/c.opf": '<package xmlns="http://www.idpf.org/2007/opf"><metadata '
            'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Ein Buch</dc:title><dc:creator>A</dc:creator>'
            "<dc:creator>B</dc:creator><dc:language>de</dc:language><dc:date>2019-05-02</dc:date></metadata>"
            f"<manifest>{items}</manifest><spine>{order}</spine></package>",
            **{
                f"OEBPS/{name}": f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>'
                for name, body in chapters.items()
            },
        }
    )


def test_epub_chapters_come_in_reading_order() -> None:
    chapters = {"b.xhtml": "<h1>Zwei</h1><p>Über&#160;uns.</p>", "a.xhtml": "<h1>Eins</h1><p>Anfang.</p>"}
    document = read(epub(chapters, ["a.xhtml", "b.xhtml", "missing"]), "x.epub")
    assert document.text == "# Eins\n\nAnfang.\n\n# Zwei\n\nÜber uns."
    told = document.metadata
    assert (told.title, told.author, told.language, told.published) == (
        "Ein Buch",
        "A, B",
        "de",
        "2019-05-02",
    )


def test_rtf() -> None:
    source = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\info{\title Quarterly}{\author J. Doe}}"
        rb"\f0 Caf\'e9 opens.\par {\v secret}Second \u8364? line.\par}"
    )
    document = read(source, "x.rtf")
    assert document.text == "Café opens.\n\nSecond € line."
    assert (document.metadata.title, document.metadata.author) == ("Quarterly", "J. Doe")


def test_rtf_notes_are_marked_and_kept() -> None:
    source = (
        rb"{\rtf1\ansi\ansicpg1252 It opened in 1932.{\super\chftn}{\footnote\pard\plain{\super\chftn} See the "
        rb"{\i report} \{of M\'fcller\}, 1933.\par} It carried trams.\par "
        rb"Later{\super\chftn{\*\footnote\chftn\pard In 1940.}} it closed.\par}"
    )
    assert read(source, "x.rtf").text == (
        "It opened in 1932.[1] It carried trams.\n\nLater[2] it closed.\n\n"
        "[1] See the report {of Müller}, 1933.\n\n[2] In 1940."
    )


@pytest.mark.parametrize(
    "hidden",
    [rb"{\v Ignore all.}", rb"{\v{\footnote Ignore all.}}", rb"{\footnote\v Ignore all.}", rb"\v {\b Ignore} all.\v0"],
)
def test_what_an_rtf_file_hides_is_not_read(hidden: bytes) -> None:
    source = rb"{\rtf1\ansi It opened." + hidden + rb"{\footnote {\v Ignore}In 1932.} It closed.\par}"
    assert read(source, "x.rtf").text == "It opened.[1] It closed.\n\n[1] In 1932."


def test_eml_takes_the_plain_body() -> None:
    message = EmailMessage()
    message["Subject"] = "Größere Pläne"
    message["From"] = '"Doe, Jane" <jane@site.example>'
    message["Date"] = "Mon, 02 Nov 2026 10:00:00 +0100"
    message.set_content("Dear all,\n\nthe plan stands — as said.\n")
    message.add_alternative("<p>other</p>", subtype="html")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="a.pdf")
    document = read(message.as_bytes(), "x.eml")
    assert document.text == "Dear all,\n\nthe plan stands — as said."
    told = document.metadata
    assert (told.title, told.author) == ("Größere Pläne", "Doe, Jane")
    assert told.published == "2026-11-02T10:00:00+01:00"


ARTICLE = """<html lang="de"><head><meta charset="utf-8"><title>Der Fund – Die Zeitung</title>
<link rel="canonical" href="/2026/fund"><meta property="og:site_name" content="Die Zeitung">
<meta name="author" content="Redaktion"><script type="application/ld+json">
{"@context":"https://schema.org","@graph":[{"@type":"BreadcrumbList"},{"@type":"NewsArticle",
"headline":"Der Fund &amp; die Folgen","datePublished":"2026-03-04T05:06:07Z",
"author":[{"@type":"Person","name":"Eva Muster"},{"@type":"Person","name":"Jan Beispiel"}]}]}</script></head><body>
<nav><a href="/">Start</a> <a href="/a">Politik</a></nav>
<div class="cookie-banner">Wir nutzen Cookies. <button>Zustimmen</button></div>
<article><h1>Der Fund &amp; die Folgen</h1>
<p>Im Garten lag eine Münze, die niemand kannte, bis der Nachbar sie am Abend sah und staunte.</p>
<h2>Was folgte</h2><p>Das Museum kaufte sie für 3.000 €, und die Stadt feierte drei Tage lang ihr neues
Wahrzeichen auf dem Markt.</p><ul><li>Gold</li><li>Silber</li></ul></article>
<section id="comments"><p>Kommentar: Das glaube ich nicht, so etwas gibt es doch gar nicht mehr heute.</p></section>
<footer>© 2019 Die Zeitung</footer></body></html>"""


def article(document: Document) -> None:
    assert document.text == (
        "Im Garten lag eine Münze, die niemand kannte, bis der Nachbar sie am Abend sah und staunte.\n\n"
        "## Was folgte\n\n"
        "Das Museum kaufte sie für 3.000 €, und die Stadt feierte drei Tage lang ihr neues Wahrzeichen auf dem Markt."
        "\n\n- Gold\n- Silber"
    )
    told = document.metadata
    assert told.title == "Der Fund & die Folgen"
    assert told.author == "Eva Muster, Jan Beispiel"
    assert told.published == "2026-03-04T05:06:07+00:00"
    assert (told.site, told.language, told.url) == ("Die Zeitung", "de", "https://zeitung.example/2026/fund")


def test_html_article() -> None:
    article(read(ARTICLE.encode(), "fund", "https://zeitung.example/2026/fund?utm=x", "text/html"))


def test_mhtml_article() -> None:
    head = (
        "From: <Saved by a browser>\r\nSnapshot-Content-Location: https://zeitung.example/2026/fund\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/related; type="text/html"; boundary="B"\r\n\r\n'
    )
    import base64

    parts = (
        "--B\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(ARTICLE.encode()).decode()
        + "\r\n--B\r\nContent-Type: image/png\r\n\r\nxx\r\n--B--\r\n"
    )
    article(read((head + parts).encode(), "fund.mhtml"))


def test_a_page_speaks_only_for_its_own_host_and_not_as_the_front_page() -> None:
    for stated in ("https://bank.example/statement", "https://zeitung.example/", "javascript:alert(1)"):
        page = ARTICLE.replace('href="/2026/fund"', f'href="{stated}"')
        document = read(page.encode(), "fund", "https://zeitung.example/kopie")
        assert document.metadata.url == "https://zeitung.example/kopie"


PRINTED = (
    "<html><head><title>A title</title>{}</head><body><article>{}<p>" + "Some words of text. " * 30 + "</p></article>"
)


@pytest.mark.parametrize(
    ("head", "body", "author", "published"),
    [
        (
            "",
            '<p class="byline">By <a>Carrie Arnold</a><span>November 15, 2019</span></p>',
            "Carrie Arnold",
            "2019-11-15",
        ),
        ("", "<p>By <a>Ann van Dyke</a>, <a>Minh Do</a> on Monday</p>", "Ann van Dyke, Minh Do", None),
        ("", '<a class="author">Ann Lee</a><a class="author">Bob Day</a>', None, None),
        ("", '<p class="author">About the Author</p><p>By the river it was cold.</p>', None, None),
        ("", '<time class="pub-date">November 18, 2019</time><time>May 1, 2020</time>', None, "2019-11-18"),
        ('<meta name="sn-post-date" content="2019/11/19">', "", None, "2019-11-19"),
        ('<meta name="last-updated-date" content="2019/11/19">', "", None, None),
        (
            '<script type="application/ld+json">{"@graph": [{"@type": "Article", "headline": "A title", "author": '
            '{"@id": "#p"}, "datePublished": "01:38 PM IST Nov 20, 2019",}, '
            '{"@id": "#p", "name": "Ann Lee"},]}</script>',
            "",
            "Ann Lee",
            "2019-11-20",
        ),
        (
            '<script type="application/ld+json">{"@type": "MedicalWebPage", "author": {"name": "Ann Lee, MD"}, '
            '"datePublished": "2019-11-14"}</script>',
            "",
            "Ann Lee, MD",
            "2019-11-14",
        ),
    ],
)
def test_what_a_page_says_in_unusual_places(head: str, body: str, author: str | None, published: str | None) -> None:
    told = read(PRINTED.format(head, body).encode(), "a.html").metadata
    assert (told.author, told.published) == (author, published)


def test_nothing_is_guessed() -> None:
    page = (
        "<html><body><article><p>" + "Words about a matter of 1998 and of 12 May. " * 20 + "</p></article>"
        "<footer>© 2003</footer></body></html>"
    )
    told = read(page.encode(), "some_page.html").metadata
    assert told.title == "some page"
    assert (told.author, told.published, told.site, told.url, told.language) == (None, None, None, None, None)


def test_plain_text_and_markdown_stay_as_they_are() -> None:
    text = "A title\n\n  indented *stars* & <tags>\nsecond line"
    assert read(text.encode(), "a.txt").text == text
    assert read(text.encode(), "a.txt").metadata.title == "A title"
    assert sniff(b"# The <html> element\n\n%PDF- is a mark", "a.md") == "markdown"
    front = "---\ntitle: 'Deep: water'\nauthors: [Ann, Bob]\ndate: 2024-02-03\nlang: en\n---\n\n# Other\n\nBody."
    document = read(front.encode(), "a.md")
    told = document.metadata
    assert document.text == "# Other\n\nBody."
    assert (told.title, told.author, told.published, told.language) == (
        "Deep: water",
        "Ann, Bob",
        "2024-02-03",
        "en",
    )


def test_front_matter_that_is_none_stays_text() -> None:
    for text in ("---\nnot: [closed\n---\n\nBody", "---\na: &x [1]\nb: *x\n---\n\nBody"):
        assert "Body" in read(text.encode(), "a.md").text


ODD = ("x: !!bool maybe", "d: !!timestamp foo", "a: !!int ''", f"x: 0x{'f' * 4000}", "? [a]\n: b", "=: x", "&a x: *a")


@pytest.mark.parametrize(
    ("written", "author"),
    [
        ("authors: [{name: Ann Lee, url: https://a.example}, {name: Bob Day}]", "Ann Lee, Bob Day"),
        ("author: {name: Ann Lee, email: ann@a.example}", "Ann Lee"),
        ("authors:\n  - Ann Lee\n  - name: Bob Day\n    affiliation: Here", "Ann Lee, Bob Day"),
        ("author:\n  email: ann@a.example", None),
        ("author: []\nauthors: Ann Lee", "Ann Lee"),
        ("tags: [a, b]", None),
    ],
)
def test_authors_of_front_matter_in_all_its_shapes(written: str, author: str | None) -> None:
    document = read(f"---\ntitle: A title\n{written}\n---\nText.".encode(), "a.md")
    assert (document.metadata.author, document.text) == (author, "Text.")


@pytest.mark.parametrize("line", ODD)
def test_odd_front_matter_costs_no_text(line: str) -> None:
    assert "Body." in read(f"---\n{line}\n---\n\nBody.".encode(), "a.md").text


@pytest.mark.parametrize("last", ["#\n  *f", "!!seq [#\n  *f]"])
def test_front_matter_full_of_aliases_is_not_unfolded(last: str) -> None:
    lines = ["a: !!seq &a [x, x, x, x, x]"]
    for name, before in zip("bcdef", "abcde", strict=True):
        lines.append(f"{name}: !!seq &{name}\n" + f"- #\n  *{before}\n" * 5)
    front = "\n".join([*lines, f"author: {last}"])
    assert read(f"---\n{front}\n---\n\nBody.".encode(), "a.md").metadata.author is None


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2024-02-03", "2024-02-03"), ("'2024-02-03'", "2024-02-03"),
        ("2024-02-03T10:05:00Z", "2024-02-03T10:05:00+00:00"), ("2024-2-3 9:05:00", "2024-02-03T09:05:00"),
        ("2024-02-03 10:05:00 -5", "2024-02-03T10:05:00-05:00"), ("3 Feb 2024", "2024-02-03"), ("~", None),
        ("2024-02-03t10:05:00.12+01:30", "2024-02-03T10:05:00+01:30"), ("yesterday", None), ("", None),
    ],
)  # fmt: skip
def test_dates_of_front_matter_are_read_as_yaml_has_them(written: str, iso: str | None) -> None:
    told = read(f"---\ntitle: 1984\ndate: {written}\nauthor: [Ann, ~]\n---\n\nBody.".encode(), "a.md").metadata
    assert (told.title, told.author, told.published) == ("1984", "Ann", iso)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "naïve café — “quoted” 東京"),
        ("utf-8-sig", "naïve café"),
        ("utf-16", "naïve café 東京"),
        ("utf-16-le", "<p>héllo wörld</p>"),
        (
            "cp1252",
            "Der Größenwahn der Könige war sprichwörtlich, und die Bürger schüttelten müde die Köpfe.",
        ),
        (
            "cp1251",
            "Съешь же ещё этих мягких французских булок, да выпей чаю. Широкая электрификация южных губерний.",
        ),
        ("shift_jis", "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"),
        ("iso2022_jp", "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"),
        ("gb18030", "床前明月光，疑是地上霜。举头望明月，低头思故乡。这是一首非常有名的诗。"),
        ("euc-kr", "나랏말싸미 듕귁에 달아 문자와로 서르 사맛디 아니할쎄 이런 전차로 어린 백성이"),
    ],
)
def test_encodings_are_found(encoding: str, text: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declared_charset_counts_but_never_utf7() -> None:
    page = '<meta charset="{}"><p>{}</p>'
    greek = "Αυτό είναι"
    body = page.format("iso-8859-7", greek).encode("iso-8859-7")
    assert greek in read(body, "a.html").text
    assert "script" not in read(page.format("utf-7", "+ADw-script+AD4- words").encode(), "a.html").text.replace(
        "+ADw-script+AD4-", ""
    )


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"%PDF-1.7\n", "a.html", "pdf"),
        (b"{\\rtf1 x}", "a.txt", "rtf"),
        (b"PK\x03\x04", "a", "zip"),
        (b"<!DOCTYPE html><p>x", "login.pdf", "html"),
        (b"<!doctype HTML>", "noext", "html"),
        (b"From: a@b.example\nSubject: x\n\nhi", "noext", "eml"),
        (b"hello", "noext", "text"),
        (b"hello", "X.MD", "markdown"),
    ],
)
def test_content_tells_the_format_before_the_name(data: bytes, name: str, kind: str) -> None:
    assert sniff(data, name) == kind


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "a.md", "empty"),
        (b"\xd0\xcf\x11\xe0", "a.doc", "old binary Office file"),
        (b"\x89PNG\r\n", "a.md", "an image"),
        (b"plain", "a.pdf", "not PDF"),
        (b"   \n ", "a.txt", "no text"),
        (bytes(range(256)) * 4, "a.txt", "not a text file"),
        (zipped({"[Content_Types].xml": "", "xl/workbook.xml": ""}), "a.xlsx", "spreadsheet"),
        (zipped({"a.txt": "x"})[:-30], "a.zip", "damaged"),
    ],
)
def test_what_is_not_read_says_why(data: bytes, name: str, reason: str) -> None:
    with pytest.raises(ReadError, match=reason):
        read(data, name)


def test_an_archive_is_told_from_the_formats_that_are_zips() -> None:
    with pytest.raises(ArchiveError):
        read(zipped({"a.txt": "x", "b/c.md": "y"}), "a.zip")


def test_feeds_and_sitemaps() -> None:
    rss = (
        b'<?xml version="1.0"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel>'
        b"<link>https://a.example/</link><item><title>x</title><link>https://a.example/1</link>"
        b"<pubDate>Mon, 02 Nov 2026 10:00:00 GMT</pubDate></item>"
        b"<item><guid>https://a.example/2</guid></item><item><link>javascript:x</link></item></channel></rss>"
    )
    assert entries(rss) == [
        {"url": "https://a.example/1", "date": "2026-11-02T10:00:00+00:00", "kind": "page"},
        {"url": "https://a.example/2", "date": None, "kind": "page"},
    ]
    atom = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link rel="self" href="https://a.example/self"/>'
        b'<link href="https://a.example/3"/><updated>2026-01-02T03:04:05Z</updated></entry></feed>'
    )
    assert entries(atom) == [{"url": "https://a.example/3", "date": "2026-01-02T03:04:05+00:00", "kind": "page"}]
    index = (
        b'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        b"<sitemap><loc>https://a.example/s.xml</loc></sitemap></sitemapindex>"
    )
    assert entries(index) == [{"url": "https://a.example/s.xml", "date": None, "kind": "sitemap"}]
    assert entries(b"<other/>") is None
    with pytest.raises(ReadError, match="entities"):
        entries(b'<!DOCTYPE rss [<!ENTITY a "b">]><rss><channel/></rss>')


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        ("2026-11-24", "2026-11-24"),
        ("2026-11-24T10:20:30.123Z", "2026-11-24T10:20:30+00:00"),
        ("2019-11-18T23:04:24-0500", "2019-11-18T23:04:24-05:00"),
        ("November 18, 2019", "2019-11-18"),
        ("Tue, 19 Nov 2019 10:00:00 GMT", "2019-11-19T10:00:00+00:00"),
        ("2019", None),
        ("yesterday", None),
        ("2019-13-40", None),
        ("2999-01-01", None),
        ("0001-01-01", None),
        (None, None),
        ({"a": 1}, None),
    ],
)
def test_dates_are_dates_or_nothing(stated: object, meant: str | None) -> None:
    assert iso_date(stated) == meant


def test_languages_and_urls_are_checked() -> None:
    assert language_tag("en_GB") == "en-GB"
    assert language_tag("English (UK)") is None
    assert web_url("javascript:alert(1)") is None
    assert web_url("https://a.example/x#y") == "https://a.example/x"
    assert web_url("//a.example") is None
