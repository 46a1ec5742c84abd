"""A cluster in its own configuration and back."""

from __future__ import annotations

import json
from dataclasses import is_dataclass, replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.unit.cases import whole
from vsctl.cli import clusterfile
from vsctl.cli.serial import NotOurs, from_json, to_json
from vsctl.policy.model import Address, Cluster, Interface, Network

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "nas1.yaml"


def stored(cluster: Cluster) -> dict[str, object]:
    """Return what comes back out of a CIB, where each value is text."""
    return {name: json.loads(json.dumps(value)) for name, value in to_json(cluster).items()}


def example() -> Cluster:
    cluster, _ = clusterfile.load(str(EXAMPLE))
    assert cluster is not None
    return cluster


def test_the_example_comes_back_as_it_was() -> None:
    assert from_json(stored(example())) == example()
    assert list(to_json(example())) == [
        "vsctl-cluster",
        "vsctl-server-vs1",
        "vsctl-server-vs2",
        "vsctl-server-vs3",
    ]


def test_what_is_as_usual_is_left_out() -> None:
    cluster, _ = clusterfile.read(whole(""), "nas.yaml")
    assert cluster is not None
    assert to_json(cluster)["vsctl-server-vs1"] == {
        "name": "vs1",
        "addresses": ["192.0.2.11/24"],
        "filesystems": [
            {
                "name": "root",
                "device": "/dev/disk1",
                "type": "xfs",
                "storage": "san1",
                "exports": [
                    {
                        "path": "/srv",
                        "seen_as": "/root/srv",
                        "id": 59242,
                        "clients": [{"who": "192.0.2.0/24", "access": "rw"}],
                    }
                ],
            }
        ],
        "nodes": ["n1", "n2"],
    }


def test_a_changed_server_changes_one_property() -> None:
    before = example()
    after = replace(before, servers=(replace(before.servers[0], priority=7), *before.servers[1:]))
    assert [name for name, value in to_json(before).items() if to_json(after)[name] != value] == [
        "vsctl-server-vs1"
    ]


def test_the_order_of_the_servers_is_kept_whatever_the_order_of_the_properties() -> None:
    cluster = replace(example(), servers=example().servers[::-1])
    assert from_json(dict(sorted(stored(cluster).items()))) == cluster


def anything(kind: object) -> st.SearchStrategy[object]:
    """Return any value of a type of the model, every field filled."""
    if kind in (Address, Interface, Network):
        make = {Address: ip_address, Interface: ip_interface, Network: ip_network}[kind]
        return st.ip_addresses().map(lambda each: make(str(each)))
    if is_dataclass(kind):
        return st.builds(kind, **{name: anything(each) for name, each in get_type_hints(kind).items()})
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if inner[-1] is ...:
            return st.lists(anything(inner[0]), max_size=2).map(tuple)
        return st.tuples(*map(anything, inner))
    if isinstance(kind, UnionType):
        return st.none() | anything(get_args(kind)[0])
    if kind is float:
        return st.floats(allow_nan=False)
    return st.from_type(kind)


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(anything(Cluster))
def test_any_cluster_comes_back_as_it_was(cluster: Cluster) -> None:
    assume(len({each.name for each in cluster.servers}) == len(cluster.servers))
    assert from_json(stored(cluster)) == cluster


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ({"vsctl-cluster": None}, "the property vsctl-cluster does not list the virtual servers"),
        (
            {"vsctl-server-vs1": {"name": "vs1", "colour": 1}},
            "vsctl-server-vs1 has colour, which only a newer",
        ),
        ({"vsctl-server-vs1": {"name": "vs1"}}, "the property vsctl-server-vs1 is not what vsctl writes"),
        ({"vsctl-server-vs1": {"name": 1}}, "the property vsctl-server-vs1 is not what vsctl writes"),
        (
            {"vsctl-server-vs1": {"addresses": ["x"]}},
            "vsctl-server-vs1 holds a value that vsctl does not write",
        ),
        ({"vsctl-server-vs1": 7}, "the property vsctl-server-vs1 is not what vsctl writes"),
    ],
)
def test_what_vsctl_did_not_write_is_refused(damage: dict[str, object], sentence: str) -> None:
    with pytest.raises(NotOurs, match=sentence):
        from_json({**stored(example()), **damage})


def test_what_is_missing_is_named() -> None:
    whole_thing = stored(example())
    for name in ("vsctl-cluster", "vsctl-server-vs2"):
        with pytest.raises(NotOurs, match=f"the property {name} is missing"):
            from_json({key: value for key, value in whole_thing.items() if key != name})
