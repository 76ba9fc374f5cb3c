"""Hostile strings, and what to look for in HTML that holds them."""

import json
import os
from html.parser import HTMLParser
from pathlib import Path

from ingest.settings import ROOT

OWN = [
    "<script>window.X=1</script>",
    '"><img src=x onerror=window.X=1>',
    "' onmouseover='window.X=1",
    "[x](javascript:window.X=1)",
    '![" onerror="window.X=1](x)',
    "![x](http://127.0.0.1:9/canary?d=secret)",
    "<a href='http://127.0.0.1:9/'>x</a>",
    "**<b onclick=X>**`<i>`",
    "</q></span><svg/onload=window.X=1>",
    "`</code><script>window.X=1</script>`",
    "&lt;script&gt;&#60;script&#62;",
    "$$\\href{javascript:window.X=1}{x}$$",
    "\u202eevil\u202c \u2066x\u2069",
    "<!--><script>window.X=1</script>-->",
    "|<td onload=X>|",
    "# <h1 style=background:url(http://127.0.0.1:9/c)>",
]
ACTIVE = ["<script>1</script>", "<p onclick='x'>", "<a href='http://a.b'>", "<img src=x>", "<p style='x'>", "<form>"]
TAGS = {
    "p", "span", "q", "small", "strong", "em", "code", "button", "ol", "ul", "li", "h3", "h4", "h5", "h6", "hr", "pre",
    "blockquote", "table", "tr", "td", "th", "div", "svg",
}  # fmt: skip
ATTRIBUTES = {"class", "dir", "type", "title", "aria-label", "start", "tabindex", "role", "lang"}


def _found():
    folder = Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data") / "badinput"
    rendering = folder / "own" / "render_payloads.json"
    return json.loads(rendering.read_text("utf-8")) if rendering.is_file() else []


PAYLOADS = [*OWN, *_found()]


class _Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.wrong = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag not in TAGS - {"svg"}:
            self.wrong.append(tag)
        self.wrong += [f"{tag} {n}" for n, _ in attributes if n not in ATTRIBUTES and not n.startswith("data-")]

    def handle_comment(self, data):
        self.wrong.append(f"comment {data}")


def active(html):
    """Tags and attributes that no escaped text may bring about."""
    return _Tags(html).wrong
