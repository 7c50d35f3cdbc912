"""The packed pieces that an archive is made of: gzip members, zstd and LZ4 frames, or plain bytes.

A member is found by its signature, unpacked a bounded piece at a time, and knows where in the file it begins
and ends, so that what is behind a damaged one can be found again.
Sources: RFC 1952 (gzip), RFC 8878 (zstd), the LZ4 frame format 1.6; IIPC's `warc-zstd` for dictionaries.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import zstandard
from fastwarc.stream_io import Lz4Reader

BROKEN = (OSError, ValueError, EOFError, RuntimeError, zlib.error, zstandard.ZstdError)
"""What unpacking bytes of unknown origin can raise."""
PIECE = 1 << 18
"""Bytes unpacked at most by one read."""
FEED = 1 << 15
"""Bytes of the file that are read at a time."""
GZIP, ZSTD, LZ4 = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"
SIGNATURE = re.compile(rb"\x1f\x8b\x08[\0-\x1f]|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18|[\x50-\x5f]\x2a\x4d\x18")
HEADER = re.compile(rb"WARC/\d\.\d{1,2}[ \t]*\r?\n[\w-]+[ \t]*:")
"""The first line of a WARC record and the name of its first field."""
CRUMB = 512
"""Bytes at a time where the next may be damaged."""
EITHER = re.compile(SIGNATURE.pattern + b"|" + HEADER.pattern)
LONGEST_SIGNATURE = 64


class Member:
    """One packed piece of a file; this one is of plain bytes, up to the end of the file.

    Attributes:
        offset: where it begins in the file.
        position: how far the file was read to unpack what has been read; its end once `read` gives nothing.
        kind: its signature; empty for plain bytes.
    """

    kind = b""

    def __init__(self, stream: BinaryIO, offset: int) -> None:
        self.offset = self.position = offset
        self._stream = stream
        self._given = 0
        self._error: Exception | None = None

    def read(self) -> bytes:
        """The next bytes, `PIECE` at most; none at its end.

        Raises:
            one of BROKEN: when it is damaged, or the file ends in it; all that can be unpacked comes first.
        """
        if self._error:
            raise self._error
        try:
            piece = self._unpack(PIECE)
        except BROKEN as error:
            self._error = error
            if not (piece := self._before_damage()):
                raise
        self._given += len(piece)
        return piece

    def again(self) -> Member:
        """The same member from its beginning."""
        return Member(self._stream, self.offset)

    def go_to(self, given: int) -> None:
        """Go on to where so many bytes have been given."""
        while self._given < given and (piece := self._unpack(min(PIECE, given - self._given))):
            self._given += len(piece)

    def mark(self) -> Callable[[], Member]:
        """Remember how far it was read: calling what comes back gives a member that goes on from here."""
        given = self._given

        def back() -> Member:
            member = self.again()
            member.go_to(given)
            return member

        return back

    def _unpack(self, size: int) -> bytes:
        self._stream.seek(self.offset + self._given)
        piece = self._stream.read(size)
        self.position = self.offset + self._given + len(piece)
        return piece

    def _before_damage(self) -> bytes:
        """What the read that failed could have given of bytes before the damage."""
        parts: list[bytes] = []
        try:
            member = self.again()
            member.go_to(self._given)
            while piece := member._unpack(CRUMB):
                parts.append(piece)
        except BROKEN:
            pass
        return b"".join(parts)


class _Gzip(Member):
    kind = GZIP

    def __init__(self, stream: BinaryIO, offset: int) -> None:
        super().__init__(stream, offset)
        self._inflate = zlib.decompressobj(31)

    def again(self) -> Member:
        return _Gzip(self._stream, self.offset)

    def _unpack(self, size: int) -> bytes:
        while not self._inflate.eof:
            self._stream.seek(self.position)
            packed = self._stream.read(FEED)
            if not packed:
                raise EOFError("the file ends in it")
            piece = self._inflate.decompress(packed, size)
            left = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            self.position += len(packed) - len(left)
            if piece:
                return piece
        return b""

    def mark(self) -> Callable[[], Member]:
        given, position, inflate = self._given, self.position, self._inflate.copy()

        def back() -> Member:  # without unpacking again what is before it
            member = _Gzip(self._stream, self.offset)
            member._given, member.position, member._inflate = given, position, inflate
            return member

        return back


class _Frame(Member):
    """A frame whose end is known from its blocks before it is unpacked."""

    def __init__(self, stream: BinaryIO, offset: int, kind: bytes, dictionary: bytes | None) -> None:
        super().__init__(stream, offset)
        self.kind, self._dictionary = kind, dictionary
        self._end = (_zstd_end if kind == ZSTD else _lz4_end)(stream, offset)
        window = _Window(stream, offset, self._end)
        self._reader = _zstd_reader(window, dictionary) if kind == ZSTD else Lz4Reader(window)

    def again(self) -> Member:
        return _Frame(self._stream, self.offset, self.kind, self._dictionary)

    def _unpack(self, size: int) -> bytes:
        self.position = self._end
        return self._reader.read(size)


class _Window(io.RawIOBase):
    """The bytes of a file between two places."""

    def __init__(self, stream: BinaryIO, begin: int, end: int) -> None:
        self._stream, self._begin, self._place, self._end = stream, begin, begin, end

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """FastWARC's readers look where they stand."""
        self._place = (
            offset + {io.SEEK_SET: self._begin, io.SEEK_CUR: self._place, io.SEEK_END: self._end}[whence]
        )
        return self._place - self._begin

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._stream.seek(self._place)
        piece = self._stream.read(max(0, min(len(buffer), self._end - self._place)))
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)


class Members:
    """What begins where in a file; remembers the dictionary of a zstd archive."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.size = stream.seek(0, io.SEEK_END)
        self._dictionary: bytes | None = None

    def at(self, offset: int) -> Member | None:
        """The member that begins at a place, plain bytes if a WARC record does; none if nothing begins there.

        Raises:
            one of BROKEN: when a frame begins whose blocks lead nowhere.
        """
        while (skippable := self._bytes(offset, 8))[1:4] == b"\x2a\x4d\x18" and 0x50 <= skippable[0] <= 0x5F:
            length = int.from_bytes(skippable[4:], "little")
            if offset + 8 + length > self.size:
                raise EOFError("the file ends in it")
            if skippable[0] == 0x5D and length <= 100 * PIECE:
                self._dictionary = _dictionary(self._bytes(offset + 8, length))
            offset += 8 + length
            if offset == self.size:
                return Member(self.stream, offset)
        start = self._bytes(offset, LONGEST_SIGNATURE)
        if start.startswith(GZIP):
            return _Gzip(self.stream, offset)
        for kind in (ZSTD, LZ4):
            if start.startswith(kind):
                return _Frame(self.stream, offset, kind, self._dictionary)
        return Member(self.stream, offset) if HEADER.match(start.lstrip(b"\r\n")) else None

    def next(self, offset: int, *, packed: bool | None) -> int:
        """Where, from a place on, the next member or record begins that holds a WARC header; else the end.

        Args:
            packed: look for packed members, for plain records, or for both (None).
        """
        wanted = EITHER if packed is None else SIGNATURE if packed else HEADER
        while offset < self.size:
            window = self._bytes(offset, PIECE + LONGEST_SIGNATURE)
            for match in wanted.finditer(window):
                if match.start() < PIECE and self._begins(offset + match.start()):
                    return offset + match.start()
            offset += PIECE
        return self.size

    def holds_packed(self, offset: int) -> bool:
        """Whether a packed member with a WARC header begins at a place."""
        return SIGNATURE.match(self._bytes(offset, LONGEST_SIGNATURE)) is not None and self._begins(offset)

    def _begins(self, offset: int) -> bool:
        try:
            member = self.at(offset)
            return member is not None and HEADER.search(member.read()) is not None
        except BROKEN:
            return False

    def _bytes(self, offset: int, count: int) -> bytes:
        self.stream.seek(offset)
        return self.stream.read(count)


def _dictionary(raw: bytes) -> bytes:
    """A dictionary may be packed itself."""
    return _zstd_reader(io.BytesIO(raw), None).read(100 * PIECE) if raw.startswith(ZSTD) else raw


def _zstd_reader(source: Any, dictionary: bytes | None) -> zstandard.ZstdDecompressionReader:
    trained = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
    return zstandard.ZstdDecompressor(dict_data=trained).stream_reader(source)


def _zstd_end(stream: BinaryIO, offset: int) -> int:
    """Where a zstd frame ends: its blocks say how long they are (RFC 8878, 3.1.1)."""
    stream.seek(offset)
    start = stream.read(18)
    place = offset + zstandard.frame_header_size(start)
    while True:
        head = int.from_bytes(_exactly(stream, place, 3), "little")
        kind, length = head >> 1 & 3, head >> 3
        if kind == 3:
            raise ValueError("a block of a kind that does not exist")
        place += 3 + (1 if kind == 1 else length)
        if head & 1:
            return _within(stream, place + (4 if start[4] & 4 else 0))


def _lz4_end(stream: BinaryIO, offset: int) -> int:
    """Where an LZ4 frame ends: its blocks say how long they are."""
    flags = _exactly(stream, offset, 5)[4]
    place = offset + 7 + (8 if flags & 8 else 0) + (4 if flags & 1 else 0)
    while length := int.from_bytes(_exactly(stream, place, 4), "little") & 0x7FFFFFFF:
        place += 4 + length + (4 if flags & 16 else 0)
    return _within(stream, place + 4 + (4 if flags & 4 else 0))


def _exactly(stream: BinaryIO, offset: int, count: int) -> bytes:
    stream.seek(offset)
    piece = stream.read(count)
    if len(piece) < count:
        raise EOFError("the file ends in it")
    return piece


def _within(stream: BinaryIO, end: int) -> int:
    if end > stream.seek(0, io.SEEK_END):
        raise EOFError("the file ends in it")
    return end
