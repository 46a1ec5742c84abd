"""Whatever a cluster file may hold, the agents can read: a start must never fail for want of grammar."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from string import printable
from typing import Any

import pytest

from vsctl.agents import accounts
from vsctl.cib_templates.timings import declared
from vsctl.cli import clusterfile
from vsctl.cli.clusterfile import spelling
from vsctl.policy.hand import NO_HAND
from vsctl.policy.model import Cluster
from vsctl.policy.resources import PROVIDER, Clone, Group, Resource
from vsctl.policy.rules import configuration

File = dict[str, Any]
CHARACTERS = [*printable.strip(), " ", "ä", "\u00a0"]
TEXTS = [
    text
    for each in CHARACTERS
    for text in (f"a{each}b", *(() if each.isalnum() else (f"{each}a", f"a{each}", each)))
]


def cluster_file(**names: str) -> File:
    """Return a cluster file with other names for its node, server, filesystem, unit, subnet or port."""
    node, server, subnet = names.get("node", "n1"), names.get("server", "vs1"), names.get("subnet", "lan-a")
    unit, port = names.get("unit", "san1"), names.get("port", "e0a")
    nfs = {"path": "/a", "clients": {"192.0.2.0/24": "rw"}}
    smb = {"share": "s", "path": "/b", "users": ["alice"]}
    disk = {"type": "xfs", "storage": unit, "options": ["noatime"]}
    root = {"device": "/dev/d1", **disk, "exports": [{"nfs": nfs}, {"smb": smb}]}
    more = {"device": "/dev/d2", **disk, "exports": [{"nfs": dict(nfs)}, {"smb": {**smb, "share": "t"}}]}
    return {
        "name": "nas1",
        "subnets": {
            subnet: {
                "networks": ["192.0.2.0/24"],
                "gateways": ["192.0.2.1"],
                "routers": {"ospf": {"area": 0}},
            },
            "lan-b": {"networks": ["198.51.100.0/24"], "gateways": ["198.51.100.1"]},
        },
        "storage": {unit: {}},
        "nodes": {each: {"ports": {port: subnet, "e1b": "lan-b"}} for each in (node, "n2")},
        "virtual_servers": {
            server: {
                "addresses": ["192.0.2.11/24", "198.51.100.11/24"],
                "filesystems": {"root": root, names.get("filesystem", "data"): more},
            }
        },
    }


def named(what: str) -> Callable[[str], File]:
    return lambda text: cluster_file(**{what: text})


def exported(kind: int, key: str, value: Callable[[str], Any] = lambda text: text) -> Callable[[str], File]:
    """Return what writes a key of the root filesystem's export: the first is by NFS, the second by SMB."""

    def put(text: str) -> File:
        file = cluster_file()
        (export,) = file["virtual_servers"]["vs1"]["filesystems"]["root"]["exports"][kind].values()
        export[key] = value(text)
        return file

    return put


def mounted(key: str, value: Callable[[str], Any] = lambda text: text) -> Callable[[str], File]:
    def put(text: str) -> File:
        file = cluster_file()
        file["virtual_servers"]["vs1"]["filesystems"]["root"][key] = value(text)
        return file

    return put


PLACES = {
    "path by NFS": exported(0, "path", lambda text: f"/{text}"),
    "path by SMB": exported(1, "path", lambda text: f"/{text}"),
    "as": exported(0, "as", lambda text: f"/{text}"),
    "share": exported(1, "share"),
    "user": exported(1, "users", lambda text: [text]),
    "client": exported(0, "clients", lambda text: {text: "rw"}),
    "device": mounted("device", lambda text: f"/dev/{text}"),
    "option": mounted("options", lambda text: [text]),
    "port": named("port"),
    "node": named("node"),
    "server": named("server"),
    "filesystem": named("filesystem"),
    "unit": named("unit"),
    "subnet": named("subnet"),
}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_agents_read_whatever_check_accepts(place: str) -> None:
    accepted = 0
    for text in TEXTS:
        cluster, _ = clusterfile.read(json.dumps(PLACES[place](text)), "nas.json")
        if cluster is not None:
            accepted += 1
            assert list(refused(cluster)) == [], f"{place} {text}"
    assert accepted > 36, f"{place}: letters and digits at least should be accepted"


def test_smb_user_can_add_whom_check_accepts() -> None:
    """Users and groups, and the names that systems like to keep for themselves."""
    texts = [*TEXTS, "nobody", "nogroup", "root", "a" * 32, "a" * 33]
    for text in [*texts, *(f"@{each}" for each in texts)]:
        with suppress(ValueError):
            accounts.refuse_names(spelling.account(text).removeprefix("@"))


def refused(cluster: Cluster) -> Iterator[str]:
    """Yield what agents of ours cannot read of what they would be given."""
    for resource in configuration(cluster, NO_HAND).resources:
        for each in primitives(resource):
            if each.agent.startswith(f"{PROVIDER}:"):
                params = {param.name: param for param in declared(each.agent.rpartition(":")[2]).params()}
                for name, value in each.parameters:
                    try:
                        params[name].parse(value)
                    except ValueError as wrong:
                        yield f"{each.id} {name}={value}: {wrong}"


def primitives(resource: Resource | Group | Clone) -> tuple[Resource, ...]:
    match resource:
        case Group(members=members):
            return members
        case Clone(of=of):
            return (of,)
    return (resource,)
