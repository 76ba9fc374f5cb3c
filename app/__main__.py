"""`python -m app`: the chat; ask, search, evaluate and doctor on the command line."""

import argparse
import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from app.answer import Answer, Finished, Retrieved, Turn
from app.render import visible
from ingest import UserError
from ingest.exiting import INTERRUPTED, leave
from ingest.settings import Settings, load_settings

MARK = {"supported": "", "unsupported": "  [not supported by the sources: {why}]"}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it worked, 1 when doctor found a fault, 2 after a `UserError`, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    # `kill` ends a command as Ctrl-C does, so that the embedded server goes with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(options.run(options, load_settings()) or 0)
    except UserError as error:
        _say(str(error), sys.stderr)
        return 2
    except KeyboardInterrupt:
        _say("Stopped.", sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m app", description="Ask your articles; every sentence is cited.")
    parser.set_defaults(run=_chat, host="127.0.0.1", port=7860)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; others than loopback need APP_AUTH")
    parser.add_argument("--port", type=int, default=7860, help="port of the page (default: 7860)")
    commands = parser.add_subparsers(metavar="COMMAND", title="without a command: the chat page; or")

    ask = commands.add_parser("ask", help="one answer, or one for each line of a file")
    ask.add_argument("question", nargs="?", help="the question")
    ask.add_argument("--source", action="append", metavar="ID", help="ask only this document (may be repeated)")
    ask.set_defaults(run=_ask)

    search = commands.add_parser("search", help="retrieval alone: passages, best first")
    search.add_argument("query", nargs="?", help="what to look for")
    search.add_argument("-k", type=int, default=8, help="how many passages (default: 8)")
    search.set_defaults(run=_search)

    for command in (ask, search):
        command.add_argument("--json", action="store_true", help="print JSON, one object a line")
        command.add_argument("--batch", metavar="FILE.jsonl", type=Path, help='lines of {"id", "question", "history"}')

    evaluate = commands.add_parser("evaluate", help="the figures of quality on a question file")
    asked = Path("bench/questions/article_dev.jsonl")
    evaluate.add_argument("file", nargs="?", type=Path, default=asked, help=f"a question file; without one {asked}")
    evaluate.add_argument("--json", action="store_true", help="print the figures as JSON")
    evaluate.add_argument("--details", metavar="FILE", type=Path, help="write every answer there, a JSON object a line")
    evaluate.set_defaults(run=_evaluate)

    for command in (ask, evaluate):
        command.add_argument("--model", metavar="NAME", help="one of CHAT_MODEL and CHAT_MODELS (default: the first)")

    doctor = commands.add_parser("doctor", help="each part: works, or what is wrong and the mend")
    doctor.set_defaults(run=_doctor)
    return parser


def _chat(options: argparse.Namespace, settings: Settings) -> None:
    from app.server import serve

    serve(settings, options.host, options.port)


def _ask(options: argparse.Namespace, settings: Settings) -> None:
    lines = list(_lines(options, options.question, "question"))
    from app.ask import Road, checked_question

    if not options.batch:
        checked_question(lines[0]["question"])
    road = Road.open(settings)
    try:
        road.models.get(options.model)
        _say(road.models.describe(), sys.stderr)
        chosen = [road.store.catalog.document(i).document_id for i in options.source or []] or None
        for line in lines:
            _answer(road, line, chosen, options)
    finally:
        road.close()


def _answer(road: Any, line: dict[str, Any], chosen: list[str] | None, options: argparse.Namespace) -> None:
    from app.contract import answer_json
    from app.evaluate import turns

    shown = False
    try:
        history: tuple[Turn, ...] = turns(line.get("history") or [])
        for event in road.ask(line["question"], history, document_ids=chosen, model=options.model):
            if isinstance(event, Retrieved) and not options.json and not shown:
                _say(f"{len(event.hits)} passages found; writing ...", sys.stderr)
                shown = True
            if isinstance(event, Finished):
                answer = event.answer
                if options.json:
                    print(_json(answer_json(answer, line["id"])), flush=True)
                    if answer.notice:
                        _say(answer.notice, sys.stderr)
                else:
                    _say(_plain(answer))
    except UserError as error:
        if not options.batch:
            raise
        _print_error(line, error)


def _print_error(line: dict[str, Any], error: UserError) -> None:
    """In the place of an answer: one bad line of a batch must not cost the answers to the others."""
    told = {"id": line["id"], "question": line["question"], "error": str(error)}
    print(_json(told), flush=True)


def _say(text: str, to: TextIO | None = None) -> None:
    """Print for people: what models, documents and endpoints wrote can give the terminal no orders."""
    print(visible(text), file=to, flush=True)


def _json(value: Any) -> str:
    """One line of JSON, the value whole: `json` escapes the control characters of C0, this those of C1 too."""
    return re.sub("[\x7f-\x9f]", lambda one: f"\\u{ord(one[0]):04x}", json.dumps(value, ensure_ascii=False))


def _plain(answer: Answer) -> str:
    """The answer for a terminal, with its quotes as numbered notes."""
    if answer.abstained:
        near = [
            f"  - {hit.metadata.title}: {' '.join(hit.passage.span.text.split())[:160]}" for hit in answer.passages[:3]
        ]
        return "\n".join(["The sources do not say.", *filter(None, [answer.notice]), "Nearest passages:", *near])
    notes: dict[str, int] = {}
    lines = []
    for sentence in answer.sentences:
        marks = "".join(f"[{notes.setdefault(c.span.text, len(notes) + 1)}]" for c in sentence.citations)
        lines.append(f"{sentence.written} {marks}".rstrip() + MARK[sentence.verdict].format(why=sentence.why))
    titles = {c.span.text: c.evidence.metadata.title for s in answer.sentences for c in s.citations}
    quotes = [f"  [{n}] {titles[quote]}: “{' '.join(quote.split())}”" for quote, n in notes.items()]
    query = [f"(asked as: {answer.query})"] if answer.query != answer.question else []
    return "\n".join([*query, *lines, "", *quotes, *filter(None, [answer.notice, _spent(answer)])])


def _spent(answer: Answer) -> str:
    """Who wrote it, with how many tokens, at what price, as far as these are known."""
    read, written = answer.usage.prompt_tokens, answer.usage.completion_tokens
    tokens = f"{read:,} tokens read, {written:,} written" if read is not None and written is not None else ""
    price = f"price {answer.cost:.6f}" if answer.cost is not None else ""
    return f"({'; '.join(filter(None, [answer.model, tokens, price]))})" if answer.model else ""


def _search(options: argparse.Namespace, settings: Settings) -> None:
    lines = list(_lines(options, options.query, "question"))
    from app.ask import checked_question
    from app.contract import search_json
    from app.retrieve import retrieve
    from ingest.store import Store

    if options.k < 1:
        raise UserError(f"-k is {options.k}: it must be at least 1.")
    store = Store.open(settings)
    for line in lines:
        try:
            query = checked_question(line["question"])
        except UserError as error:
            if not options.batch:
                raise
            _print_error(line, error)
            continue
        hits = retrieve(store, query, k=options.k)
        if options.json:
            print(_json(search_json(line["id"], query, hits)), flush=True)
            continue
        for hit in hits:
            span = hit.passage.span
            text = " ".join(span.text.split())
            _say(
                f"{hit.score:.3f}  {hit.metadata.title}  {span.document_id[:12]}:{span.start}-{span.end}\n       {text}"
            )


def _evaluate(options: argparse.Namespace, settings: Settings) -> None:
    from app.evaluate import figures, read_questions, run, table

    questions = read_questions(options.file)
    if not questions:
        raise UserError(f"{options.file} has no questions.")
    from dataclasses import asdict

    from tqdm import tqdm

    from app.ask import Road
    from app.contract import answer_json

    road = Road.open(settings)
    details: list[dict[str, Any]] = []
    try:
        with tqdm(total=len(questions), unit="question", disable=None) as bar:
            outcomes = run(road, questions, lambda _: bar.update() and None, options.model)
        name = road.models.get(options.model).name
        kinds = sorted({question.kind for question in questions if question.kind})
        groups = {"all": figures(outcomes, name)}
        groups |= {k: figures([o for o in outcomes if o.question.kind == k], name) for k in kinds}
    finally:
        road.close()
    for outcome in outcomes:
        judged = {"kind": outcome.question.kind, "right": outcome.right, "cited_gold": outcome.cited_gold}
        details.append({**answer_json(outcome.answer, outcome.question.question_id), **judged})
    if options.details:
        options.details.write_text("".join(json.dumps(d, ensure_ascii=False) + "\n" for d in details), encoding="utf-8")
    _say(json.dumps({k: asdict(v) for k, v in groups.items()}) if options.json else table(groups))


def _doctor(options: argparse.Namespace, settings: Settings) -> int:
    from app.doctor import examine

    faults = 0
    for finding in examine(settings):
        faults += not finding.works
        _say(f"{'works' if finding.works else 'FAULT'}  {finding.part}: {finding.line}")
    return 1 if faults else 0


def _lines(options: argparse.Namespace, text: str | None, name: str) -> Iterator[dict[str, Any]]:
    """The one question of the command line, or those of the batch file."""
    if not options.batch:
        if text is None:
            raise UserError(
                f'Say what to ask: python -m app {options.run.__name__.strip("_")} "..." or --batch FILE.jsonl'
            )
        yield {"id": "q1", "question": text}
        return
    try:
        content = options.batch.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"{options.batch} cannot be read: {reason}.") from error
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            asked = found[name] if name in found else found["query"]
            yield {**found, "id": str(found.get("id", number)), name: str(asked or "")}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(f'{options.batch}, line {number} is not an object with "id" and "question".') from None


if __name__ == "__main__":
    leave(main())  # a thread may still wait for an embedding endpoint
