"""What users thought of answers -> a question file for `app evaluate`: feedback.jsonl in INDEX_DIR.

A good answer becomes a question with its required facts and gold evidence, a good abstention one
that the sources do not hold. Of a bad answer nobody has said what is right: its `answer` is null,
for a person to fill in, and the evaluation leaves it out until then. Stays on this machine.
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ingest import UserError

BYTES = 200_000  # of one record
FILE_BYTES = 50_000_000
CONTEXT = 4_000  # characters of a question or an earlier answer
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<=[\w,;] )[A-Z][\w’'-]+(?: [A-Z][\w’'-]+)*")
_WORD = re.compile(r"[^\W\d_]{4,}")


def keep(path: Path, told: dict[str, Any]) -> None:
    """Write one rating to the file at `path`; a second one of the same answer replaces the first.

    `told` comes from the browser: `id`, `rating` ("good" or "bad"), `question`, `history`, `documents`
    (ids asked, or null) and `answer`, the object of the public contract. Raises `UserError` when it
    is none of that or too long, or the file is full.
    """
    record = _record(told)
    line = json.dumps(record, ensure_ascii=False)
    if len(line.encode("utf-8", "replace")) > BYTES:
        raise UserError("This answer is too long to be kept with its rating.")
    if path.is_file() and path.stat().st_size > FILE_BYTES:
        raise UserError(f"{path.name} is full: move it away.")
    others = [kept for kept in _lines(path) if _id(kept) != record["id"]]
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(f"{kept}\n" for kept in [*others, line]), encoding="utf-8", errors="replace")
    os.replace(fresh, path)


def _record(told: dict[str, Any]) -> dict[str, Any]:
    answer = told.get("answer")
    if told.get("rating") not in ("good", "bad") or not isinstance(answer, dict):
        raise UserError("A rating is good or bad, of an answer.")
    sentences = [one for one in answer.get("sentences") or [] if isinstance(one, dict)]
    supported = [one for one in sentences if one.get("verdict") == "supported"]
    quotes = [str(citation.get("quote")) for one in supported for citation in one.get("citations") or []]
    question, good = str(told.get("question"))[:CONTEXT], told["rating"] == "good"
    history = [turn for turn in told.get("history") or [] if isinstance(turn, dict)]
    return {
        "id": str(told.get("id"))[:64],
        "question": question,
        "history": [str(turn.get(said, ""))[:CONTEXT] for turn in history for said in ("question", "answer")],
        "answer": _facts(" ".join(str(one.get("text")) for one in supported), question) if good else None,
        "evidence": list(dict.fromkeys(quotes)) if good else [],
        "kind": told["rating"],
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "documents": told.get("documents"),
        "given": answer,
    }


def _facts(text: str, question: str) -> list[list[str]]:
    """The numbers and names of an answer that its question does not hold, else its longest words."""
    asked = question.lower()
    found = dict.fromkeys([*_NUMBER.findall(text), *_NAME.findall(text)])
    new = [fact for fact in found if fact.lower() not in asked]
    if not new:
        new = [word for word in sorted(set(_WORD.findall(text)), key=len, reverse=True) if word.lower() not in asked]
    return [[fact] for fact in new[:3]]


def _lines(path: Path) -> Iterator[str]:
    if path.is_file():
        yield from filter(None, path.read_text(encoding="utf-8", errors="replace").split("\n"))


def _id(line: str) -> Any:
    try:
        return json.loads(line)["id"]
    except (ValueError, KeyError, TypeError):
        return None
