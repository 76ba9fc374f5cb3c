"""Answer and events -> escaped HTML and Markdown; pure.

Nothing that a model or a document wrote becomes markup here, save bold, italics and code. There is
no link or image in what this file writes; a citation is a button with the numbers of its span.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

from app.answer import Answer, AnswerSentence, Evidence
from ingest.document import Hit, Metadata

# Characters that show nothing or turn the text around them: controls, soft hyphen, zero width and
# bidirectional marks, variation selectors, tags (OWASP LLM01:2026).
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)
_LOOK = re.compile(r"(?<![\w*])(\*{1,2})(?=[^\s*])([^*\n]{1,300}?)(?<=[^\s*])\1(?![\w*])|`([^`\n]{1,200})`")
# Many programs make a bare address a link; broken by a backslash it is read, and leads nowhere.
_ADDRESS = r":(?=//)|(?<!:)/(?=/)|(?<=www)\.|(?<=mailto):"
# The backslash too: before a bracket that is escaped already, ours would free it, and \( opens a formula.
_ACTIVE = re.compile(rf"([\\\[\]<$`]|{_ADDRESS})", re.IGNORECASE)
_MARKDOWN = re.compile(rf"([\\`*_\[\]<>#|~$!]|{_ADDRESS})", re.IGNORECASE)


def visible(text: str) -> str:
    """`text` without the characters that show nothing or reorder what is shown."""
    return _UNSEEN.sub("", text)


def words_html(text: str) -> str:
    """Text of a model, escaped; `**bold**`, `*italics*` and `` `code` `` get their look."""

    def look(match: re.Match[str]) -> str:
        if match[3] is not None:
            return f"<code>{match[3]}</code>"
        tag = "strong" if match[1] == "**" else "em"
        return f"<{tag}>{match[2]}</{tag}>"

    return _LOOK.sub(look, escape(visible(text)))


def sentence_html(sentence: AnswerSentence) -> str:
    """One checked sentence with its citation chips, or with the word on why it is not supported."""
    chips = "".join(chip_html(citation.evidence) for citation in sentence.citations)
    tag = "q" if sentence.quoted else "span"
    text = f"<{tag}>{words_html(sentence.text)}</{tag}"
    if sentence.verdict == "supported":
        return f'<span class="claim" dir="auto">{text}>{chips}</span>'
    why = f": {escape(visible(sentence.why))}" if sentence.why else ""
    flag = f'<small class="flag">not supported{why}</small>'
    return f'<span class="claim unsupported" dir="auto">{text}>{chips} {flag}</span>'


def chip_html(evidence: Evidence) -> str:
    """The button that opens the reader at the evidence; the page shows its data on hover."""
    title = visible(evidence.metadata.title)
    where = escape(", ".join(filter(None, (title, page_word(evidence)))))
    return (
        f'<button type="button" class="chip" {_span_data(evidence)} data-title="{escape(title)}" '
        f'data-note="{escape(_note(evidence))}" '
        f'data-quote="{escape(visible(evidence.span.text))}" '
        f'aria-label="Source {evidence.number}: {where}">{evidence.number}</button>'
    )


def evidence_html(query: str, hits: Sequence[Hit], evidence: Sequence[Evidence]) -> str:
    """The evidence panel: passages found, best first, each with the numbered sentences cut from it.

    Sentences that the model is given though no passage now found holds them, since it has read them for the
    question before, come last.
    """
    if not hits:
        return '<p class="none">No passage was found.</p>'
    groups = "".join(_hit_html(hit, [one for one in evidence if _inside(one, hit)]) for hit in hits)
    searched = f'<p class="query">Searched for <q dir="auto">{escape(visible(query))}</q></p>'
    return f'{searched}<ol class="hits">{groups}</ol>{_before_html(_before(hits, evidence))}'


def evidence_title(hits: Sequence[Hit], evidence: Sequence[Evidence]) -> str:
    """The panel's heading, plain text."""
    sources = len({hit.passage.span.document_id for hit in hits})
    found = f"{_count(len(hits), 'passage')} of {_count(sources, 'source')}"
    if not evidence:
        return found
    before = len(_before(hits, evidence))
    kept = f", and {before} from the question before" if before else ""
    return f"{_count(len(evidence) - before, 'sentence')} from {found}{kept}"


def _inside(one: Evidence, hit: Hit) -> bool:
    span = hit.passage.span
    return one.span.document_id == span.document_id and span.start <= one.span.start and one.span.end <= span.end


def _before(hits: Sequence[Hit], evidence: Iterable[Evidence]) -> list[Evidence]:
    """What no passage found holds: it was read for the question before."""
    return [one for one in evidence if not any(_inside(one, hit) for hit in hits)]


def _before_html(evidence: Iterable[Evidence]) -> str:
    """These sentences by their documents."""
    groups: dict[str, list[Evidence]] = {}
    for one in evidence:
        groups.setdefault(one.span.document_id, []).append(one)
    if not groups:
        return ""
    documents = "".join(
        f'<li><p class="hit" dir="auto">{_opens(group[0])}{_about(page_word(group[0]))}</p>'
        f"{''.join(map(_evidence_line, group))}</li>"
        for group in groups.values()
    )
    return f'<p class="query">From the question before</p><ol class="hits">{documents}</ol>'


def _hit_html(hit: Hit, inside: Sequence[Evidence]) -> str:
    scores = f"dense {hit.dense:.2f}, lexical {hit.lexical:.1f}"
    head = (
        f"{_opens(hit)}{_about(page_word(hit), visible(hit.passage.heading))}"
        f'<span class="score" title="{scores}"><span class="unseen">score </span>{hit.score:.2f}</span>'
    )
    body = "".join(map(_evidence_line, inside))
    if not inside:
        body = f'<p class="rest" dir="auto">{escape(visible(_short(hit.passage.span.text, 240)))}</p>'
    return f'<li><p class="hit" dir="auto">{head}</p>{body}</li>'


def _opens(cited: Evidence | Hit) -> str:
    """The button with the title that opens the reader there."""
    span = cited.span if isinstance(cited, Evidence) else cited.passage.span
    return (
        f'<button type="button" class="opens" data-document="{span.document_id}" data-start="{span.start}" '
        f'data-end="{span.end}">{escape(visible(cited.metadata.title))}</button>'
    )


def _about(*words: str) -> str:
    about = " · ".join(filter(None, words))
    return f' <span class="heading">{escape(about)}</span>' if about else ""


def _evidence_line(one: Evidence) -> str:
    return (
        f'<p class="line" dir="auto" data-number="{one.number}">{chip_html(one)}'
        f" <span>{escape(visible(one.span.text))}</span></p>"
    )


def abstention_html(answer: Answer) -> str:
    """What an abstention says, with the nearest passages, each of which opens the reader."""
    if not answer.passages:
        return (
            '<p class="abstained"><strong>There is nothing to answer from.</strong> '
            "Add a source, or choose other sources to ask.</p>"
        )
    nearest = "".join(_nearest_html(hit) for hit in answer.passages[:3])
    return (
        '<p class="abstained"><strong>The sources do not answer this.</strong> '
        f'These passages come nearest:</p><ul class="nearest">{nearest}</ul>'
    )


def _nearest_html(hit: Hit) -> str:
    return f'<li>{_opens(hit)}<p dir="auto">{escape(visible(_short(hit.passage.span.text, 280)))}</p></li>'


def notice_html(answer: Answer) -> str:
    """Lines about how the answer came about: that no model wrote it, what went wrong."""
    lines = []
    if answer.model is None and answer.sentences and not answer.notice:
        lines.append("No model wrote this. These are sentences of your sources, word for word.")
    if answer.notice:
        lines.append(answer.notice)
    return "".join(f'<p class="notice">{escape(visible(line))}</p>' for line in lines)


def foot_text(answer: Answer) -> str:
    """How many sentences are supported, who wrote them, tokens, price and time, as far as known; plain text."""
    parts = []
    if answer.sentences:
        supported = sum(sentence.verdict == "supported" for sentence in answer.sentences)
        parts.append(f"{supported} of {_count(len(answer.sentences), 'sentence')} supported")
    if answer.model:
        parts.append(visible(answer.model))
    usage = answer.usage
    if usage.prompt_tokens is not None and usage.completion_tokens is not None:
        parts.append(f"{usage.prompt_tokens:,} tokens read, {usage.completion_tokens:,} written")
    if answer.cost is not None:
        parts.append(f"price {answer.cost:.6f}")
    parts.append(f"{answer.timings.total_ms / 1000:.1f} s")
    return " · ".join(parts)


def answer_text(answer: Answer) -> str:
    """The answer for the next question's history: without citations and what is quoted beside the words."""
    if answer.abstained:
        return "The sources do not answer this."
    said = [sentence for sentence in answer.sentences if not sentence.quoted] or answer.sentences
    return " ".join(visible(sentence.text) for sentence in said)


def answer_markdown(answer: Answer, first: int = 1) -> str:
    """The answer in Markdown with its citations as footnotes, numbered from `first`.

    Whatever in it could act as Markdown or HTML is escaped, so that an export is as inert as the page.
    """
    if answer.abstained:
        return "*The sources do not answer this.*\n"
    numbers: dict[tuple[str, int, int], int] = {}
    notes: list[str] = []
    sentences = []
    for sentence in answer.sentences:
        marks = ""
        for citation in sentence.citations:
            span = citation.span
            key = (span.document_id, span.start, span.end)
            if key not in numbers:
                numbers[key] = first + len(numbers)
                notes.append(f"[^{numbers[key]}]: {_footnote(citation.evidence)}")
            marks += f"[^{numbers[key]}]"
        flag = "" if sentence.verdict == "supported" else f" *(not supported{_why(sentence)})*"
        sentences.append(f"{markdown_text(sentence.written)}{marks}{flag}")
    lines = [" ".join(sentences)]
    if answer.notice:
        lines.append(f"*{markdown_text(answer.notice)}*")
    return "\n\n".join([*lines, "\n".join(notes)]).strip() + "\n"


def _why(sentence: AnswerSentence) -> str:
    return f": {markdown_text(sentence.why)}" if sentence.why else ""


def _footnote(evidence: Evidence) -> str:
    """Quote, title, author, date and address of one citation, in one line of Markdown."""
    about = ", ".join(filter(None, (evidence.metadata.title, byline(evidence.metadata), page_word(evidence))))
    link = web_link(evidence.metadata)
    address = f" <{link}>" if link else ""
    return f"“{markdown_text(evidence.span.text)}” {markdown_text(about)}.{address}"


def markdown_text(text: str) -> str:
    """One line of Markdown that shows `text` as it stands."""
    return _MARKDOWN.sub(r"\\\1", " ".join(visible(text).split()))


def inert(text: str) -> str:
    """`text` in which no Markdown link, image, HTML or formula becomes active in another program."""
    return _ACTIVE.sub(r"\\\1", visible(text))


def web_link(metadata: Metadata) -> str | None:
    """The article's own address if it is a plain web address, else None."""
    url = metadata.url or ""
    return url if re.fullmatch(r"https?://[^\s\"'<>\\^`{|}\x00-\x20\x7f]+", url) else None


def byline(metadata: Metadata) -> str:
    """Author, site and day of publication, as far as they are known."""
    day = (metadata.published or "")[:10]
    return visible(" · ".join(filter(None, (metadata.author, metadata.site, day))))


def page_word(cited: Evidence | Hit) -> str:
    """ "p. 4" where the source has pages, else ""."""
    start = cited.span.start if isinstance(cited, Evidence) else cited.passage.span.start
    page = cited.metadata.page(start)
    return f"p. {page}" if page else ""


def _note(evidence: Evidence) -> str:
    return " · ".join(filter(None, (byline(evidence.metadata), page_word(evidence))))


def _span_data(evidence: Evidence) -> str:
    span = evidence.span
    return (
        f'data-document="{escape(span.document_id)}" data-start="{span.start}" data-end="{span.end}" '
        f'data-number="{evidence.number}"'
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _short(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rsplit(" ", 1)[0] + "…"
