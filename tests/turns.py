"""Which tests of a real cluster does one worker get at once, and which come first?

With `--dist loadfile` that is a module. Here it is a piece: modules that use the
same virtual servers are one, so that these are put on a lab once.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

PIECES = (
    # On the one lab of a worker:
    (
        "requirements/test_changes.py",
        "requirements/test_r1_isolation.py",
        "requirements/test_r2_r3_addresses_and_protocols.py",
        "requirements/test_moves.py",
        "requirements/test_servers_die.py",
        "requirements/test_apply.py",
    ),
    ("requirements/test_r12_repair.py",),
    ("requirements/test_r12_meanwhile.py",),
    (
        "requirements/test_r4_r5_r6_crash.py",
        "requirements/test_r6_pinned.py",
        "requirements/test_r5_order.py",
    ),
    ("requirements/test_stories.py",),
    ("requirements/test_r13_load.py",),
    ("requirements/test_r11_storage.py", "requirements/test_r11_hangs.py"),
    ("requirements/test_r14_rebalance.py",),
    ("requirements/test_fencing.py",),
    # With a lab of their own:
    ("lab/test_subnets.py",),
    ("lab/test_ports.py",),
    ("lab/test_two_nodes.py",),
    ("lab/test_routers.py",),
    ("lab/test_bad_days.py",),
)
"""The longest first, so that no worker is alone with one at the end; whatever is not here comes after these."""
_TURNS = {
    f"tests/{file}": (turn, place) for turn, files in enumerate(PIECES) for place, file in enumerate(files)
}
_LAST = (len(PIECES), 0)


def turn(file: str) -> tuple[int, int]:
    """Return the turn of a piece, and the place in it, of a module, tests/…; the last turn is no piece's."""
    return _TURNS.get(file, _LAST)


class InPieces(LoadFileScheduling):
    """Gives a worker a piece at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return file if turn(file) == _LAST else PIECES[turn(file)[0]][0]
