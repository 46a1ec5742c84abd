"""The CIB: valid, stable, and careful with what is others'."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from lxml import etree

from tests.stories import cast
from tests.stories.scheduler import bare
from vsctl.cib_templates import stored
from vsctl.cib_templates.merge import Merged, merge
from vsctl.cib_templates.render import render
from vsctl.cib_templates.stored import Stored
from vsctl.cib_templates.timings import declared
from vsctl.cib_templates.windows import spans, within
from vsctl.policy import naming
from vsctl.policy.hand import NO_HAND, Hand
from vsctl.policy.model import Cluster
from vsctl.policy.resources import Window
from vsctl.policy.rules import configuration

SCHEMA = etree.RelaxNG(etree.parse("/usr/share/pacemaker/pacemaker-3.9.rng"))
LINES = [
    "nodes: n1 n2 n3",
    "policy: failback=22:30-05:15",
    "vs1: priority=100 home=n1 filesystems=root,data storage=san1,san2 smb=root,data subnets=lan-a,lan-b",
    "vs2: priority=50 apart=vs1 on_storage_loss=stop on_subnet_loss=move",
    "vs3: priority=-10 pinned home=n1",
    "vs4: priority=50 nodes=n1,n3",
]
HAND = Hand().move("vs2", "n3").move("vs3", "n2").drain("n1")


def made(cluster: Cluster, hand: Hand = NO_HAND, existing: etree._Element | None = None) -> Merged:
    ours = render(configuration(cluster, hand), Stored('{"name": "nas1 & <co>"}', (("vs1", "{}"),), hand))
    return merge(ours, bare(()) if existing is None else existing, frozenset(naming.of_cluster(cluster)))


def verified(cib: etree._Element, path: Path) -> str:
    """What crm_verify has to say against a CIB, its complaints about nodes that are not there left out."""
    path.write_bytes(etree.tostring(cib))
    run = subprocess.run(
        ["crm_verify", "-V", "--xml-file", path], capture_output=True, check=False, text=True
    )
    return run.stderr


@pytest.mark.parametrize("lines", [LINES, LINES[:1], ["nodes: n1 n2", "vs1: ", "fencing: none"]])
def test_it_is_valid_for_the_installed_pacemaker(lines: list[str], tmp_path: Path) -> None:
    cib = made(cast.cluster(lines), HAND).cib
    assert SCHEMA.validate(cib), SCHEMA.error_log
    assert verified(cib, tmp_path / "cib.xml") == ""


def test_rendering_twice_gives_the_same_bytes() -> None:
    first, second = (etree.tostring(made(cast.cluster(LINES), HAND).cib) for _ in range(2))
    assert first == second


def test_merging_twice_changes_nothing() -> None:
    once = made(cast.cluster(LINES), HAND).cib
    assert etree.tostring(made(cast.cluster(LINES), HAND, existing=once).cib) == etree.tostring(once)


def test_every_object_has_a_reason() -> None:
    cib = made(cast.cluster(LINES), HAND).cib
    reasons = stored.reasons(cib)
    said = cib.xpath("//constraints/* | //fencing-level | //resources//primitive | //resources/group")
    assert {each.get("id") for each in said} - reasons.keys() == set()
    assert all(reasons.values())


def test_ids_tell_whose_they_are() -> None:
    cluster = cast.cluster(LINES)
    ours = {*naming.of_cluster(cluster), "vsctl", "cib-bootstrap-options"}
    for each in made(cluster, HAND).cib.xpath("//*[@id][not(self::obj_ref or self::resource_ref)]"):
        assert each.get("id") in ours or each.get("id").startswith("vsctl-"), each.get("id")


def test_the_resources_are_those_of_the_contract() -> None:
    cluster = cast.cluster(LINES)
    found = made(cluster).cib.xpath(
        "//resources//primitive/@id | //resources/group/@id | //resources/clone/@id"
    )
    assert set(found) == set(naming.of_cluster(cluster))


def test_nothing_waits_for_the_node_daemon_and_it_costs_no_fencing() -> None:
    cib = made(cast.cluster(LINES)).cib
    assert cib.xpath("//clone[@id='vsctl-daemon-clone']/primitive/operations/op[@name='stop']/@on-fail") == [
        "block"
    ]
    assert set(cib.xpath("//op[@on-fail]/@name")) == {"stop"}
    assert not cib.xpath("//constraints//@*[contains(., 'vsctl-daemon')]")


def test_a_stop_that_storage_may_hold_up_costs_no_fencing() -> None:
    cib = made(cast.cluster(LINES)).cib
    blocked = cib.xpath("//primitive[operations/op[@name='stop' and @on-fail='block']]/@type")
    assert set(blocked) == {"fs", "nfs", "smb", "exports", "shares", "repair", "daemon"}


def test_what_the_cib_remembers_is_read_back() -> None:
    cib = made(cast.cluster(LINES), HAND).cib
    assert stored.read(cib) == Stored('{"name": "nas1 & <co>"}', (("vs1", "{}"),), HAND)
    assert stored.read(bare(())) is None
    assert stored.placed(cib)["vs1"] == "n1"


FOREIGN = """
<cib validate-with="pacemaker-3.9" epoch="4" num_updates="0" admin_epoch="0"><configuration>
<crm_config><cluster_property_set id="cib-bootstrap-options">
  <nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="false"/>
  <nvpair id="cib-bootstrap-options-cluster-name" name="cluster-name" value="nas"/>
</cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/></nodes>
<resources>
  <primitive id="dummy" class="ocf" provider="pacemaker" type="Dummy"/>
  <clone id="drbd-clone">
    <meta_attributes id="drbd-m"><nvpair id="drbd-p" name="promotable" value="true"/></meta_attributes>
    <primitive id="drbd" class="ocf" provider="pacemaker" type="Stateful"/>
  </clone>
</resources>
<constraints><rsc_location id="mine" rsc="dummy" node="n1" score="5"/></constraints>
<rsc_defaults><meta_attributes id="d"/></rsc_defaults>
<tags><tag id="theirs"><obj_ref id="dummy"/></tag></tags>
</configuration><status/></cib>
"""


def test_what_is_others_stays_and_is_named() -> None:
    merged = made(cast.cluster(LINES), existing=etree.fromstring(FOREIGN))
    assert SCHEMA.validate(merged.cib), SCHEMA.error_log
    assert merged.foreign == ("dummy", "drbd-clone", "mine", "theirs")
    assert merged.overruled == ("stonith-enabled=false",)
    for path in (
        "//primitive[@id='dummy']",
        "//rsc_location[@id='mine']",
        "//nvpair[@value='nas']",
        "//rsc_defaults",
    ):
        assert merged.cib.xpath(path)


def test_what_the_file_no_longer_has_goes() -> None:
    before = cast.cluster(LINES)
    cib = made(before, existing=etree.fromstring(FOREIGN)).cib
    none = cast.cluster(LINES[:1])
    ours = render(configuration(none), Stored("{}", ()))
    after = merge(ours, cib, frozenset(naming.of_cluster(before))).cib
    kept = ["dummy", "drbd-clone", "fence-n1", "fence-n2", "fence-n3", "vsctl-daemon-clone"]
    assert after.xpath("//resources/*/@id") == kept
    assert not after.xpath("//*[contains(@id, 'vs1')]")


def test_a_filesystem_on_drbd_goes_where_it_is_promoted() -> None:
    cluster = cast.cluster(["nodes: n1 n2", "vs1: filesystems=root,data after=drbd-clone"])
    existing = etree.fromstring(FOREIGN)
    found = stored.promotable(existing)
    ours = render(configuration(cluster, promotable=found), Stored("{}", ()))
    cib = merge(ours, existing, frozenset()).cib
    assert SCHEMA.validate(cib), SCHEMA.error_log
    for part in ("vs1-fs-root", "vs1-repair-root"):
        (order,) = cib.xpath("//rsc_order[@first='drbd-clone'][@then=$part]", part=part)
        assert dict(order.attrib) == {
            "id": f"vsctl-after-{part}.drbd-clone",
            "first": "drbd-clone",
            "then": part,
            "kind": "Mandatory",
            "first-action": "promote",
            "then-action": "start",
        }
    server, repair = cib.xpath("//rsc_colocation[@with-rsc='drbd-clone']")
    assert [each.get("with-rsc-role") for each in (server, repair)] == ["Promoted"] * 2
    assert (server.get("rsc"), server.get("influence")) == ("vs1", None)
    assert (repair.get("rsc"), repair.get("influence")) == ("vs1-repair-root", "false")


def test_one_server_s_parameters_are_as_the_contract_says() -> None:
    cib = made(cast.cluster(LINES)).cib

    def parameters(resource: str) -> dict[str, str]:
        pairs = cib.iterfind(f".//primitive[@id='{resource}']/instance_attributes/nvpair")
        return {each.get("name", ""): each.get("value", "") for each in pairs}

    assert parameters("vs1-net") == {
        "server": "vs1",
        "addresses": "192.0.2.11/24 198.51.100.11/24",
        "detours": "lan-a 192.0.2.11/24 n1=e1a n2=e1a n3=e1a;"
        "lan-b 198.51.100.11/24 n1=e0a,e0b n2=e0a,e0b n3=e0a,e0b",
    }
    assert parameters("vs1-vip-lan-b") == {
        "server": "vs1",
        "subnet": "lan-b",
        "addresses": "198.51.100.11/24",
        "ports": "n1=e1a n2=e1a n3=e1a",
        "gateways": "198.51.100.1",
        "detours": "n1=e0a,e0b n2=e0a,e0b n3=e0a,e0b",
    }
    assert parameters("vs1-exp-root") == {
        "server": "vs1",
        "filesystem": "root",
        "exports": "/srv /root/srv id=1104 squash=root 192.0.2.0/24=rw",
    }
    assert parameters("vs1-shr-data") == {
        "server": "vs1",
        "filesystem": "data",
        "shares": "data /srv access=rw users=alice,@staff",
    }
    assert parameters("vs1-gate") == {"server": "vs1"}


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window(22 * 60, 5 * 60), (("22-23", "0-59"), ("0-4", "0-59"))),
        (Window(60, 60 + 30), (("1", "0-29"),)),
        (Window(9 * 60 + 50, 11 * 60 + 5), (("9", "50-59"), ("10-10", "0-59"), ("11", "0-4"))),
    ],
)
def test_windows(window: Window, expected: tuple[tuple[str, str], ...]) -> None:
    assert spans(window) == expected


@pytest.mark.parametrize("start", [0, 59, 60, 600, 1350])
@pytest.mark.parametrize("end", [0, 1, 315, 600, 1439])
def test_a_window_holds_its_minutes_and_no_other(start: int, end: int) -> None:
    def inside(minute: int) -> bool:
        return any(within(*span, minute // 60, minute % 60) for span in spans(window))

    window = Window(start, end)
    length = (end - start) % 1440 or 1440
    assert {each for each in range(1440) if inside(each)} == {(start + each) % 1440 for each in range(length)}


@pytest.mark.slow
def test_the_work_grows_no_faster_than_the_servers() -> None:
    """Twice the servers, twice the calls: squared it would be four times. Counted, not timed: a clock lies."""
    nodes = " ".join(f"n{number}" for number in range(1, 17))
    words = "filesystems=root,data nfs=root,data smb=root subnets=lan-a,lan-b"

    def calls(servers: int) -> int:
        cluster = cast.cluster([f"nodes: {nodes}", *(f"vs{at}: {words}" for at in range(servers))])
        counted: Counter[str] = Counter()
        before = sys.getprofile()
        sys.setprofile(lambda _frame, event, _what: counted.update((event,)))
        try:
            made(cluster)
        finally:
            sys.setprofile(before)
        return counted["call"] + counted["c_call"]

    calls(1)
    assert calls(32) < 2.2 * calls(16)


def test_agents_get_what_they_declare_and_nothing_else() -> None:
    cib = made(cast.cluster([*LINES, "routers: lan-b"])).cib
    for each in cib.iterfind(".//primitive[@provider='vsctl']"):
        known = {param.name: param for param in declared(each.get("type", "")).params()}
        given = {
            pair.get("name", ""): pair.get("value", "")
            for pair in each.iterfind("instance_attributes/nvpair")
        }
        assert given.keys() <= known.keys(), each.get("id")
        assert {name for name, param in known.items() if param.default is None} <= given.keys(), each.get(
            "id"
        )
        for name, value in given.items():
            known[name].parse(value)
