"""By which ports are routers taken to be told, when BIRD says so, then does not, and then does again?"""

from __future__ import annotations

from collections.abc import Iterable

from vsctl.agents.bird import HELD
from vsctl.agents.noded.routers import believed


def looks(*what: tuple[float, Iterable[str]]) -> list[set[str]]:
    """Return what is believed after each look: when it was, and what BIRD said."""
    missed: dict[str, float | None] = {}
    found = []
    for moment, told in what:
        missed = believed(missed, frozenset(told), moment)
        found.append(set(missed))
    return found


def test_a_gain_is_believed_at_once_and_a_loss_when_it_has_lasted() -> None:
    short = HELD - 0.1
    assert looks((0.0, []), (1.0, ["e1a"])) == [set(), {"e1a"}]
    assert looks((0.0, ["e1a"]), (1.0, []), (1.0 + short, []), (1.0 + HELD, [])) == [
        {"e1a"},
        {"e1a"},
        {"e1a"},
        set(),
    ]


def test_a_loss_counts_from_when_it_was_seen_however_late_that_is() -> None:
    """A node that gave BIRD no processor gave this process none, either."""
    assert looks((0.0, ["e1a"]), (100.0, [])) == [{"e1a"}, {"e1a"}]


def test_who_is_told_again_has_lost_nothing() -> None:
    seen = looks((0.0, ["e1a"]), (1.0, []), (0.9 + HELD, ["e1a"]), (1.0 + HELD, []), (0.9 + 2 * HELD, []))
    assert seen == [{"e1a"}] * 5, "each loss has its own time"


def test_each_port_has_its_own_time() -> None:
    both = ["e1a", "e2a"]
    seen = looks((0.0, both), (1.0, ["e2a"]), (2.0, []), (1.0 + HELD, []), (2.0 + HELD, []))
    assert seen == [set(both), set(both), set(both), {"e2a"}, set()]
