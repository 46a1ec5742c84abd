"""Few nodes are in view for each server, and always those that it may need next."""

from __future__ import annotations

import pytest
from lxml import etree

from tests.stories import cast
from vsctl.cib_templates import stored
from vsctl.cib_templates.render import render
from vsctl.cib_templates.stored import Stored
from vsctl.policy import candidates
from vsctl.policy.balanced import Balanced
from vsctl.policy.candidates import Running
from vsctl.policy.constraints import Location, Preference
from vsctl.policy.hand import NO_HAND, Hand
from vsctl.policy.rules import Configuration, configuration

NODES = ("n1", "n2", "n3", "n4", "n5", "n6")
LINES = [f"nodes: {' '.join(NODES)}", "policy: candidates=3", "vs1: home=n1 filesystems=root,data", "vs2: "]
CLUSTER = cast.cluster(LINES)


def kept(found: Configuration, part: str) -> list[str | None]:
    return [
        condition.value
        for each in found.constraints
        if isinstance(each, Location) and each.only and each.resource == part
        for condition in each.when
    ]


def liked(found: Configuration, server: str) -> list[str]:
    return [
        each.node for each in found.constraints if isinstance(each, Preference) and each.resource == server
    ]


def test_nobody_is_kept_anywhere_unless_the_file_says_so() -> None:
    found = configuration(cast.cluster([LINES[0], *LINES[2:]]))
    assert not [each for each in found.constraints if isinstance(each, Location) and each.only]
    assert len(liked(found, "vs1")) == len(NODES)


def test_everything_of_a_server_is_kept_to_its_best_nodes() -> None:
    found = configuration(CLUSTER)
    assert liked(found, "vs1") == kept(found, "vs1")
    assert len(kept(found, "vs1")) == candidates.LEAST and kept(found, "vs1")[0] == "n1"
    parts = [each.id for each in found.resources if each.id.startswith("vs1")]
    assert len(parts) > 6 and all(kept(found, each) == kept(found, "vs1") for each in parts)


ORDER = liked(configuration(cast.cluster([LINES[0], *LINES[2:]])), "vs1")
"""All nodes as vs1 likes them."""


@pytest.mark.parametrize(
    ("hand", "running", "more"),
    [
        (Hand().move("vs1", ORDER[5]), {}, ORDER[5:]),
        (Hand().drain(ORDER[0]), {}, ORDER[3:4]),
        (Hand().drain(ORDER[0]).drain(ORDER[1]).drain(ORDER[2]), {}, ORDER[3:]),
        (Hand().drain(ORDER[5]), {}, []),
        (NO_HAND, {"vs1": (ORDER[4],)}, ORDER[4:5]),
        (Hand().drain(ORDER[4]), {"vs1": (ORDER[4],)}, ORDER[4:5]),
    ],
    ids=["moved", "drained", "all drained", "another drained", "runs elsewhere", "runs on a drained one"],
)
def test_nodes_are_added_before_they_are_needed(hand: Hand, running: Running, more: list[str]) -> None:
    assert kept(configuration(CLUSTER, hand, running=running), "vs1") == [*ORDER[:3], *more]


def test_a_last_resort_that_the_operator_has_listed_stays_one() -> None:
    lines = [*LINES[:2], "without: n6/lan-b", f"vs1: subnets=lan-a,lan-b nodes={','.join(NODES)}"]
    found = configuration(cast.cluster(lines))
    assert kept(found, "vs1") == [*liked(found, "vs1"), "n6"]
    assert len(liked(found, "vs1")) == candidates.LEAST


@pytest.mark.parametrize("reach", ["n1", "n1,n2"])
def test_whoever_has_too_few_nodes_is_announced_wherever_there_is_a_port(reach: str) -> None:
    """Or nobody would be left to route to it."""
    found = configuration(cast.cluster([*LINES[:2], f"san1: nodes={reach}", "vs1: subnets=lan-a,lan-b"]))
    assert kept(found, "vs1") and set(kept(found, "vs1")) == set(reach.split(","))
    assert not kept(found, "vs1-vip-lan-a") and not kept(found, "vs1-vip-lan-b")


@pytest.mark.parametrize("hand", [NO_HAND, Hand().move("vs1", "n6"), Hand().drain("n1").move("vs2", "n5")])
@pytest.mark.parametrize("by_load", [False, True])
def test_twice_is_once(hand: Hand, by_load: bool) -> None:
    """What is kept in the CIB, a few nodes of each order, leads to the same again."""
    ranked = (("vs1", ("n1", "n4", "n2", "n3", "n5", "n6")), ("vs2", ("n6", "n2", "n4"))) if by_load else ()
    load = Balanced(ranked)
    first = configuration(CLUSTER, hand, load=load)
    cib = render(first, Stored("{}", (), hand, (), load))
    again = configuration(CLUSTER, hand, placed=stored.placed(cib), load=stored.load(cib))
    assert again == first


def test_what_is_kept_is_read_back() -> None:
    cib = render(configuration(CLUSTER), Stored("{}", ()))
    lists = stored.candidates(cib)
    assert lists["vs1"] == tuple(ORDER[:3])
    seen = candidates.narrowed(CLUSTER, lists)
    assert sorted(seen.candidates(seen.server("vs1"))) == sorted(ORDER[:3])


def test_the_daemons_hear_of_no_other_nodes() -> None:
    cib = render(configuration(CLUSTER), Stored("{}", ()))
    (told,) = cib.xpath("//primitive[@id='vsctl-daemon']//nvpair[@name='servers']/@value")
    assert f"nodes={','.join(sorted(ORDER[:3]))} " in told and ORDER[5] not in told.partition(";")[0]


def test_where_a_server_runs_is_read_from_its_history() -> None:
    """Also on a node that is away: where Pacemaker was stopped in maintenance mode its servers run on."""
    status = """<cib><status>
    <node_state uname="n1" crmd="online"><lrm><lrm_resources>
      <lrm_resource id="vs1-net" provider="vsctl" type="net">
        <lrm_rsc_op id="vs1-net_last_0" operation="start" rc-code="0"/></lrm_resource>
      <lrm_resource id="vs2-net" provider="vsctl" type="net">
        <lrm_rsc_op id="vs2-net_last_0" operation="stop" rc-code="0"/></lrm_resource></lrm_resources></lrm></node_state>
    <node_state uname="n2" crmd="online"><lrm><lrm_resources>
      <lrm_resource id="vs1-net" provider="vsctl" type="net">
        <lrm_rsc_op id="vs1-net_last_0" operation="monitor" rc-code="7"/></lrm_resource></lrm_resources></lrm></node_state>
    <node_state uname="n3" crmd="offline"><lrm><lrm_resources>
      <lrm_resource id="vs2-net" provider="vsctl" type="net">
        <lrm_rsc_op id="vs2-net_last_0" operation="start" rc-code="0"/></lrm_resource></lrm_resources></lrm></node_state>
    <node_state uname="n4" crmd="offline"><lrm><lrm_resources>
      <lrm_resource id="vs1-net" provider="vsctl" type="net">
        <lrm_rsc_op id="vs1-net_last_0" operation="stop" rc-code="1"/></lrm_resource>
      <lrm_resource id="vs2-net" provider="vsctl" type="net">
        <lrm_rsc_op id="vs2-net_last_0" operation="stop" rc-code="0"/></lrm_resource></lrm_resources></lrm></node_state>
    <node_state uname="n5" crmd="offline"/>
    </status></cib>"""
    assert stored.running(etree.fromstring(status)) == {"vs1": ("n1", "n4"), "vs2": ("n3",)}
