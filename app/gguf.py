"""What a GGUF file says of itself in its header: the shape of its attention, and of how many files it is one."""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_PART = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<parts>\d{5})\.gguf")
# Type of a value -> its form for `struct` (ggml, docs/gguf.md).
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LONGEST = 1 << 20  # bytes of a string, entries of an array: more than any header has before its vocabulary
_CACHED_BYTES = 2  # of a number in the attention cache


@dataclass(frozen=True)
class Attention:
    """`bytes_a_token`: attention cache of one token. `context`: tokens that the model was trained on."""

    bytes_a_token: int
    context: int


def attention(file: Path) -> Attention | None:
    """The attention of the model in `file`; None where it does not tell, or is no GGUF file."""
    try:
        told = _header(file)
        kind = told["general.architecture"]
        heads, layers = told[f"{kind}.attention.head_count"], told[f"{kind}.block_count"]
        keys = told.get(f"{kind}.attention.head_count_kv", heads)
        widest = max(heads) if isinstance(heads, list) else heads
        size = told[f"{kind}.embedding_length"] // widest
        width = sum(told.get(f"{kind}.attention.{part}_length", size) for part in ("key", "value"))
        cached = sum(keys) if isinstance(keys, list) else keys * layers
        return Attention(_CACHED_BYTES * cached * width, told[f"{kind}.context_length"])
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, struct.error):
        return None


def parts(file: Path) -> list[Path]:
    """All files of the model that `file` is, or is a part of ("name-00001-of-00003.gguf"), in their order."""
    found = _PART.fullmatch(file.name)
    if not found:
        return [file]
    number = int(found["parts"])
    return [file.with_name(f"{found['name']}-{at:05}-of-{number:05}.gguf") for at in range(1, number + 1)]


def _header(file: Path) -> dict[str, Any]:
    """What is told before the vocabulary, which comes last and is long."""
    told: dict[str, Any] = {}
    with file.open("rb") as source:
        magic, version, _, number = struct.unpack("<4sIQQ", source.read(24))
        if magic != b"GGUF" or version < 2:
            raise ValueError("no GGUF file")
        for _ in range(number):
            key = _string(source)
            if key.startswith("tokenizer."):
                break
            told[key] = _value(source, _number(source, "I"))
    return told


def _value(source: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(source)
    if kind == _ARRAY:
        inner = _number(source, "I")
        return [_value(source, inner) for _ in range(_length(source))]
    return _number(source, _NUMBERS[kind])


def _string(source: BinaryIO) -> str:
    return source.read(_length(source)).decode("utf-8", "replace")


def _length(source: BinaryIO) -> int:
    length = _number(source, "Q")
    if length > _LONGEST:
        raise ValueError("no length")
    return int(length)


def _number(source: BinaryIO, form: str) -> Any:
    return struct.unpack(f"<{form}", source.read(struct.calcsize(f"<{form}")))[0]
