"""Several ways to cut a node off: where the first fails the next is tried, and all of a level must act."""

from __future__ import annotations

import pytest

from tests.lab.stage import Stage, cluster_file

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SERVERS = """
vs1:
  home: n3
  addresses: [192.0.2.11/24]
  filesystems: {root: {exports: [{nfs: {path: /srv, clients: {192.0.2.0/24: rw}}}]}}
"""


def test_the_second_level_fences_where_the_first_fails(bare: Stage) -> None:
    """What level 1 is told to cut off does not exist; level 2 is two devices, as of a node with two power supplies."""
    lab = bare.lab
    document = cluster_file(lab, SERVERS)
    broken = {"agent": "fence_lab", "options": {"plug": "nobody"}}
    document["fencing"]["n3"] = [broken, [document["fencing"]["n3"]] * 2]
    bare.clear()
    bare.apply(document)
    assert bare.node_of("vs1") == "n3"
    before = lab.journal("off", "n3")
    lab.kill("n3")
    lab.wait(lambda: bare.serving("vs1", "n2") or bare.serving("vs1", "n1"), "vs1 serves elsewhere", 90)
    acted = [each.why.split()[0] for each in lab.journal("off", "n3")[len(before) + 1 :]]
    assert acted[:2] == ["off", "off"], "both devices of the level acted"
    lab.wait_for_nodes()
    bare.settle()
    bare.clear()
