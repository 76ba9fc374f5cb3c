"""What a model needs of memory: its file and its attention cache, by what the file says of itself."""

import struct

import pytest

from app.embedded import EmbeddedServer
from app.gguf import Attention, attention
from app.memory import LEAST_CONTEXT, WORKING_BYTES, fitting_context, free_memory, needed_memory
from app.weights import chosen_weights
from ingest.settings import load_settings

GB = 10**9
# As Phi-3-mini: every head has keys and values of its own, so a token takes 393 kB.
MANY_HEADS = {"block_count": 32, "attention.head_count": 32, "embedding_length": 3072, "context_length": 131072}


def gguf(path, size, **facts):
    """A file of `size` bytes (a hole) whose header tells these facts, as llama.cpp's own converter writes them."""
    entries = [_entry("general.architecture", b"phi3"), *(_entry(f"phi3.{key}", value) for key, value in facts.items())]
    entries.append(_string("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 10**15))  # is not read
    with path.open("wb") as file:
        file.write(struct.pack("<4sIQQ", b"GGUF", 3, 0, len(entries)) + b"".join(entries))
        file.truncate(size)
    return path


def _entry(key, value):
    if isinstance(value, bytes):
        return _string(key) + struct.pack("<I", 8) + _string(value.decode())
    if isinstance(value, list):
        return _string(key) + struct.pack(f"<IIQ{len(value)}I", 9, 4, len(value), *value)
    return _string(key) + struct.pack("<II", 4, value)


def _string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def test_a_file_tells_its_attention(tmp_path):
    assert attention(chosen_weights(load_settings())) == Attention(28672, 32768)
    assert attention(gguf(tmp_path / "a.gguf", 9000, **MANY_HEADS)) == Attention(2 * 32 * 32 * 2 * 96, 131072)
    told = MANY_HEADS | {"attention.head_count_kv": [4] * 31 + [8], "attention.key_length": 64}
    assert attention(gguf(tmp_path / "b.gguf", 9000, **told)) == Attention(2 * (4 * 31 + 8) * (64 + 96), 131072)


@pytest.mark.parametrize(
    "damaged", [b"", b"GGUF", b"PK" + bytes(99), b"GGUF\3\0\0\0" + bytes(8) + b"\xff" * 99, b"GGUF" + bytes(4000)]
)
def test_a_file_that_tells_nothing_is_no_fault(tmp_path, damaged):
    path = tmp_path / "x.gguf"
    path.write_bytes(damaged)
    assert attention(path) is None and attention(tmp_path / "none.gguf") is None
    assert needed_memory(tmp_path / "none.gguf", 4096) == 0


def test_the_attention_cache_counts_and_shrinks_before_a_model_is_refused(tmp_path):
    model = gguf(tmp_path / "many-heads.gguf", 2 * GB, **MANY_HEADS)
    assert needed_memory(model, 16384) == 2 * GB + 16384 * 393216 + WORKING_BYTES  # 8.7 GB, not 2.8
    for free, context in ((None, 16384), (9 * GB, 16384), (7 * GB, 8192), (4 * GB, LEAST_CONTEXT), (3 * GB, 0)):
        assert fitting_context(model, 16384, 4, free) == context
    little = gguf(tmp_path / "little.gguf", GB, **MANY_HEADS | {"context_length": 2048})
    assert fitting_context(little, 16384, 4, None) == 4 * 2048


def test_a_model_in_parts_is_whole_or_told_what_is_missing(tmp_path):
    first, second = (gguf(tmp_path / f"m-0000{n}-of-00002.gguf", GB, **MANY_HEADS) for n in (1, 2))
    assert needed_memory(first, 0) == 2 * GB + WORKING_BYTES
    for weights, missing in ((second, None), (first, second)):
        if missing:
            missing.unlink()
        server = EmbeddedServer(weights)
        server.start()
        assert server.state == "failed" and f"set CHAT_MODEL to the first, {first}." in server.reason
        assert ("m-00002-of-00002.gguf missing there" in server.reason) == bool(missing)
        assert "\n" not in server.reason


def test_free_memory_is_unknown_where_the_system_does_not_tell(tmp_path):
    told = tmp_path / "meminfo"
    assert free_memory(told) is None
    told.write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\nMapped:   1000 kB\n")
    assert free_memory(told) == 4000 * 1024
    told.write_text("MemTotal: 9000 kB\n")
    assert free_memory(told) is None
