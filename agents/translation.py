"""What does an answer become that says a handle is stale, while its export is waited for?

Ganesha answers for an export that it does not have at once: NFS3ERR_STALE,
NFS4ERR_STALE of PUTFH, and NFS4ERR_NOENT on the way there from the root of
NFSv4; and NLM4_STALE_FH for its locks. For an export that comes back these become
NFS3ERR_JUKEBOX (RFC 1813), NFS4ERR_DELAY (RFC 8881) and NLM4_DENIED_GRACE_PERIOD (RFC 1813,
appendix II), at which clients ask again later. For a call to mount
it there is no such answer, and for one that reclaims a lock it would be the end of
that: these are kept, and put to Ganesha again, locks as long as there is time to
reclaim them. Everything else passes as it is, and all is asked of Ganesha: it keeps the slots of sessions, and
what an answer was, as ever. Calls are looked at for their handles, which carry
the number of their export (`rpc.export_id`), and for when they came: what Ganesha
said before an export was back may be read after that.

Pure: bytes of a connection in, bytes out.
"""

from __future__ import annotations

from struct import Struct, error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_NFS, _MOUNT, _NLM = 100003, 100005, 100021
_NOENT, _STALE, _LATER = 2, 70, 10008
_STALE_LOCK, _LATER_LOCK = 7, 4
_PUTFH, _PUTPUBFH, _PUTROOTFH, _LOOKUP, _SECINFO, _SETATTR = 22, 23, 24, 15, 33, 34
_ACCESS, _GETATTR, _SEQUENCE = 3, 9, 53
_BARE = frozenset((10, 16, 31, 32))
"""GETFH, LOOKUPP, RESTOREFH, SAVEFH: operations without arguments."""
_LOCKING = {1: 4, 2: 8, 3: 8, 4: 0, 20: 0, 21: 0, 22: 8}
"""TEST, LOCK, CANCEL, UNLOCK, SHARE, UNSHARE, NM_LOCK: so many bytes come between the cookie and who locks what."""
_RECLAIMING = {2: 20, 20: 8, 22: 20}
"""LOCK, SHARE, NM_LOCK: so many bytes come between who owns the lock and whether it is reclaimed."""
_PSEUDO = 0
"""The number that handles of directories above all exports carry."""

_HEAD = 2048
"""So many bytes of a call show its handles: credentials take 400 at most, a handle 128, a name 255."""
_LONGEST = 1 << 16
"""No answer that is translated has more bytes: it ends with what went wrong."""
_KEPT = 64
"""So many calls are put to Ganesha again, on one connection."""
_IN_FLIGHT = 8192
"""Calls whose answers may be waited for on one connection; those before them are never answered."""

_BEGINNING = 28
"""An answer shows its status in so many bytes, where its verifier is empty as Ganesha's is."""

_word = Struct(">I")
_LAST = 1 << 31


class Waited:
    """Which exports are waited for: their numbers, their paths, and the names on those from the root of NFSv4.

    `reclaims`: whether who reclaims a lock waits, too, and is not told that it is lost.
    """

    __slots__ = ("exports", "names", "paths", "reclaims")

    def __init__(self, exports: Iterable[tuple[int, str]] = (), reclaims: bool = False) -> None:
        self.reclaims = reclaims
        listed = list(exports)
        self.exports = frozenset(number for number, _ in listed)
        self.paths = [path.encode() for _, path in listed]
        self.names = frozenset(name.encode() for _, path in listed for name in path.split("/") if name)


class Call:
    """What a call is about: exports, by the numbers in its handles; the name each operation looks up; a path."""

    __slots__ = ("came", "exports", "head", "is_kept", "names", "path", "program", "version")

    def __init__(self, program: int, version: int) -> None:
        self.came = 0.0
        """When it came, as the clock says by which exports come back."""
        self.program = program
        self.version = version
        self.exports: set[int] = set()
        self.names: list[bytes | None] = []
        self.path = b""
        self.is_kept = False
        """Whether it is put to Ganesha again rather than refused."""
        self.head = b""
        """All of such a call."""


class _Reader:
    """Takes XDR (RFC 4506) from the beginning of a record; struct.error where it ends too early."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def word(self) -> int:
        self.at += 4
        return int(_word.unpack_from(self.data, self.at - 4)[0])

    def skip(self, size: int) -> None:
        self.at += size

    def opaque(self) -> bytes:
        size = self.word()
        start = self.at
        self.at += size + -size % 4
        if self.at > len(self.data):
            raise error
        return self.data[start : start + size]


def read_call(head: bytes) -> Call | None:
    """Return what a call is about, None if that is no export; `head` is how its record begins."""
    take = _Reader(head, 4)
    try:
        _, _, program, version, procedure = (take.word() for _ in range(5))
        for _ in ("credential", "verifier"):
            take.word()
            take.opaque()
        call = Call(program, version)
        if (program, version) == (_NFS, 3) and procedure:
            call.exports.add(_export(take.opaque()))
        elif (program, version) == (_NLM, 4) and procedure in _LOCKING:
            take.opaque()
            take.skip(_LOCKING[procedure])
            take.opaque()
            call.exports.add(_export(take.opaque()))
            call.is_kept = _reclaims(take, procedure)
        elif (program, version, procedure) == (_MOUNT, 3, 1):
            call.path = take.opaque()
            call.is_kept = True
        elif (program, version, procedure) == (_NFS, 4, 1):
            _read_operations(take, call)
    except error:
        return None
    return call if call.exports or call.path else None


def _reclaims(take: _Reader, procedure: int) -> bool:
    """Say whether a call is to get back a lock from before the server started; only if all of it is here."""
    if procedure not in _RECLAIMING or len(take.data) >= _HEAD:
        return False
    try:
        take.opaque()
        take.skip(_RECLAIMING[procedure])
        return bool(take.word())
    except error:
        return False


def _read_operations(take: _Reader, call: Call) -> None:
    """Go through a COMPOUND as far as handles and names of exports may come."""
    take.opaque()
    take.word()
    try:
        for _ in range(take.word()):
            operation = take.word()
            name = None
            if operation == _PUTFH:
                call.exports.add(_export(take.opaque()))
            elif operation in (_PUTROOTFH, _PUTPUBFH):
                call.exports.add(_PSEUDO)
            elif operation in (_LOOKUP, _SECINFO):
                name = take.opaque()
            elif operation == _GETATTR:
                take.skip(4 * take.word())
            elif operation == _ACCESS:
                take.skip(4)
            elif operation == _SEQUENCE:
                take.skip(32)
            elif operation not in _BARE:
                return
            call.names.append(name)
    except error:
        return  # what was seen until here counts


def _export(handle: bytes) -> int:
    return int.from_bytes(handle[2:4], "big")


def translate(call: Call, answer: bytes, waited: Waited) -> bytes | None:
    """Return what a client that called so is told, None if it is not; `answer` is the whole record."""
    try:
        at = _result(answer)
        if call.program == _MOUNT:
            within = any((call.path + b"/").startswith(each + b"/") for each in waited.paths)
            return None if within and _Reader(answer, at).word() else answer
        concerned = not call.exports.isdisjoint(waited.exports)
        if call.program == _NLM:
            return _translate_lock(call, answer, _after_cookie(answer, at), waited) if concerned else answer
        if call.version == 3:
            return _changed(answer, at, _STALE, _LATER) if concerned else answer
        return _translate_compound(call, answer, at, concerned, waited)
    except error:
        return answer


def _translate_lock(call: Call, answer: bytes, at: int, waited: Waited) -> bytes | None:
    """Return what a client is told of a lock; Linux gives up one that it may not have back, and tells no program."""
    if call.is_kept and waited.reclaims and _Reader(answer, at).word() == _STALE_LOCK:
        return None
    return _changed(answer, at, _STALE_LOCK, _LATER_LOCK)


def _translate_compound(call: Call, answer: bytes, at: int, concerned: bool, waited: Waited) -> bytes:
    take = _Reader(answer, at)
    status = take.word()
    take.opaque()  # the tag
    done = take.word()
    end = len(answer)
    if answer.endswith(_word.pack(_SETATTR) + _word.pack(_STALE) + _word.pack(0)):
        end -= 4  # which attributes were set: none
    elif _Reader(answer, end - 4).word() != status:
        return answer
    on_the_way = bool(waited.exports) and _PSEUDO in call.exports
    missing = call.names[done - 1] if 0 < done <= len(call.names) else None
    if (status == _STALE and (concerned or on_the_way)) or (
        status == _NOENT and on_the_way and missing in waited.names
    ):
        return _changed(_changed(answer, at, status, _LATER), end - 4, status, _LATER)
    return answer


def _after_cookie(answer: bytes, at: int) -> int:
    take = _Reader(answer, at)
    take.opaque()
    return take.at


def _result(answer: bytes) -> int:
    """Return where the results of an accepted call begin; struct.error where there are none."""
    take = _Reader(answer, 4)
    if (take.word(), take.word()) != (1, 0):
        raise error
    take.word()
    take.opaque()  # the verifier
    if take.word() != 0:
        raise error
    return take.at


def _changed(answer: bytes, at: int, once: int, now: int) -> bytes:
    """Exchange a word that is the one it may be."""
    if _Reader(answer, at).word() != once:
        return answer
    return answer[:at] + _word.pack(now) + answer[at + 4 :]


class _Fragments:
    """Finds fragments and records in a stream (RFC 5531, section 11)."""

    __slots__ = ("_last", "_left", "_mark")

    def __init__(self) -> None:
        self._mark = b""
        self._left = 0
        self._last = False

    def split(self, data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
        """Yield mark and contents, as far as they have come, and whether a record ends here.

        The mark comes with the first piece of its fragment, others have none.
        """
        at = 0
        while at < len(data):
            mark = b""
            if not self._left:
                taken = data[at : at + 4 - len(self._mark)]
                self._mark += taken
                at += len(taken)
                if len(self._mark) < 4:
                    return
                mark, self._mark = self._mark, b""
                self._left = _Reader(mark).word()
                self._last = bool(self._left & _LAST)
                self._left &= ~_LAST
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            yield mark, piece, self._last and not self._left

    @property
    def is_within(self) -> bool:
        """Say whether a fragment has begun and not ended."""
        return bool(self._left or self._mark)

    def skip(self, size: int) -> bool:
        """Let so many bytes pass, if the fragment they belong to goes on after them."""
        if size >= self._left:
            return False
        self._left -= size
        return True


class Translator:
    """What goes through one connection. `waited` says what is waited for, or was after a moment."""

    __slots__ = ("_answer", "_answers", "_call", "_calls", "_marks", "_noted", "_unanswered", "_waited")

    def __init__(self, waited: Callable[[float], Waited]) -> None:
        self._waited = waited
        self._noted: dict[bytes, Call] = {}
        self._calls = _Fragments()
        self._call = b""
        self._answers = _Fragments()
        self._answer: bytes | None = b""
        """What has come of an answer, None of one that passes."""
        self._marks = b""
        self._unanswered: list[bytes] = []

    def asked(self, data: bytes, now: float) -> None:
        """See what a client sends."""
        if len(self._call) >= _HEAD and self._calls.skip(len(data)):
            return
        for _, piece, ended in self._calls.split(data):
            self._call += piece[: max(_HEAD - len(self._call), 0)]
            if ended:
                self._note(self._call, now)
                self._call = b""

    def asked_again(self, now: float) -> bytes:
        """Return the calls that were not answered, to be sent to the server; none in the middle of another."""
        if self._call or self._calls.is_within:
            return b""
        calls, self._unanswered = self._unanswered, []
        for each in calls:
            self._note(each, now)
        return b"".join(_word.pack(_LAST | len(each)) + each for each in calls)

    def _note(self, head: bytes, now: float) -> None:
        if call := read_call(head):
            call.came = now
            if len(self._noted) >= _IN_FLIGHT:
                del self._noted[next(iter(self._noted))]
            if call.is_kept:
                call.head = head
            self._noted[head[:4]] = call

    def answered(self, data: bytes) -> bytes:
        """Return what a client is to get of what the server sends."""
        if self._answer is None and self._answers.skip(len(data)):
            return data
        return b"".join(self._told(data))

    def _told(self, data: bytes) -> Iterator[bytes]:
        for mark, piece, ended in self._answers.split(data):
            if self._answer is None:
                yield mark + piece
            else:
                self._marks += mark
                self._answer += piece
                if len(self._marks) == 4 and self._passes(self._answer):
                    yield self._marks + self._answer
                    self._answer = None
                elif ended:
                    call = self._noted.pop(self._answer[:4], None)
                    answer = translate(call, self._answer, self._waited(call.came)) if call else self._answer
                    if call and answer is None:
                        if len(self._unanswered) < _KEPT:
                            self._unanswered.append(call.head)
                    elif answer is not None:
                        yield _word.pack(_LAST | len(answer)) + answer
            if ended:
                self._answer, self._marks = b"", b""

    def _passes(self, answer: bytes) -> bool:
        """Say whether an answer that has begun is for the client as it is; False until that can be seen."""
        if len(answer) < _BEGINNING:
            return False
        call = self._noted.get(answer[:4])
        if call is None or len(answer) > _LONGEST:
            return True
        try:
            result = _Reader(answer, _result(answer)).word()
            may_be = call.program == _NLM or result in (_NOENT, _STALE) or bool(call.path and result)
        except error:
            may_be = False
        if not may_be:
            del self._noted[answer[:4]]
        return not may_be
