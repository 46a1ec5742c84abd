"""What an answer becomes while an export is waited for: bytes in, bytes out, however they come in pieces."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from vsctl.agents.translation import Translator, Waited

DATA, PUB = 0x1234, 5
WAITED = Waited([(DATA, "/data/projects")])
SIZES = (1, 3, 4, 7, 1000, 1 << 20)
"""So many bytes come at once."""


def word(*numbers: int) -> bytes:
    return b"".join(struct.pack(">I", each) for each in numbers)


def opaque(data: bytes) -> bytes:
    return word(len(data)) + data + bytes(-len(data) % 4)


def handle(export: int) -> bytes:
    """Return a handle as Ganesha makes it, with the number of its export in bytes 2 and 3."""
    return b"\x43\0" + struct.pack(">H", export) + b"\x1a" * 25


def record(data: bytes, *, last: bool = True) -> bytes:
    return word(last << 31 | len(data)) + data


def call(xid: int, program: int, version: int, procedure: int, arguments: bytes) -> bytes:
    credential = word(1) + opaque(b"machine and groups" * 7)
    return record(word(xid, 0, 2, program, version, procedure) + credential + word(0, 0) + arguments)


def answer(xid: int, results: bytes) -> bytes:
    return record(word(xid, 1, 0, 0, 0, 0) + results)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def through(asked: bytes, answered: bytes, size: int = 1 << 20, waited: Waited = WAITED) -> bytes:
    translator = Translator(lambda _: waited)
    for each in pieces(asked, size):
        translator.asked(each, 0.0)
    return b"".join(translator.answered(each) for each in pieces(answered, size))


def getattr3(xid: int, export: int) -> bytes:
    return call(xid, 100003, 3, 1, opaque(handle(export)))


def compound(xid: int, *operations: bytes) -> bytes:
    return call(xid, 100003, 4, 1, opaque(b"tag") + word(1, len(operations)) + b"".join(operations))


def done(xid: int, status: int, *results: bytes) -> bytes:
    return answer(xid, word(status) + opaque(b"tag") + word(len(results)) + b"".join(results))


SEQUENCE = word(53) + bytes(16) + word(1, 0, 0, 1)
SEQUENCED = word(53, 0) + bytes(36)
ROOT, ROOTED = word(24), word(24, 0)


def putfh(export: int) -> bytes:
    return word(22) + opaque(handle(export))


def lookup(name: bytes) -> bytes:
    return word(15) + opaque(name)


@pytest.mark.parametrize("size", SIZES)
def test_only_a_stale_handle_of_the_export_that_is_waited_for_becomes_another_answer(size: int) -> None:
    asked = getattr3(1, DATA) + getattr3(2, PUB) + getattr3(3, DATA) + getattr3(4, DATA)
    others = answer(2, word(70)) + answer(3, word(0) + b"attributes, and more") + answer(4, word(5))
    assert through(asked, answer(1, word(70, 0)) + others, size) == answer(1, word(10008, 0)) + others


@pytest.mark.parametrize("size", SIZES)
def test_much_data_passes_in_both_directions_as_it_is(size: int) -> None:
    data = bytes(range(256)) * 300
    write = call(1, 100003, 3, 7, opaque(handle(DATA)) + bytes(16) + opaque(data))
    read = word(1, 1, 0, 0, 0, 0, 0) + data
    in_two = record(read[:40000], last=False) + record(read[40000:])
    assert through(write + getattr3(2, DATA), in_two + answer(2, word(70)), size) == in_two + answer(
        2, word(10008)
    )


@pytest.mark.parametrize("size", SIZES)
def test_a_compound_is_to_be_tried_later_from_the_handle_on(size: int) -> None:
    asked = compound(1, SEQUENCE, putfh(DATA), word(9, 1, 2)) + compound(2, SEQUENCE, putfh(PUB))
    said = done(1, 70, SEQUENCED, word(22, 70)) + done(2, 70, SEQUENCED, word(22, 70))
    expected = done(1, 10008, SEQUENCED, word(22, 10008)) + done(2, 70, SEQUENCED, word(22, 70))
    assert through(asked, said, size) == expected


def test_a_compound_that_goes_stale_in_the_middle_is_to_be_tried_later() -> None:
    """The export goes while its operations are under way."""
    asked = compound(1, SEQUENCE, putfh(DATA), word(25) + bytes(28)) + compound(2, putfh(DATA), word(34))
    said = done(1, 70, SEQUENCED, word(22, 0), word(25, 70)) + done(2, 70, word(22, 0), word(34, 70, 0))
    assert through(asked, said) == done(1, 10008, SEQUENCED, word(22, 0), word(25, 10008)) + done(
        2, 10008, word(22, 0), word(34, 10008, 0)
    )


def test_the_second_handle_of_a_compound_counts_too() -> None:
    asked = compound(1, putfh(PUB), word(32), putfh(DATA), word(29) + bytes(40))
    said = done(1, 70, word(22, 0), word(32, 0), word(22, 70))
    assert through(asked, said) == done(1, 10008, word(22, 0), word(32, 0), word(22, 10008))


@pytest.mark.parametrize(("name", "status"), [(b"data", 10008), (b"projects", 10008), (b"else", 2)])
def test_who_is_on_the_way_from_the_root_waits_too(name: bytes, status: int) -> None:
    asked = compound(1, ROOT, word(9, 2, 1, 2), lookup(name), word(10)) + compound(2, putfh(0), lookup(name))
    said = done(1, 2, ROOTED, word(9, 0, 0, 0), word(15, 2)) + done(2, 2, word(22, 0), word(15, 2))
    assert through(asked, said) == done(1, status, ROOTED, word(9, 0, 0, 0), word(15, status)) + done(
        2, status, word(22, 0), word(15, status)
    )


def test_a_name_that_is_missing_in_an_export_is_missing() -> None:
    asked, said = compound(1, putfh(DATA), lookup(b"data")), done(1, 2, word(22, 0), word(15, 2))
    assert through(asked, said) == said


def test_a_directory_above_the_export_is_waited_for() -> None:
    asked, said = compound(1, putfh(0), word(9, 1, 2)), done(1, 70, word(22, 70))
    assert through(asked, said) == done(1, 10008, word(22, 10008))
    assert through(asked, said, waited=Waited()) == said


@pytest.mark.parametrize(
    ("path", "silent"), [(b"/data/projects", True), (b"/data/projects/a", True), (b"/data/projects2", False)]
)
def test_who_mounts_it_is_not_answered(path: bytes, silent: bool) -> None:
    translator = Translator(lambda _: WAITED)
    translator.asked(call(1, 100005, 3, 1, opaque(path)) + call(2, 100005, 3, 1, opaque(path)), 0.0)
    granted = answer(2, word(0) + opaque(handle(DATA)))
    refused = answer(1, word(13))
    assert translator.answered(refused + granted) == (granted if silent else refused + granted)
    assert bool(translator.asked_again(0.0)) is silent


def test_who_mounts_it_is_answered_when_it_is_back() -> None:
    waited = [WAITED]
    translator = Translator(lambda _: waited[0])
    asked = call(1, 100005, 3, 1, opaque(b"/data/projects"))
    translator.asked(asked, 0.0)
    assert translator.answered(answer(1, word(13))) == b""
    translator.asked(asked[:50], 0.0)
    assert translator.asked_again(0.0) == b"", "not in the middle of another call"
    translator.asked(asked[50:], 0.0)
    assert translator.asked_again(0.0) == asked
    assert translator.answered(answer(1, word(13))) == b""
    assert translator.asked_again(0.0) == asked
    assert translator.asked_again(0.0) == b""
    waited[0] = Waited()
    assert translator.answered(answer(1, word(13))) == answer(1, word(13))


def locking(
    xid: int, procedure: int, export: int, reclaim: int | None = None, owner: bytes = b"owner"
) -> bytes:
    """Return a call to test, lock, cancel or unlock, or to reclaim by LOCK, NM_LOCK or SHARE."""
    before = word(*[1] * {1: 1, 2: 2, 3: 2, 4: 0, 20: 0, 22: 2}[procedure])
    lock = opaque(b"client") + opaque(handle(export)) + opaque(owner)
    lock += word(2, 2) if procedure == 20 else word(7) + bytes(16)
    after = b"" if reclaim is None else word(reclaim) if procedure == 20 else word(reclaim, 3)
    return call(xid, 100021, 4, procedure, opaque(b"a cookie") + before + lock + after)


@pytest.mark.parametrize("procedure", [1, 2, 3, 4])
@pytest.mark.parametrize("cookie", [b"", b"a cookie", b"c" * 70])
def test_a_lock_on_it_is_to_be_asked_for_again(procedure: int, cookie: bytes) -> None:
    asked = b"".join(locking(xid, procedure, export) for xid, export in ((1, DATA), (2, PUB), (3, DATA)))
    stale, held = opaque(cookie) + word(7), opaque(cookie) + word(1)
    said = answer(1, stale) + answer(2, stale) + answer(3, held)
    for size in SIZES:
        assert through(asked, said, size) == answer(1, opaque(cookie) + word(4)) + answer(2, stale) + answer(
            3, held
        )


@pytest.mark.parametrize("procedure", [2, 20, 22])
def test_who_reclaims_a_lock_on_it_waits_as_long_as_there_is_time(procedure: int) -> None:
    """Linux asks for a lock once only when its server is back, whatever it is told but that it has it."""
    waited = [Waited([(DATA, "/data/projects")], reclaims=True)]
    translator = Translator(lambda _: waited[0])
    mine, another = locking(1, procedure, DATA, 1), locking(2, procedure, DATA, 0)
    translator.asked(mine + another + locking(3, procedure, PUB, 1), 0.0)
    stale, later = opaque(b"") + word(7), opaque(b"") + word(4)
    said = answer(1, stale) + answer(2, stale) + answer(3, stale)
    assert translator.answered(said) == answer(2, later) + answer(3, stale)
    assert translator.asked_again(1.0) == mine
    assert translator.answered(answer(1, stale)) == b""
    assert translator.asked_again(2.0) == mine
    waited[0] = WAITED
    assert translator.answered(answer(1, stale)) == answer(1, later), "there is no time left"
    assert translator.asked_again(3.0) == b""


def test_who_reclaims_a_lock_that_comes_back_gets_it() -> None:
    translator = Translator(lambda _: Waited([(DATA, "/data/projects")], reclaims=True))
    translator.asked(locking(1, 2, DATA, 1), 0.0)
    assert translator.answered(answer(1, opaque(b"") + word(7))) == b""
    translator.asked_again(1.0)
    granted = answer(1, opaque(b"a cookie") + word(0))
    assert translator.answered(granted) == granted


def test_a_call_of_which_only_a_part_is_known_is_not_put_to_the_server_again() -> None:
    translator = Translator(lambda _: Waited([(DATA, "/data/projects")], reclaims=True))
    translator.asked(locking(1, 2, DATA, 1, b"o" * 2048), 0.0)
    assert translator.answered(answer(1, opaque(b"") + word(7))) == answer(1, opaque(b"") + word(4))


def test_who_asked_before_it_was_back_is_told_what_was_so_then() -> None:
    """Ganesha may have answered before the export was there, and the answer is read only afterwards."""
    translator = Translator(lambda moment: WAITED if moment < 5 else Waited())
    mounting = call(3, 100005, 3, 1, opaque(b"/data/projects"))
    translator.asked(getattr3(1, DATA) + mounting, 4.9)
    translator.asked(getattr3(2, DATA), 5.0)
    assert translator.answered(answer(1, word(70)) + answer(2, word(70)) + answer(3, word(13))) == answer(
        1, word(10008)
    ) + answer(2, word(70))
    assert translator.asked_again(5.1) == mounting
    assert translator.answered(answer(3, word(13))) == answer(3, word(13)), "it was asked anew since"


def test_what_nobody_asked_for_and_what_is_no_call_passes() -> None:
    rest = answer(9, word(70)) + record(word(1, 1, 1, 0, 2, 4)) + record(b"") + answer(1, b"") + record(b"x")
    assert through(getattr3(1, DATA) + record(b"no call") + getattr3(1, DATA)[:60], rest) == rest
