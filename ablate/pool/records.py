"""The records of a WARC file, and in their places the bytes that could not be read as one.

Every byte of the file belongs to one item, so nothing is lost without a word: a damaged member or a bad
header costs that record, and reading goes on at the next one. A length is believed only where a record can
end: before a blank line, another record, or the end of what was packed together.
Source: ISO 28500:2017 (WARC 1.1), section 4 and annex D.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from ablate.pool.members import BROKEN, HEADER, PIECE, Member, Members

LONGEST_HEADER = 1 << 20
BLANK_LINE = re.compile(rb"\n\r?\n")
SEPARATOR = re.compile(rb"(?:\r?\n){2}")
LAST_SEPARATOR = re.compile(rb"(?:\r?\n){1,2}\Z")
FOLDED = re.compile(r"\r?\n[ \t]+")
LENGTH = re.compile(r"[0-9]{1,18}")
DIGESTS = ("md5", "sha1", "sha256", "sha512")
FIRST_LOOK = 1 << 12
SIGHT = 256
"""Bytes behind a block that are looked at to see whether it ends there."""


@dataclass(frozen=True)
class Record:
    """A whole record.

    Attributes:
        begin, end: bytes of the file that it takes up; of records packed together, how far the file was read.
        fields: its header, names in lower case.
        length: bytes of its block.
        block: what it holds; empty when it is longer than was asked for.
    """

    begin: int
    end: int
    fields: Mapping[str, str]
    length: int
    block: bytes


@dataclass(frozen=True)
class Lost:
    """Bytes of the file that could not be read as a record.

    Attributes:
        begin, end: where they stand in the file.
        reason: what is wrong with them.
    """

    begin: int
    end: int
    reason: str


def records(stream: BinaryIO, limit: int) -> Iterator[Record | Lost]:
    """Every record and every stretch of lost bytes of a file; each begins where the one before ends.

    Args:
        stream: the file, able to seek.
        limit: bytes of a block at most; longer ones are read over.
    """
    members = Members(stream)
    place = 0
    packed: bool | None = None
    run: _Run | None = None
    while place < members.size:
        failed, why = place, "no WARC header"
        try:
            if run is None and (member := members.at(place)):
                run = _Run(members, member, b"")
        except BROKEN as error:
            why = _why(error)
        if run is not None:
            packed = bool(run.member.kind)
            scan, current = _Scan(run, place, limit), run
            try:
                yield from scan.items()
                place, run = current.end, current.following
                continue
            except BROKEN as error:
                place, failed, why = scan.begin, current.member.offset, _why(error)
                if scan.unvouched:
                    why += f"; no checksum vouches for the {scan.unvouched:,} records before it"
        behind = members.next(failed + 1, packed=packed)
        yield Lost(place, behind, why)
        place, run = behind, None


def _why(error: Exception) -> str:
    return f"{'truncated' if isinstance(error, EOFError) else 'unreadable'}: {error}"


class _Run:
    """The unpacked bytes of members that belong together: up to one that begins with a record of its own.

    Most writers pack each record by itself; others pack the file as a whole, or cut it anywhere.

    Attributes:
        member: the member that is being read.
        damage: why nothing can be read behind what `peek` gives, if so.
        end: where in the file the run ends, once it has been read to its end.
        following: the run behind it, where it has been opened already.
    """

    def __init__(self, members: Members, member: Member, piece: bytes) -> None:
        self.member = member
        self.damage: Exception | None = None
        self.end = -1
        self.following: _Run | None = None
        self._members = members
        self._buffer, self._at, self._taken = piece, 0, 0
        self._starts = deque([(0, member.offset)])  # of members: in the unpacked bytes, and in the file
        self._sound: tuple[int, bool] = (-1, True)

    def peek(self, count: int) -> bytes:
        """The next bytes; fewer only at the end of the run, or before damage."""
        if len(self._buffer) - self._at < count:
            parts, have = [self._buffer[self._at :]], len(self._buffer) - self._at
            while have < count and (piece := self._more(have)):
                parts.append(piece)
                have += len(piece)
            self._buffer, self._at = b"".join(parts), 0
        return self._buffer[self._at : self._at + count]

    def take(self, count: int) -> None:
        """Go on by bytes that have been peeked at."""
        self._at += count
        self._taken += count

    def give_back(self, taken: bytes) -> None:
        """Undo the last `take`, of these bytes."""
        self._buffer, self._at = taken + self._buffer[self._at :], 0
        self._taken -= len(taken)

    def skip(self, count: int) -> int:
        """Go on by up to so many bytes without holding them; how many there were."""
        skipped = 0
        while skipped < count and (piece := self.peek(min(PIECE, count - skipped))):
            self.take(len(piece))
            skipped += len(piece)
        return skipped

    def may_hold(self, count: int) -> bool:
        """Whether so many bytes can follow; of packed ones it is not known before they are unpacked."""
        return bool(self.member.kind) or count <= self._members.size - self.place()

    def find_header(self) -> int:
        """Go on to the next header, or to the end of the run, or to damage; bytes passed over."""
        before, size = self._taken, FIRST_LOOK
        while True:
            piece = self.peek(size)
            if match := HEADER.search(piece):
                self.take(match.start())
                break
            if len(piece) < size:
                self.take(len(piece))
                break
            self.take(size - SIGHT)
            size = PIECE
        return self._taken - before

    def place(self) -> int:
        """Where in the file the next byte stands; inside a packed member, how far it has been read."""
        if not self.peek(1) and self.end >= 0:
            return self.end
        if not self.member.kind:
            return self.member.position - (len(self._buffer) - self._at)
        while self._starts and self._starts[0][0] < self._taken:
            self._starts.popleft()
        return self._starts[0][1] if self._starts else self.member.position

    def begins_member(self, ahead: int = 0) -> bool:
        """Whether a member begins at one of the next bytes, the current one included."""
        return any(self._taken <= start <= self._taken + ahead for start, _ in self._starts)

    def sound(self) -> bool:
        """Whether the member that holds the last byte taken can be unpacked whole, checksum included."""
        if not self.member.kind or self.end >= 0 or any(start >= self._taken for start, _ in self._starts):
            return True
        if self._sound[0] != self.member.offset:
            self._sound = (self.member.offset, _unpacks(self.member.again()))
        return self._sound[1]

    def mark(self) -> Callable[[], None]:
        """Remember this place: calling what comes back returns to it."""
        buffer, at, taken, starts = self._buffer, self._at, self._taken, list(self._starts)
        again = self.member.mark()

        def back() -> None:
            self._buffer, self._at, self._taken, self._starts = buffer, at, taken, deque(starts)
            self.member, self.end, self.following, self.damage = again(), -1, None, None

        return back

    def ends_before_packed(self) -> bool:
        """End this run of plain bytes if a packed archive was appended to it here."""
        if self.member.kind or not self._members.holds_packed(place := self.place()):
            return False
        self._buffer, self._at, self.end = b"", 0, place
        return True

    def _more(self, have: int) -> bytes:
        if self.end >= 0 or self.damage:
            return b""
        try:
            if piece := self.member.read():
                return piece
        except BROKEN as error:
            self.damage = error
            return b""
        # Behind the member stands a record, or what goes on with this one, or something else.
        behind = self.member.position
        member, piece = None, b""
        try:
            member = self._members.at(behind) if behind < self._members.size else None
            piece = member.read() if member else b""
        except BROKEN:
            member = None
        if member is None or not member.kind or HEADER.match(piece.lstrip(b"\r\n")):
            self.end = behind
            self.following = _Run(self._members, member, piece) if member else None
            return b""
        self._starts.append((self._taken + have, behind))
        self.member = member
        return piece or self._more(have)


def _unpacks(member: Member) -> bool:
    try:
        while member.read():
            pass
    except BROKEN:
        return False
    return True


class _Scan:
    """Cuts a run into records.

    Attributes:
        begin: where in the file the item begins that is being read.
        unvouched: records that were read from a member whose checksum does not hold.
    """

    def __init__(self, run: _Run, begin: int, limit: int) -> None:
        self.begin = begin
        self.unvouched = 0
        self._run, self._limit = run, limit

    def items(self) -> Iterator[Record | Lost]:
        """Records and lost stretches up to the end of the run.

        Raises:
            one of BROKEN: where the run is damaged.
        """
        run = self._run
        while True:
            while newlines := _newlines(run.peek(SIGHT)):
                run.take(newlines)
            if HEADER.match(run.peek(SIGHT)):
                yield self._record()
                continue
            if run.peek(1) and not run.ends_before_packed():
                run.find_header()
                self._stop_at_damage()
                yield self._lost("no WARC header")
                continue
            self._stop_at_damage()
            if run.end > self.begin:
                yield self._lost("no WARC header")
            return

    def _record(self) -> Record | Lost:
        run = self._run
        head = self._head()
        if not head:
            run.take(len(b"WARC"))
            run.find_header()
            self._stop_at_damage()
            return self._lost("a WARC header without an end")
        alone = run.begins_member()
        run.take(len(head))
        fields = _fields(head)
        stated = fields.get("content-length", "")
        if not LENGTH.fullmatch(stated):
            run.find_header()
            self._stop_at_damage()
            return self._lost(f"Content-Length: {stated[:40]!r}" if stated else "no Content-Length")
        length = int(stated)
        if length <= self._limit:
            back, block = None, run.peek(length)
            run.take(len(block))
            there = len(block)
        else:
            back, block = run.mark(), b""
            there = run.skip(length) if run.may_hold(length) else 0
        if there == length and self._may_end(fields, block, alone) and not _swallows(fields, block):
            holds = run.sound() or _digest_holds(fields, block)
            if holds is False and block:
                return self._lost("its block digest does not hold, in a damaged member")
            self.unvouched += holds is None
            return Record(*self._stretch(), fields, length, block)
        if back:
            back()
        else:
            run.give_back(block)
        return self._of_other_length(head, fields, length)

    def _head(self) -> bytes:
        """The header with its blank line; nothing when it has no end, or another one begins in it."""
        size = FIRST_LOOK
        while True:
            start = self._run.peek(size)
            if end := BLANK_LINE.search(start):
                head = start[: end.end()]
                return b"" if HEADER.search(head, len(b"WARC")) else head
            if len(start) < size or size >= LONGEST_HEADER:
                return b""
            size *= 4

    def _may_end(self, fields: Mapping[str, str], block: bytes, alone: bool) -> bool:
        """Whether a record can end here: at the end, before another, or, packed with others, before a blank line."""
        after = self._run.peek(SIGHT)
        newlines = _newlines(after)
        if newlines == len(after):
            return newlines == SIGHT or self._run.damage is None
        if HEADER.match(after, newlines) or (self._run.member.kind and self._run.begins_member(newlines)):
            return True
        if not SEPARATOR.match(after):
            return False
        # Something that is no record stands behind it: the next one is damaged, or this one's length is.
        holds = _digest_holds(fields, block) if block else None
        return not (alone and self._run.member.kind) if holds is None else holds

    def _of_other_length(self, head: bytes, fields: Mapping[str, str], length: int) -> Record | Lost:
        """The record whose block does not end where its header says: read if its true length is beyond doubt."""
        run = self._run
        block = self._up_to_next()
        # A transfer as text made each CRLF an LF, so the block is that much shorter than it was.
        lf_only = b"\r" not in head and 0 < length - len(block) <= block.count(b"\n")
        if block and (lf_only or _digest_holds(fields, block)):
            run.take(len(block))
            return Record(*self._stretch(), fields, len(block), block)
        there = run.find_header()
        self._stop_at_damage()
        if run.end >= 0 and not run.peek(1) and there < length:
            return self._lost(f"truncated: {there:,} of {length:,} bytes")
        return self._lost(f"Content-Length: {length:,}, but {there:,} bytes up to the next record")

    def _up_to_next(self) -> bytes:
        """What stands up to the next header or the end of the run, less the blank lines; nothing if too long."""
        size = FIRST_LOOK
        while size <= 4 * self._limit:
            text = self._run.peek(size)
            if following := HEADER.search(text):
                return LAST_SEPARATOR.sub(b"", text[: following.start()])
            if len(text) < size:
                return b"" if self._run.damage else LAST_SEPARATOR.sub(b"", text)
            size *= 4
        return b""

    def _stop_at_damage(self) -> None:
        if self._run.damage and not self._run.peek(1):
            raise self._run.damage

    def _stretch(self) -> tuple[int, int]:
        while newlines := _newlines(self._run.peek(SIGHT)):
            self._run.take(newlines)
        begin, self.begin = self.begin, max(self.begin, self._run.place())
        return begin, self.begin

    def _lost(self, reason: str) -> Lost:
        return Lost(*self._stretch(), reason)


def _newlines(text: bytes) -> int:
    return len(text) - len(text.lstrip(b"\r\n"))


def _fields(head: bytes) -> dict[str, str]:
    """Names in lower case; the first of a name counts, lines that are no field do not."""
    fields: dict[str, str] = {}
    for line in FOLDED.sub(" ", head.decode("utf-8", "replace")).split("\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    return fields


def _digest_holds(fields: Mapping[str, str], block: bytes) -> bool | None:
    """Whether the block is what its digest says; None when it says nothing that can be checked."""
    name, _, value = fields.get("warc-block-digest", "").partition(":")
    if name.lower() not in DIGESTS:
        return None
    made = hashlib.new(name.lower(), block).digest()
    value = value.strip().rstrip("=").lower()
    return value in (made.hex(), base64.b32encode(made).decode().rstrip("=").lower())


def _swallows(fields: Mapping[str, str], block: bytes) -> bool:
    """Whether a length is too long by exactly the records behind: they stand in the block, whole, to its end.

    An archive that was archived itself begins right where the page would.
    """
    if b"WARC/" not in block or not (first := HEADER.search(block)) or _digest_holds(fields, block):
        return False
    before = block[: first.start()]
    blank = BLANK_LINE.search(before) if before.startswith(b"HTTP/") else None
    if not before.strip() or (blank and blank.end() == len(before)) or not SEPARATOR.search(before[-4:]):
        return False
    place = first.start()
    while HEADER.match(block, place) and (end := BLANK_LINE.search(block, place)):
        stated = _fields(block[place : end.end()]).get("content-length", "")
        if not LENGTH.fullmatch(stated) or end.end() + int(stated) > len(block):
            return False
        place = end.end() + int(stated)
        place += _newlines(block[place : place + SIGHT])
    return place >= len(block)
