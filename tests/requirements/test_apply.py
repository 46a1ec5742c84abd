"""What an operator may rely on when applying a cluster file: once is enough, and nothing is done unasked."""

from __future__ import annotations

import random
import subprocess
from typing import Any

import pytest
import yaml
from lxml import etree

from tests.lab import stage
from tests.lab.stage import FILE, Stage, cluster_file
from tests.requirements.cast import TWO_ON_ONE_NODE

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

KILLS = 6
NOTHING = "nothing to do: the cluster is what the file says\n"
FOREIGN = "primitive backup-job ocf:pacemaker:Dummy op monitor interval=60 timeout=20"


@pytest.fixture
def document(two: Stage) -> dict[str, Any]:
    """A copy of the applied cluster file, to be changed."""
    return yaml.safe_load(yaml.safe_dump(cluster_file(two.lab, TWO_ON_ONE_NODE)))  # type: ignore[no-any-return]


def configuration(on: Stage) -> bytes:
    found = on.lab.cib().find("configuration")
    assert found is not None
    return etree.tostring(found, method="c14n")


def test_a_second_apply_has_nothing_to_do(two: Stage) -> None:
    begin, before = stage.now(), configuration(two)
    for node in ("n1", "n3"):
        assert two.vsctl("apply", FILE, node=node).stdout == NOTHING
    two.settle()
    assert configuration(two) == before
    assert two.touched_since(begin) == {}


def test_an_apply_that_was_killed_is_finished_by_the_next(two: Stage, document: dict[str, Any]) -> None:
    """Killed at random moments, with a server to add or remove, in turn."""
    chance = random.Random(2)
    more = {**document, "virtual_servers": {**document["virtual_servers"], "vs3": third()}}
    two.make_disks(more)
    node = two.lab.node("n1")
    began = stage.now()
    for n in range(KILLS):
        two.write(document if n % 2 else more)
        begun = node.popen(["vsctl", "apply", "--yes", FILE])
        try:
            begun.wait(timeout=chance.uniform(0.2, 3.0))
        except subprocess.TimeoutExpired:
            node.run(["pkill", "-KILL", "-f", f"vsctl apply --yes {FILE}"], check=False)
            begun.wait()
    two.write(more)
    two.vsctl("apply", "--yes", "--wait", FILE)
    assert two.vsctl("apply", FILE).stdout == NOTHING
    two.write(document)
    two.vsctl("apply", "--yes", "--wait", FILE)
    assert two.vsctl("apply", FILE).stdout == NOTHING
    two.settle()
    assert not any(each.startswith(("vs1", "vs2")) for each in two.touched_since(began)), (
        "the others never noticed"
    )


def test_without_fencing_it_refuses(two: Stage, document: dict[str, Any]) -> None:
    before = configuration(two)
    del document["fencing"]
    two.write(document)
    refused = two.vsctl("apply", "--yes", FILE, check=False)
    assert refused.returncode == 1 and "fencing" in refused.stderr and "--without-fencing" in refused.stderr
    assert configuration(two) == before
    two.write(two.document or {})


def test_moves_that_the_change_does_not_explain_are_refused(two: Stage, document: dict[str, Any]) -> None:
    """vs2 is to keep apart from vs1 by another's line: vs1's change, vs2's move."""
    document["virtual_servers"]["vs1"]["apart_from"] = ["vs2"]
    document["virtual_servers"]["vs1"]["nodes"] = ["n1"]
    two.write(document)
    before = configuration(two)
    refused = two.vsctl("apply", FILE, check=False)
    if refused.returncode == 0:
        pytest.fail(f"it was applied: {refused.stdout}")
    assert "vs2 moves n1 ->" in refused.stderr and "--yes" in refused.stderr
    assert configuration(two) == before
    two.write(two.document or {})


def test_what_is_not_ours_is_left_alone_and_named(two: Stage, document: dict[str, Any]) -> None:
    node = two.lab.node("n1")
    node.run(["crm", "configure", "load", "update", "-"], input=f"{FOREIGN}\n")
    two.lab.wait(lambda: two.lab.where("backup-job"), "the foreign resource runs")
    begin = stage.now()
    document["virtual_servers"]["vs2"]["filesystems"]["root"]["exports"][0]["nfs"]["clients"]["192.0.2.7"] = (
        "ro"
    )
    two.write(document)
    said = two.vsctl("apply", FILE).stdout
    assert "backup-job" in said
    two.settle()
    assert "backup-job" not in two.touched_since(begin)
    assert two.lab.where("backup-job")
    two.write({**document, "virtual_servers": {}})
    assert "backup-job" in two.vsctl("plan", FILE).stdout
    node.run(["crm", "--force", "resource", "stop", "backup-job"])
    two.lab.wait(lambda: two.lab.where("backup-job") is None, "the foreign resource has stopped")
    node.run(["crm", "--force", "configure", "delete", "backup-job"])
    two.apply(cluster_file(two.lab, TWO_ON_ONE_NODE), "--yes")


def test_a_filesystem_after_an_existing_resource_goes_where_that_is(
    two: Stage, document: dict[str, Any]
) -> None:
    """As with DRBD: where it is promoted, after that, and elsewhere when the promoted one goes elsewhere."""
    node = two.lab.node("n1")
    node.run(["crm", "configure", "load", "update", "-"], input=PROMOTABLE)
    two.lab.wait(lambda: _promoted(two), "the resource below is promoted somewhere", 60)
    begin, vs3 = stage.now(), third()
    del vs3["home"]
    vs3["filesystems"]["root"]["after"] = "below-clone"
    document["virtual_servers"]["vs3"] = vs3
    two.apply(document)
    where = _promoted(two)
    assert two.node_of("vs3") == where
    begun = [(each.resource, each.operation) for each in two.acts_since(begin) if each.result is None]
    assert ("vs3-fs-root", "start") in begun
    node.run(["crm", "--force", "resource", "ban", "below-clone", where, "role=Master"])
    two.lab.wait(lambda: _promoted(two) not in (None, where), "it is promoted elsewhere", 60)
    two.lab.wait(lambda: two.serving("vs3", _promoted(two)), "vs3 serves where it is promoted", 60)
    two.apply(cluster_file(two.lab, TWO_ON_ONE_NODE))
    node.run(["crm", "--force", "resource", "clear", "below-clone"])
    node.run(["crm", "--force", "resource", "stop", "below-clone"])
    two.lab.wait(lambda: two.lab.where("below") is None, "the resource below has stopped")
    node.run(["crm", "--force", "configure", "delete", "below-clone", "below"])
    assert not any(each.startswith(("vs1", "vs2")) for each in two.touched_since(begin))


PROMOTABLE = """
primitive below ocf:pacemaker:Stateful op monitor role=Master interval=10 op monitor role=Slave interval=11
clone below-clone below meta promotable=true
"""


def _promoted(on: Stage) -> str | None:
    """Return where the resource below is promoted."""
    status = on.lab.status()
    found = (
        status.xpath("//resource[@id='below' and @role=$role]/node/@name", role="Promoted")
        if status is not None
        else []
    )
    return str(found[0]) if found else None


def third() -> dict[str, Any]:
    exports = [{"nfs": {"path": "/more", "clients": {"192.0.2.0/24": "rw"}}}]
    root = {"device": stage.device("vs3", "root"), "type": "ext4", "storage": "san1", "exports": exports}
    return {"addresses": ["192.0.2.13/24"], "home": "n2", "filesystems": {"root": root}}
