"""Does the kernel understand the packet filter as it is written?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.node import PYTHON, ROOT, Place

pytestmark = pytest.mark.node

MANY = 1200
REPLACED = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from vsctl.agents.nftables import Chain, Set, replace
ports = Set("ports", "ifname", ["e0a", "e0b", "e0a"])
many = [f"v-{{n}} . 2001:db8::{{n:x}}" for n in range({MANY})]
replace("trial", [ports, Set("many", "ifname . ipv6_addr", many, counted=True)], [
    Chain("forward", ["iifname . ip6 saddr @many accept", "oifname != @ports meta nfproto ipv4 drop"]),
    Chain("prerouting", [
        "iifname @ports tproxy ip to 127.0.0.1:2050 accept",
        "iifname @ports tproxy ip6 to [::1]:2050 accept",
    ]),
    Chain("output", ["oifname != @ports @th,256,64 7 drop"]),
])
"""
REFUSED = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from vsctl.agents.nftables import Chain, Set, replace
replace("trial", [Set("ports", "ifname", ["e1a"])], [Chain("forward", ["iifname @nobody drop"])])
"""


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.close()


def test_nft_reads_what_was_written(place: Place) -> None:
    place.run(PYTHON, "-IS", "-c", REPLACED)
    said = " ".join(place.run("nft", "list", "table", "inet", "trial").split())
    assert 'set ports { type ifname elements = { "e0a", "e0b" } }' in said
    assert said.count(" . 2001:db8::") == MANY
    assert said.count(" counter packets 0 bytes 0") == MANY
    assert (
        "chain forward { type filter hook forward priority filter; policy accept; "
        "iifname . ip6 saddr @many accept oifname != @ports meta nfproto ipv4 drop }"
    ) in said
    assert (
        "chain prerouting { type filter hook prerouting priority mangle; policy accept; "
        "meta nfproto ipv4 iifname @ports tproxy ip to 127.0.0.1:2050 accept "
        "meta nfproto ipv6 iifname @ports tproxy ip6 to [::1]:2050 accept }"
    ) in said
    assert (
        "chain output { type filter hook output priority filter; policy accept; "
        "oifname != @ports @th,256,64 0x7 drop }"
    ) in said
    place.run(PYTHON, "-IS", "-c", REPLACED)
    assert " ".join(place.run("nft", "list", "table", "inet", "trial").split()) == said


def test_what_is_refused_changes_nothing(place: Place) -> None:
    place.run(PYTHON, "-IS", "-c", REPLACED)
    before = place.run("nft", "list", "ruleset")
    with pytest.raises(AssertionError, match="No such file or directory"):
        place.run(PYTHON, "-IS", "-c", REFUSED)
    assert place.run("nft", "list", "ruleset") == before
