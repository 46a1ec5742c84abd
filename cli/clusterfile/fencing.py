"""Does every fencing device cut off the node that it is declared for, and no other?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vsctl.cli.clusterfile.draft import Draft
from vsctl.cli.clusterfile.names import levels_of
from vsctl.cli.clusterfile.shapes import Entry
from vsctl.cli.problems import Problem
from vsctl.policy.fencing import HOST_LIST, HOST_MAP

HOST_CHECK = "pcmk_host_check"
ADDRESSES = ("ip", "ipaddr")


def devices_know_their_node(draft: Draft) -> Iterator[Problem]:
    """Find devices that are told of other nodes only: Pacemaker would never ask them for this one."""
    for node, device in _devices(draft):
        options = dict(device.each("options"))
        told = [options[each] for each in (HOST_LIST, HOST_MAP) if each in options]
        asked = HOST_CHECK in options and options[HOST_CHECK].value != "static-list"
        if told and not asked and node.lower() not in _nodes_of(options):
            yield told[0].problem(
                f"the fencing of {node} has {_named(options)}, in which {node} is not: name it there, or leave that out"
            )


def devices_differ(draft: Draft) -> Iterator[Problem]:
    """Note nodes that are cut off through one address, where nothing tells it which of them."""
    first: dict[tuple[object, ...], str] = {}
    for node, device in _devices(draft):
        options = {name: option.value for name, option in device.each("options")}
        address = next((options[each] for each in ADDRESSES if each in options), None)
        if address is None or HOST_MAP in options:
            continue
        options.pop(HOST_LIST, None)  # it says whom Pacemaker cuts off by it, to Pacemaker alone
        other = first.setdefault((device.plain("agent"), *sorted(options.items())), node)
        if other != node:
            yield device.note(
                f"{node} is fenced like {other}, through {address} and with the same options: right only if "
                f"{address} knows each by its node's name"
            )


def _devices(draft: Draft) -> Iterator[tuple[str, Entry]]:
    """Yield every device that was understood, with its node."""
    for node, fencing in draft.fencing.items():
        for level in levels_of(fencing):
            for device in level.value if isinstance(level.value, tuple) else (level,):
                if not device.doubtful:
                    yield node, device


def _nodes_of(options: dict[str, Entry]) -> set[str]:
    """Return the nodes that Pacemaker finds in `n1,n2` and in `n1:1;n2:2,3`, in small letters."""
    listed = re.split(r"[,;\s]+", str(options[HOST_LIST].value)) if HOST_LIST in options else []
    mapped = re.split(r"[;\s]+", str(options[HOST_MAP].value)) if HOST_MAP in options else []
    return {each.lower() for each in (*listed, *(re.split("[:=]", each)[0] for each in mapped))}


def _named(options: dict[str, Entry]) -> str:
    return " and ".join(f"{each}: {options[each].value}" for each in (HOST_LIST, HOST_MAP) if each in options)


RULES = (devices_know_their_node, devices_differ)
