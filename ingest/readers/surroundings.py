"""What stands around and between an article's paragraphs and is not of it: notices, invitations, layout.

Before the article is chosen, elements go out of the tree; afterwards, short blocks go out of its text. A block
that reads as a sentence is only dropped when its words leave no doubt.
"""

import re
from itertools import islice

from lxml import etree

from ingest.readers.dates import publication_date
from ingest.readers.markup import remove

_MAX_WORDS = 30
_PARAGRAPH = 100  # characters
# Sure: dropped even as a full sentence.
_INVITATION = re.compile(
    r"(?:also )?read (?:more|also|next):|related (?:articles?|stories|posts?|content|reading)\b|you (?:may"
    r"|might) also like\b"
    r"|recommended for you\b|advertisement\b|sponsored (?:content|post|by)\b|filed under\b|share (?:this|on)\b"
    r"|click here\b|follow (?:us|me)\b.{0,60}$|(?:follow|like) .{1,60} on (?:twitter|x|facebook|instagram"
    r"|linkedin|bluesky|threads)\b"
    r"|subscribe (?:now|today|here|for free)\b|subscribe to\b.{0,60}\b(?:newsletter|channel|podcast|feed"
    r"|updates|e-?mails?)\b"
    r"|(?:sign up|get|join)\b.{0,80}\b(?:newsletters?|inbox|briefing|alerts|never miss|mailing list)\b"
    r"|leave a (?:comment|reply)\b|copyright (?:©|\(c\)|\d{4})|©|\(c\) ?\d{4}|all rights reserved\b"
    r"|you(?:'ve|’ve| have) (?:read|reached|used|\d+)\b.{0,40}\b(?:free|monthly|limit|remaining|articles?)\b"
    r"|(?:we|this (?:web)?site|our (?:web)?site) uses? cookies\b|we value your privacy\b|by (?:continuing"
    r"|using) (?:to|this|our)\b.{0,80}cookies"
    r"|(?:continue|keep) reading\b.{0,40}$|story continues (?:below|after)\b|article continues (?:below"
    r"|after)\b|scroll (?:down )?to continue\b"
    r"|lesen sie (?:auch|hier|mehr|dazu)\b|mehr zum thema\b|lesen sie .{0,40}: |newsletter (?:abonnieren"
    r"|bestellen)\b|wir (?:verwenden|nutzen|benutzen) cookies\b"
    r"|(?:à )?lire (?:aussi|également)\b|nous utilisons des cookies\b|inscrivez-vous .{0,40}newsletter"
    r"|(?:abonnez-vous|suscríbete|assine|iscriviti)\b.{0,60}$"
    r"|(?:lea|lee|leia) (?:también|también:|também|mais)\b|utilizamos cookies\b|usamos cookies\b|leggi anche\b"
    r"|lees ook\b|läs (?:också|även)\b|les også\b"
    r"|читайте (?:также|по теме)\b|関連記事|あわせて読みたい|こちらもおすすめ|اقرأ أيض|相关阅读|延伸阅读"
    r"|相关新闻|관련 ?기사",
    re.IGNORECASE,
)
# Likely: dropped unless the block ends as a sentence does.
_LABEL = re.compile(
    r"related(?::|$)|(?:see|read) (?:more|also)\b|don['’]t miss\b|recommended(?::|$)|most (?:read|popular|viewed)\b"
    r"|more (?:from|on|stories)\b.{0,60}$|watch:|sponsored\b|tags?:|categor(?:y|ies):|copyright\b|subscribe\b"
    r"|updated (?:at|on)\b.{0,40}$|comments? \(\d+\)|\d+ comments?$|source: .{1,40}$"
    r"|\d+ min(?:ute)?s?(?: read)?$|reading time\b|lesezeit\b"
    r"|listen to this\b|(?:share|tweet|print|e-?mail|save|listen|copy link|facebook|twitter|whatsapp|linkedin"
    r"|teilen|drucken|merken"
    r"|kommentare?|partager|imprimer|compartir|commenter|шарить|поделиться|シェア|ツイート|分享)"
    r"(?:[ |,·]+(?:share|tweet|print|e-?mail|save|facebook|twitter|whatsapp|linkedin|teilen|drucken|merken))*$",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.!?。！？؟][\"'”’»)]*$")
_CONSENT = re.compile(
    r"(?:accept|agree|allow|reject|decline|manage|got it|i understand|ok(?:ay)?$|alle akzeptieren|akzeptieren"
    r"|zustimmen|ablehnen"
    r"|accepter|tout accepter|refuser|aceptar|aceitar|accetta|accepteren|godkänn|akceptuj|принять|согласен|同意"
    r"|許可|موافق)",
    re.IGNORECASE,
)
_CONSENT_WORDS = re.compile(
    r"cookie|personal(?:is|iz)ed (?:ads|advertising|content)|privacy (?:policy|notice)|your privacy|gdpr"
    r"|consent|datenschutz|クッキー|الارتباط",
    re.IGNORECASE,
)
_NOTICE = 2500  # characters of the longest notice
_NOTICE_LEVELS = 8
_CELL_OF_TEXT = 600  # characters: a table with such a cell sets out a page, or is one of prose


def drop_surroundings(tree: etree._Element) -> None:
    """Take consent notices out of the tree and unfold tables that only lay out the page, in place."""
    texts: dict[etree._Element, str] = {}
    for button in list(tree.iter("button", "a", "input")):
        words = " ".join("".join(button.itertext()).split())[:60] or button.get("value") or ""
        if _CONSENT.match(words):
            notice = _notice(button, texts)
            if notice is not None:
                remove(notice)
    for table in list(tree.iter("table")):
        if _lays_out(table):
            for part in table.iter("table", "tbody", "thead", "tr", "td", "th"):
                part.tag = "div"


def _notice(button: etree._Element, texts: dict[etree._Element, str]) -> etree._Element | None:
    """The largest element about the button that only asks for consent; `texts` remembers what was looked at."""
    found, size = None, 0
    for element in islice(button.iterancestors(), _NOTICE_LEVELS):
        if element not in texts:
            texts[element] = "" if element.find(".//h1") is not None else _start(element)
        text = texts[element]
        if element.tag in ("body", "html", "article", "main") or not text:
            break
        if len(text) > _NOTICE or (found is not None and len(text) > 1.5 * size + 100):
            break  # it holds more than the notice
        if _CONSENT_WORDS.search(text):
            found, size = element, len(text)
    return found


def _start(element: etree._Element) -> str:
    parts, length = [], 0
    for part in element.itertext():
        parts.append(part)
        length += len(part)
        if length > 2 * _NOTICE:
            break
    return " ".join("".join(parts).split())


def _lays_out(table: etree._Element) -> bool:
    """Whether a cell is too long for a table of data, in a table of few rows."""
    if table.get("role") in ("presentation", "none"):
        return True
    cells = [cell for n, cell in enumerate(table.iter("td")) if n < 40]
    return len(cells) < 40 and any(len(_start(c)) > _CELL_OF_TEXT and _sentences(c) for c in cells)


def _sentences(cell: etree._Element) -> bool:
    return len(re.findall(r"[.!?。](?:\s|[A-Z]|$)", _start(cell))) >= 4


def without_surroundings(text: str, title: str | None, author: str | None) -> str:
    """Markdown blocks without what is not of the article.

    The headline, when it repeats the title; its byline and date; short invitations to read, follow or subscribe
    elsewhere; headings at the end with nothing under them.
    """
    blocks = text.split("\n\n")
    if blocks[0].startswith("#") and _same_words(blocks[0], title or ""):
        del blocks[0]
    first = next((n for n, block in enumerate(blocks) if len(block) >= _PARAGRAPH), 0)
    blocks = [b for n, b in enumerate(blocks) if not (_furniture(b) or (n < first and _credit(b, author)))]
    while len(blocks) > 1 and blocks[-1].startswith("#"):
        blocks.pop()
    return "\n\n".join(blocks) or text


def _furniture(block: str) -> bool:
    words = block.lstrip("#>- *")
    if len(block.split()) > _MAX_WORDS:
        return False
    if _INVITATION.match(words):
        return True
    return bool(_LABEL.match(words)) and not (_SENTENCE.search(words) and len(words.split()) > 5)


def _credit(block: str, author: str | None) -> bool:
    """A line that only says who wrote the article, or when."""
    if len(block) > 120 or block.startswith(("#", "|")):
        return False
    if author and re.sub(r"^(?i:by|von|par|por|di|door|av|af|written by):? ", "", block).rstrip(" .|") == author:
        return True
    return publication_date(block) is not None


def _same_words(one: str, other: str) -> bool:
    first, second = (" ".join(re.findall(r"\w+", text.lower())) for text in (one, other))
    return bool(first) and bool(second) and (first in second or second in first)
