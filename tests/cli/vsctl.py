"""The command line, run in this process, and CIBs to run it on: no cluster, no root."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from lxml import etree

from vsctl.cli import clusterfile, scheduler
from vsctl.cli.commands import simulate
from vsctl.cli.main import main

CLUSTER_FILE = """name: nas1
subnets:
  lan-a: {networks: [192.0.2.0/24, "2001:db8:a::/64"], gateways: [192.0.2.1]}
  lan-b: {networks: [198.51.100.0/24]}
storage:
  san1: {}
  san2: {nodes: [n1, n2, n3]}
nodes:
  n1: {ports: {e0a: lan-a, e0b: lan-a, e1a: lan-b}}
  n2: {ports: {e0a: lan-a, e0b: lan-a, e1a: lan-b}}
  n3: {ports: {e0a: lan-a, e0b: lan-a, e1a: lan-b}}
fencing:
  n1: {agent: fence_ipmilan, options: {ip: 203.0.113.11}}
  n2: {agent: fence_ipmilan, options: {ip: 203.0.113.12}}
  n3: {agent: fence_ipmilan, options: {ip: 203.0.113.13}}
virtual_servers:
  vs1:
    priority: 100
    home: n1
    addresses: [192.0.2.11/24, 198.51.100.11/24]
    filesystems:
      root: {device: /dev/disk1, type: ext4, storage: san1, options: [noatime]}
      data:
        device: /dev/disk2
        type: xfs
        storage: san1
        exports:
          - nfs: {path: /projects, clients: {192.0.2.0/24: rw}}
          - smb: {share: projects, path: /projects, users: [alice]}
  vs2:
    migrate: false
    home: n2
    addresses: [192.0.2.12/24]
    filesystems:
      root: {device: /dev/disk3, type: ext4, storage: san2, exports: [{nfs: {path: /srv, clients: {192.0.2.0/24: rw}}}]}
  vs3:
    home: n3
    nodes: [n1, n3]
    addresses: [192.0.2.13/24]
    filesystems:
      root: {device: /dev/disk4, type: ext4, storage: san2, exports: [{smb: {share: s, path: /s, users: [bob]}}]}
"""
AGE = 3 * 86400
"""So long ago, in seconds, everything started: `status` rounds it to days."""


@dataclass(frozen=True)
class Said:
    """What a run of vsctl came to."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def vsctl(*argv: str | Path, input: str | None = None, env: dict[str, str] | None = None) -> Said:
    """Run a command; whatever a user can do wrong, no bug may escape."""
    done = CliRunner(env=env).invoke(main, [str(each) for each in argv], input=input)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


def settled(text: str) -> bytes:
    """Return the CIB of a cluster in which everything of a cluster file has started."""
    cluster, problems = clusterfile.read(text, "nas.yaml")
    assert cluster is not None, problems
    return aged(simulate._fresh(cluster)[1].cib)


def after(cib: bytes, *events: str) -> bytes:
    """Return the CIB when the scheduler has answered events, options of crm_simulate."""
    return aged(scheduler.settle(cib, events=events).cib)


def aged(cib: bytes, edit: Callable[[etree._Element], None] | None = None) -> bytes:
    tree = etree.fromstring(cib)
    for op in tree.iter("lrm_rsc_op"):
        op.set("last-rc-change", str(int(time.time()) - AGE - 60))
    if edit is not None:
        edit(tree)
    return etree.tostring(tree)


def program(directory: Path, name: str, script: str) -> Path:
    """Put a program in the place of one of Pacemaker's."""
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file
