"""The virtual servers of the tests, as an operator writes them down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.lab.stage import Stage, cluster_file

TWO_ON_ONE_NODE = """
vs1:
  priority: 100
  home: n1
  addresses: [192.0.2.11/24, 198.51.100.11/24, "2001:db8:a::11/64"]
  filesystems:
    root:
    data:
      exports:
        - nfs: {path: /projects, clients: {192.0.2.0/24: rw, 198.51.100.0/24: rw, "2001:db8:a::/64": rw}}
        - smb: {share: projects, path: /projects, users: [alice]}
        - smb: {share: look, path: /projects, users: [alice], access: ro}
vs2:
  home: n1
  addresses: [192.0.2.12/24, "2001:db8:a::12/64"]
  filesystems:
    root:
      exports:
        - nfs: {path: /home, clients: {192.0.2.0/24: rw, "2001:db8:a::/64": rw}}
        - smb: {share: home, path: /home, users: [bob]}
"""
"""Two virtual servers that share n1: c1 may use both, c2 is on no list of vs2."""

SIX = """
vs1:
  priority: 100
  home: n1
  addresses: [192.0.2.11/24, 198.51.100.11/24]
  filesystems:
    root:
    data:
      exports: [{nfs: {path: /projects, clients: {192.0.2.0/24: rw, 198.51.100.0/24: rw}}}]
vs2:
  priority: 80
  home: n1
  addresses: [192.0.2.12/24]
  filesystems:
    root: {exports: [{smb: {share: home, path: /home, users: [bob]}}]}
vs3:
  priority: 90
  migrate: false
  home: n1
  addresses: [192.0.2.13/24]
  filesystems:
    root: {exports: [{nfs: {path: /scratch, clients: {192.0.2.0/24: rw}}}]}
vs4:
  priority: 60
  home: n2
  addresses: [192.0.2.14/24]
  filesystems:
    root: {exports: [{nfs: {path: /office, clients: {192.0.2.0/24: rw}}}]}
vs5:
  priority: 40
  home: n1
  addresses: [192.0.2.15/24]
  filesystems:
    root: {exports: [{nfs: {path: /media, clients: {192.0.2.0/24: rw}}}]}
vs6:
  home: n1
  addresses: [192.0.2.16/24]
  filesystems:
    root: {exports: [{nfs: {path: /archive, clients: {192.0.2.0/24: rw}}}]}
"""
"""Six in six priorities, five of them on n1, one of these pinned to it; vs4 is elsewhere."""

USERS = {"vs1": ("alice", "wonderland"), "vs2": ("bob", "builder")}


MERCILESS = ("vs1-root", "vs1-data", "vs2-root")
"""Disks that nothing reaches any more when their node loses its power: a kernel here would still write its cache."""


def with_users(stage: Stage, servers: str) -> Stage:
    """Put virtual servers on a stage, all at home, with their users."""
    there = {each.name for each in stage.lab.disks.all()}
    for each in MERCILESS:
        if each not in there:
            stage.lab.disk(each, failing=True)
    document = cluster_file(stage.lab, servers)
    fresh = stage.document != document
    stage.become(document)
    if fresh:
        for server, (name, password) in USERS.items():
            if any("smb" in each for each in _exports(document, server)):
                stage.add_user(server, name, password)
    return stage


def _exports(document: dict[str, Any], server: str) -> Iterator[dict[str, Any]]:
    for filesystem in document["virtual_servers"][server]["filesystems"].values():
        yield from filesystem.get("exports", [])
