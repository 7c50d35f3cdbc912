"""The bytes of a packed file, in pieces of bounded size; a damaged file ends where the damage begins.

gzip, Zstandard, bzip2 and xz all store members one after another, so one loop reads all four. Each library
says in its own way, or not at all, that a file was cut off; here all say it in the same way.
"""

from __future__ import annotations

import bz2
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import zstandard

PIECE = 1 << 20
"""Unpacked bytes made at a time."""
PACKED_PIECE = 1 << 16
HEAD = 1 << 10
ZSTD_PIECE = 1 << 13
"""Packed bytes; zstandard unpacks what it is given at once, up to 128 KiB for every four bytes of them."""
ZSTD_WINDOW = 1 << 31
"""Bytes. `zstd --long=31` needs it, and archives of that kind are shared; it is taken as it is filled."""
XZ_MEMORY = 1 << 30
UNPACK_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError, zipfile.BadZipFile)
LOCAL_HEADER = struct.Struct("<4s5H3L2H")
"""Of a file in a ZIP archive (APPNOTE 4.3.7)."""
DESCRIPTOR = b"PK\x07\x08"


@dataclass(frozen=True)
class Damage:
    """Why a file ends early.

    Attributes:
        reason: in words.
        whole: whether what came before is complete: the file goes on behind its end with something else.
    """

    reason: str
    whole: bool = False


class Damaged(Exception):
    """A packed file cannot be read on."""

    def __init__(self, damage: Damage) -> None:
        super().__init__(damage.reason)
        self.damage = damage


class _Inflate:
    """zlib in the interface that bz2 and lzma share."""

    def __init__(self, window: int = 31) -> None:
        self._inner, self._rest, self._full = zlib.decompressobj(window), b"", False

    def decompress(self, data: bytes, size: int = -1) -> bytes:
        """At most `size` further bytes."""
        out = self._inner.decompress(self._rest + data if self._rest else data, max(size, 0))
        self._rest, self._full = self._inner.unconsumed_tail, len(out) == size
        return out

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing left of what was given."""
        return not self._rest and not self._full

    @property
    def eof(self) -> bool:
        """Whether the member is complete, its checksum included."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the member."""
        return self._inner.unused_data


class _Zstd:
    """zstandard in the interface that bz2 and lzma share."""

    needs_input = True

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()

    def decompress(self, data: bytes, size: int = -1) -> bytes:
        """All that the data give."""
        return self._inner.decompress(data)

    @property
    def eof(self) -> bool:
        """Whether the frame is complete."""
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the frame."""
        return self._inner.unused_data


@dataclass(frozen=True)
class Packing:
    """A way of packing.

    Attributes:
        new: makes the decoder of a member.
        starts: what a member begins with.
        piece: packed bytes to give it at a time.
    """

    new: Callable[[], Any]
    starts: tuple[bytes, ...]
    piece: int = PACKED_PIECE


ZSTD_STARTS = (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16)))
"""Frames, and frames to be skipped (RFC 8878, 3.1)."""
PACKINGS = {
    ".gz": Packing(_Inflate, (b"\x1f\x8b",)),
    ".zst": Packing(_Zstd, ZSTD_STARTS, ZSTD_PIECE),
    ".bz2": Packing(bz2.BZ2Decompressor, (b"BZh",)),
    ".xz": Packing(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY), (b"\xfd7zXZ\0",)),
}
METHODS: dict[int, Callable[[], Any]] = {
    8: lambda: _Inflate(-15),
    12: bz2.BZ2Decompressor,
    93: _Zstd,
}
"""Of a file in a ZIP archive (APPNOTE 4.4.5); 0 is stored as it is."""


class Unpacked(io.RawIOBase):
    """A stream of unpacked bytes that ends where they cannot be read on.

    Attributes:
        damage: after the end, why it is early; None when all was read.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self.damage: Damage | None = None
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next; 0 at the end."""
        while not self._rest:
            try:
                self._rest = memoryview(next(self._pieces))
            except StopIteration:
                return 0
            except Damaged as error:
                self.damage = error.damage
                return 0
            except UNPACK_ERRORS as error:
                self.damage = Damage(worded(error))
                return 0
        count = min(len(self._rest), len(buffer))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def unpacked(path: Path) -> Iterator[bytes]:
    """Pieces of a file's bytes, unpacked as its name's ending says; raises Damaged or an OSError."""
    with path.open("rb") as file:
        yield from unpacked_file(file, path.suffix)


def unpacked_file(file: IO[bytes], ending: str) -> Iterator[bytes]:
    """Pieces of the bytes of an open file, unpacked as the ending of its name says; raises likewise."""
    packing = PACKINGS.get(ending.lower())
    if packing is not None:
        yield from _members(file, packing)
        return
    while piece := file.read(PIECE):
        yield piece


def zip_members(path: Path) -> list[tuple[str, Callable[[], Iterator[bytes]]]]:
    """(name, its pieces) of each file in a ZIP archive.

    An archive without its directory, which stands at the end, is read by what stands before each file.

    Raises:
        Damaged: when there is neither.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        found = [(e.filename, _local(path, e.header_offset, e)) for e in entries if not e.is_dir()]
    except (*UNPACK_ERRORS, RuntimeError, NotImplementedError, ValueError) as error:
        found = [(header.name, header.pieces) for header in _headers(path) if not header.name.endswith("/")]
        if not found:
            raise Damaged(Damage(worded(error))) from None
        if _is_whole(found[-1][1]):  # else that is where the archive ends
            found.append(("", _lost(Damage("the end of the archive, with its directory, is damaged"))))
    return found


def _is_whole(member: Callable[[], Iterator[bytes]]) -> bool:
    try:
        for _ in member():
            pass
    except (Damaged, *UNPACK_ERRORS):
        return False
    return True


def _lost(damage: Damage) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        raise Damaged(damage)
        yield

    return pieces


@dataclass(frozen=True)
class _Local:
    """What stands before a file in a ZIP archive.

    Attributes:
        name: of the file.
        begin: where its bytes begin.
        method: how it is packed.
        encrypted: whether it needs a password.
        packed, crc: its packed length and checksum; None where they stand behind it.
    """

    path: Path
    name: str
    begin: int
    method: int
    encrypted: bool
    packed: int | None
    crc: int | None

    def pieces(self) -> Iterator[bytes]:
        """Its bytes, unpacked."""
        crc = 0
        with self.path.open("rb") as file:
            file.seek(self.begin)
            for piece in self._raw(file):
                crc = zlib.crc32(piece, crc)
                yield piece
        if self.crc is not None and crc != self.crc:
            raise Damaged(Damage("its checksum does not fit, so what was read of it may be wrong"))

    def _raw(self, file: IO[bytes]) -> Iterator[bytes]:
        if self.encrypted:
            raise Damaged(Damage("it is encrypted"))
        if self.method in METHODS:
            yield from _member(file, METHODS[self.method], ZSTD_PIECE)[0]
        elif self.method == 0 and self.packed is not None:
            left = self.packed
            while left:
                if not (piece := file.read(min(PIECE, left))):
                    raise Damaged(Damage(f"it is cut off at byte {file.tell():,}"))
                left -= len(piece)
                yield piece
        else:
            raise Damaged(Damage(f"it is packed by method {self.method}, which is not read here"))


def _local(path: Path, offset: int, entry: zipfile.ZipInfo) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        with path.open("rb") as file:
            file.seek(offset)
            header = _header(path, file)
        if header is None:
            raise Damaged(Damage(f"its header at byte {offset:,} is damaged"))
        yield from replace(header, packed=entry.compress_size, crc=entry.CRC).pieces()

    return pieces


def _header(path: Path, file: IO[bytes]) -> _Local | None:
    """The header that stands here, read to its end; None for anything else."""
    head = file.read(LOCAL_HEADER.size)
    if len(head) < LOCAL_HEADER.size or head[:4] != b"PK\x03\x04":
        return None
    _, _, flags, method, _, _, crc, packed, _, name_length, extra = LOCAL_HEADER.unpack(head)
    name = file.read(name_length).decode("utf-8" if flags & 0x800 else "cp437", "replace")
    file.seek(extra, 1)
    known = not flags & 8 and packed != 0xFFFFFFFF
    return _Local(
        path, name, file.tell(), method, bool(flags & 1), packed if known else None, crc if known else None
    )


def _headers(path: Path) -> Iterator[_Local]:
    """Files of an archive whose directory is gone, as far as each says where it ends."""
    with path.open("rb") as file:
        while header := _header(path, file):
            yield header
            if header.packed is not None:
                file.seek(header.begin + header.packed)
                continue
            file.seek(header.begin)
            pieces, end = _member(file, METHODS.get(header.method, _Inflate), ZSTD_PIECE)
            if not _is_whole(partial(iter, pieces)):
                return
            file.seek(end())
            descriptor = file.read(24)
            # A mark, a checksum and two lengths, of four bytes each or of eight in a large archive.
            if not descriptor.startswith(DESCRIPTOR):
                return
            file.seek(end() + (16 if descriptor[16:18] == b"PK" else 24))


def _members(file: IO[bytes], packing: Packing) -> Iterator[bytes]:
    """Pieces of all members of a file, one after another; zeros behind a member are padding."""
    begin, first = 0, True
    while True:
        begin = begin if first else _past_zeros(file, begin)
        file.seek(begin)
        start = file.read(8)
        if not start and not first:
            return
        if not start.startswith(packing.starts):
            if first:
                raise Damaged(Damage("it is not packed as its name says" if start else "it is empty"))
            rest = file.seek(0, 2) - begin
            raise Damaged(Damage(f"{rest:,} bytes of something else stand behind its end", whole=True))
        file.seek(begin)
        pieces, end = _member(file, packing.new, packing.piece)
        yield from pieces
        begin, first = end(), False


def _past_zeros(file: IO[bytes], begin: int) -> int:
    file.seek(begin)
    while head := file.read(HEAD):
        begin += len(head) - len(head.lstrip(b"\0"))
        if head.strip(b"\0"):
            break
    return begin


def _member(file: IO[bytes], new: Callable[[], Any], piece: int) -> tuple[Iterator[bytes], Callable[[], int]]:
    """Pieces of the member that begins here, and where it ended once they were read.

    A decoder that meets a damaged byte keeps what it made of the bytes before it in the same call to itself.
    So the call is made again, byte by byte, by a new decoder brought to the same place.
    """
    begin, decoder = file.tell(), new()
    ended = [0]

    def pieces() -> Iterator[bytes]:
        given = 0
        while not decoder.eof:
            packed = file.read(piece)
            if not packed:
                raise Damaged(Damage(f"it is cut off at byte {begin + given:,}"))
            made = 0
            try:
                for out in _made(decoder, packed):
                    made += len(out)
                    yield out
            except UNPACK_ERRORS as error:
                yield from _replayed(file, new(), begin, given, packed, made)
                raise Damaged(Damage(f"it is damaged near byte {begin + given:,}: {worded(error)}")) from None
            given += len(packed)
        ended[0] = begin + given - len(decoder.unused_data)

    return pieces(), lambda: ended[0]


def _made(decoder: Any, packed: bytes) -> Iterator[bytes]:
    if out := decoder.decompress(packed, PIECE):
        yield out
    while not decoder.eof and not decoder.needs_input:
        if not (out := decoder.decompress(b"", PIECE)):
            return
        yield out


def _replayed(
    file: IO[bytes], decoder: Any, begin: int, given: int, packed: bytes, made: int
) -> Iterator[bytes]:
    """What can be made of `packed` up to the damage in it, without its first `made` bytes."""
    file.seek(begin)
    while given:
        before = file.read(min(len(packed), given))
        for _ in _made(decoder, before):
            pass
        given -= len(before)
    try:
        for place in range(len(packed)):
            for out in _made(decoder, packed[place : place + 1]):
                skip = min(made, len(out))
                made -= skip
                if out[skip:]:
                    yield out[skip:]
    except UNPACK_ERRORS:
        return


def worded(error: BaseException) -> str:
    """An error in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
