"""A compressed body -> its bytes, step by step, so that no bomb goes off."""

import zlib

_GZIP_OR_ZLIB = 47
_ZLIB = 15


class Inflater:
    """Unpacks gzip or deflate. gzip may come in several members; what follows the last one is passed over."""

    def __init__(self, gzip: bool) -> None:
        self._kind = _GZIP_OR_ZLIB if gzip else _ZLIB
        self._member = zlib.decompressobj(self._kind)
        self._over = False

    @property
    def complete(self) -> bool:
        """Whether the last member that was begun is whole."""
        return self._member.eof

    def feed(self, chunk: bytes, most: int) -> bytes:
        """What a piece unpacks to, of that at most so many bytes (1 or more). Raises `zlib.error` when damaged."""
        found = bytearray()
        while chunk and len(found) < most and not self._over:
            if self._member.eof:
                self._over = self._kind == _ZLIB or not chunk.startswith(b"\x1f")
                if self._over:
                    break
                self._member = zlib.decompressobj(self._kind)
            found += self._member.decompress(chunk, most - len(found))
            chunk = self._member.unused_data
        return bytes(found)
