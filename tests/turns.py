"""Which tests of a real cluster does one worker get at once, and which begin?

With `--dist loadfile` that is a module. Here it is a piece: modules that use the
same virtual servers are one, so that these are put on a lab once.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

PIECES = (
    (
        "requirements/test_changes.py",
        "requirements/test_r1_isolation.py",
        "requirements/test_r2_r3_addresses_and_protocols.py",
        "requirements/test_moves.py",
        "requirements/test_servers_die.py",
        "requirements/test_apply.py",
    ),
    (
        "requirements/test_r4_r5_r6_crash.py",
        "requirements/test_r6_pinned.py",
        "requirements/test_r5_order.py",
    ),
    ("requirements/test_r11_storage.py", "requirements/test_r11_hangs.py"),
)
"""The longest first, so that no worker is left with one at the end; whatever is not here comes after these."""
_TURN = {
    f"tests/{file}": (piece, place) for piece, files in enumerate(PIECES) for place, file in enumerate(files)
}
_LAST = (len(PIECES), 0)


def turn(file: str) -> tuple[int, int]:
    """Return the place of a module (tests/…) in the order of all; the same for all that are not in PIECES."""
    return _TURN.get(file, _LAST)


class InPieces(LoadFileScheduling):  # type: ignore[misc]
    """Gives a worker a piece at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        piece, _ = turn(file)
        return f"piece {piece}" if piece < len(PIECES) else file
