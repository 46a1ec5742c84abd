"""Do addresses outlive their ports? With the node daemon, and without it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.lab import echo, history, series
from tests.lab.announcers import addresses_in
from tests.lab.at_work import at_work, go_on
from tests.lab.clients import Client
from tests.lab.echo import Program
from tests.lab.lab import Lab
from tests.lab.machine import Machine
from vsctl.agents.vip import Vip

pytestmark = pytest.mark.lab

CLUSTER_FILE = Path(__file__).with_name("ports.yaml")
IPV4, IPV6, OF_VS2 = "192.0.2.11", "2001:db8:a::11", "192.0.2.12"
WHOLE = {
    "node-ok": "1",
    "storage-san1": "1",
    "ports-good": "3",
    "subnet-lan-a": "2",
    "subnet-lan-b": "2",
    "port-e0a": "1",
    "port-e0b": "1",
    "port-e1a": "1",
}
TRIALS = 20
(_MONITOR,) = (each for each in Vip.operations() if each.name == "monitor")
MONITORED = 2 * _MONITOR.timeout + (_MONITOR.interval or 0)
"""Seconds within which a monitor that Pacemaker does not kill has noticed what it does not see at once: the one that is
under way may just have looked past it, and the next comes an interval after its end."""
LIMITS = 60.0
"""Seconds; the time that Pacemaker gives a stop of the daemon and a start, and half as much."""
EVERY = 12
"""Seconds between two looks of a node that evens out its ports by itself."""
LAUNCHER, KEPT = "/usr/lib/ocf/resource.d/vsctl/daemon", "/usr/lib/vsctl/kept-launcher-of-daemon"
HANGING_STOP = f"""#!/bin/sh
while [ "$1" = stop ]; do sleep 0.1; done
exec {KEPT} "$@"
"""
ASK = """
import socket, sys
line = socket.socket(socket.AF_UNIX)
line.settimeout(5)
line.connect('/run/vsctl/_daemon/socket')
line.sendall(sys.argv[1].encode() + b'\\n')
while said := line.recv(4096):
    print(said.decode(), end='')
"""


@pytest.fixture(scope="module")
def applied(lab: Lab) -> Lab:
    for server in ("vs1", "vs2"):
        lab.disk(f"{server}-root")
    lab.node("n1").run(["vsctl", "apply", "--wait", str(CLUSTER_FILE)], timeout=180)
    lab.node("n1").run(["vsctl", "smb-user", "vs1", "add", "alice"], input="wonderland\n")
    lab.watch_announcers(addresses_in(CLUSTER_FILE))
    return lab


@pytest.fixture
def serving(applied: Lab) -> Lab:
    """A whole cluster: vs1 and vs2 on n1, announced on e0a, and every daemon has seen three good ports."""
    lab = applied
    lab.any_node().run(["vsctl", "failback"])
    for gate in ("vs1-gate", "vs2-gate"):
        lab.wait(lambda it=gate: lab.where(it) == "n1", f"{gate} is on n1", 60)
    for node in lab.nodes:
        for port in ("e0a", "e0b", "e1a"):
            lab.wait(
                lambda it=node.name: tell(lab, it, "ping") == "here", f"the daemon of {node.name} answers"
            )
            tell(lab, node.name, f"release {port}")
        lab.wait(lambda it=node.name: attributes(lab, it) == WHOLE, f"all ports of {node.name} are good")
    if both_announced(lab) != {"e0a"}:
        lab.cut("n1/e0b")
        lab.wait(lambda: both_announced(lab) == {"e0a"}, "both are announced on e0a")
        lab.wait(lambda: attributes(lab, "n1")["port-e0b"] == "0", "all have heard of e0b")
        lab.mend("n1/e0b")
        lab.wait(lambda: state(lab, "n1", "e0b") != "lost", "the daemon has seen that e0b is back")
        tell(lab, "n1", "release e0b")
        lab.wait(lambda: attributes(lab, "n1") == WHOLE, "all ports of n1 are good")
    return lab


def tell(lab: Lab, node: str, words: str) -> str:
    """Say something to the daemon of a node; empty if it does not answer."""
    return lab.node(node).run([echo.PYTHON, "-c", ASK, words], check=False).stdout.strip()


def state(lab: Lab, node: str, port: str) -> str:
    said = tell(lab, node, "state")
    return str(json.loads(said)["ports"][port]["state"]) if said else "nobody knows"


def attributes(lab: Lab, node: str) -> dict[str, str]:
    """Return what Pacemaker knows about the ports of a node."""
    now = lab.status()
    if now is None:
        return {}
    found = now.xpath("//node_attributes/node[@name=$node]/attribute", node=node)
    return {each.get("name"): each.get("value") for each in found}


def announced(lab: Lab, node: str = "n1", addresses: Collection[str] = (IPV4, IPV6)) -> set[str]:
    """Return the ports of a node on lan-a that answer for addresses, those of vs1 if none are said."""
    machine = lab.node(node)
    shown = machine.run(["ip", "neighbour", "show", "proxy"]).stdout
    shown += machine.run(["ip", "-6", "neighbour", "show", "proxy"]).stdout
    answering = {line.split()[2] for line in shown.splitlines() if line.split()[0] in addresses}
    return answering & {"e0a", "e0b"}  # on other subnets the node answers for peers that route


def both_announced(lab: Lab) -> set[str]:
    """Return the ports of n1 that answer for vs1 or vs2."""
    return announced(lab) | announced(lab, "n1", [OF_VS2])


def restarts(lab: Lab, but: Collection[str] = ()) -> dict[str, Any]:
    """Return when every resource of vs1 was started, to compare; `but` those that reload, which the CIB calls a start."""
    histories = lab.cib().xpath("//lrm_resource[starts-with(@id, 'vs1')]")
    return {
        (each.get("id"), operation.get("id")): operation.get("last-rc-change")
        for each in histories
        if each.get("id") not in but
        for operation in each.iterfind("lrm_rsc_op[@operation='start']")
    }


@contextmanager
def watched(lab: Lab, reloaded: Collection[str] = ()) -> Iterator[list[Program]]:
    """Use TCP sessions over IPv4 and IPv6, and assert that they live and nothing was restarted; give pulses."""
    before = restarts(lab, reloaded)
    client = lab.client("c1")
    with ExitStack() as all_of_them:
        all_of_them.enter_context(echo.serve(lab.node("n1"), "vs1"))
        sessions = [all_of_them.enter_context(echo.session(client, each)) for each in (IPV4, IPV6)]
        yield [all_of_them.enter_context(echo.pulse(client, each)) for each in (IPV4, IPV6)]
        assert all(each.answers() for each in sessions), "a session was lost"
    assert restarts(lab, reloaded) == before, "something was restarted"


def test_a_pulled_cable(serving: Lab) -> None:
    lab = serving
    begin = time.time()
    with writers(lab) as clients, watched(lab) as pulses:
        lab.cut("n1/e0a")
        lab.wait(lambda: announced(lab) == {"e0b"}, "vs1 is announced on e0b")
        lab.wait(lambda: attributes(lab, "n1").get("port-e0a") == "0", "the cluster knows of it")
        go_on(clients)
        lab.mend("n1/e0a")
        lab.wait(lambda: attributes(lab, "n1") == WHOLE, "e0a is good again")
        go_on(clients)
        assert announced(lab) == {"e0b"}, "what works stays where it is"
        assert max(each.outage() for each in pulses) < 2
        assert lab.node("n1").run(["vsctl", "status"], check=False).stdout.count("!") == 0
    seen = events(lab, "n1", begin)
    assert [
        each
        for each in seen
        if each in ("port e0a lost", "address vs1/lan-a e0b", "port e0a good", "subnet lan-a lost")
    ] == ["port e0a lost", "address vs1/lan-a e0b", "port e0a good"]


@contextmanager
def writers(lab: Lab) -> Iterator[Sequence[Client]]:
    """Write to vs1 by NFS and SMB; neither misses anything, sees an error or loses its connection."""
    c1 = lab.client("c1")
    clients = [Client.nfs(c1, IPV4, "/root/srv"), Client.smb(c1, IPV6, "srv", "alice", "wonderland")]
    with at_work(clients, stays=True):
        yield clients


def events(lab: Lab, node: str, since: float) -> list[str]:
    """Return what another node knows to have happened on one since then."""
    other = next(each for each in lab.nodes if each.name != node)
    said = json.loads(other.run(["vsctl", "events", node, "--all", "--json"]).stdout)
    return [
        " ".join((each["kind"], each["about"], each["state"]))
        for each in said["events"]
        if each["at"] >= since
    ]


def test_a_silent_switch_port(serving: Lab) -> None:
    lab = serving
    with writers(lab) as clients, watched(lab) as pulses:
        lab.mute("n1/e0a")
        lab.wait(lambda: announced(lab) == {"e0b"}, "vs1 is announced on e0b")
        go_on(clients)
        lab.wait(lambda: state(lab, "n1", "e0a") == "silent", "the daemon says why")
        lab.unmute("n1/e0a")
        lab.wait(lambda: attributes(lab, "n1") == WHOLE, "e0a is good again")
        assert announced(lab) == {"e0b"}
        assert max(each.outage() for each in pulses) < 5


def test_a_flapping_port_costs_one_failover(serving: Lab) -> None:
    lab = serving
    begin = time.time()
    with writers(lab) as clients, watched(lab):
        for _ in range(10):
            lab.cut("n1/e0a")  # the kernel swallows what is shorter than its own pauses
            lab.wait(lambda: state(lab, "n1", "e0a") == "lost", "the daemon has noticed")
            lab.mend("n1/e0a")
            # Carrier alone is not enough: only a port that has worked again can be lost again.
            lab.wait(lambda: state(lab, "n1", "e0a") in ("waiting", "flapping"), "it works again")
        lab.wait(lambda: state(lab, "n1", "e0a") == "flapping", "the daemon calls it so")
        assert announced(lab) == {"e0b"}
        moved = [each for each in events(lab, "n1", begin) if each.startswith("address vs1/lan-a")]
        assert moved == ["address vs1/lan-a e0b"], "one failover, not ten"
        assert lab.node("n2").run(["vsctl", "release", "n1/e0a"]).stdout == "e0a of n1 is used again\n"
        lab.wait(lambda: attributes(lab, "n1") == WHOLE, "an operator has the last word")
        go_on(clients)


def test_the_last_port_of_a_subnet_is_told_to_the_cluster(serving: Lab) -> None:
    lab = serving
    lab.cut("n2/lan-a")
    lost = {**WHOLE, "ports-good": "1", "subnet-lan-a": "0", "port-e0a": "0", "port-e0b": "0"}
    lab.wait(lambda: attributes(lab, "n2") == lost, "lan-a is lost on n2")
    lab.mend("n2/lan-a")
    lab.wait(lambda: attributes(lab, "n2") == WHOLE, "lan-a is back on n2")


def test_one_dead_neighbour_is_no_dead_port(serving: Lab) -> None:
    lab = serving
    lab.mute("n2/lan-a")
    lab.wait(lambda: attributes(lab, "n2").get("subnet-lan-a") == "0", "n2 finds itself cut off")
    assert attributes(lab, "n1") == WHOLE
    assert attributes(lab, "n3") == WHOLE
    lab.unmute("n2/lan-a")
    lab.wait(lambda: attributes(lab, "n2") == WHOLE, "lan-a is back on n2")


def test_a_killed_daemon_comes_back_and_disturbs_nothing(serving: Lab) -> None:
    lab = serving
    node = lab.node("n1")
    with watched(lab) as pulses:
        process = node.path("/run/vsctl/_daemon/process")
        first = process.read_text().split()[0]
        node.run(["kill", "-KILL", first])
        lab.wait(
            lambda: tell(lab, "n1", "ping") == "here" and process.read_text().split()[0] != first,
            "Pacemaker has started another",
        )
        assert attributes(lab, "n1") == WHOLE
        lab.cut("n1/e0a")
        lab.wait(lambda: announced(lab) == {"e0b"}, "the new one does its work")
        assert max(each.outage() for each in pulses) < 2
    assert not lab.journal("off", "n1"), "nobody is fenced for a daemon"


def test_a_daemon_whose_stop_times_out_is_left_alone_and_so_is_its_node(serving: Lab) -> None:
    """It hangs, and so does the agent that should end it; one that does not hang has it killed."""
    lab = serving
    node = lab.node("n1")
    process = node.path("/run/vsctl/_daemon/process")
    first = process.read_text().split()[0]
    begin = time.time()
    with watched(lab):
        with hanging_stop(node):
            node.run(["kill", "-STOP", first])
            lab.wait(
                lambda: of_daemon(lab, "stop", begin), "the monitor has missed it, and it is being ended"
            )
            lab.wait(lambda: "vsctl-daemon did not stop on n1" in status(lab), "Pacemaker gives up", LIMITS)
            assert process.read_text().split()[0] == first, "it is still there"
        node.run(["vsctl", "cleanup"])
        lab.wait(lambda: tell(lab, "n1", "ping") == "here", "another one is there", LIMITS)
        assert process.read_text().split()[0] != first
    lab.wait(lambda: attributes(lab, "n1") == WHOLE, "it has reported")
    assert not lab.journal("off", "n1"), "nobody is fenced for a daemon"


@contextmanager
def hanging_stop(node: Machine) -> Iterator[None]:
    """Let no stop of the node daemon's agent end."""
    node.run(["cp", "--archive", LAUNCHER, KEPT])
    node.write(f"{LAUNCHER}.new", HANGING_STOP, 0o755)
    node.run(["mv", f"{LAUNCHER}.new", LAUNCHER])  # at no moment is there none
    try:
        yield
    finally:
        node.run(["mv", KEPT, LAUNCHER])


def of_daemon(lab: Lab, operation: str, since: float) -> list[history.Act]:
    """Return what was begun with node daemons since then."""
    return [each for each in history.begun(lab, operation, since) if each.resource == "vsctl-daemon"]


def status(lab: Lab) -> str:
    return lab.node("n2").run(["vsctl", "status"], check=False).stdout


def test_without_the_daemon_the_agent_does_it(serving: Lab) -> None:
    lab = serving
    node = lab.node("n1")
    with watched(lab):
        node.run(
            [
                "crm_resource",
                "--resource",
                "vsctl-daemon-clone",
                "--meta",
                "-p",
                "target-role",
                "-v",
                "Stopped",
            ]
        )
        try:
            lab.wait(lambda: all(not tell(lab, each.name, "ping") for each in lab.nodes), "no daemon is left")
            lab.cut("n1/e0a")
            lab.wait(lambda: announced(lab) == {"e0b"}, "the monitor of vip has noticed", MONITORED)
        finally:
            node.run(["crm_resource", "--resource", "vsctl-daemon-clone", "--meta", "-d", "target-role"])
        lab.wait(lambda: attributes(lab, "n1").get("port-e0a") == "0", "the daemon is back and sees it")


def test_two_busy_addresses_on_one_port_end_up_on_two(serving: Lab) -> None:
    lab = serving
    with (
        writers(lab) as clients,
        watched(lab, ["vs1-vip-lan-a"]) as pulses,
        busy(lab, IPV4),
        busy(lab, OF_VS2),
    ):
        lab.wait(lambda: rebalance(lab)["moves"], "both are seen to be busy", 60)
        (move,) = rebalance(lab, "--apply")["moves"]
        assert (move["node"], move["from"], move["to"]) == ("n1", "e0a", "e0b")
        assert announced(lab) | announced(lab, "n1", [OF_VS2]) == {"e0a", "e0b"}
        lab.wait(lambda: rates(lab)["e0b"] > 1e6, "e0b carries its share")
        where = announced(lab)
        assert rebalance(lab, "--apply")["moves"] == [], "nothing moves on the second run"
        assert "nothing to do" in lab.node("n1").run(["vsctl", "plan", str(CLUSTER_FILE)]).stdout
        for each in ("vs1", "vs2"):
            monitored(lab, f"{each}-vip-lan-a")
        assert announced(lab) == where, "no monitor puts it back"
        go_on(clients)
        assert max(each.outage() for each in pulses) < 1


def test_a_node_evens_out_its_ports_by_itself(serving: Lab) -> None:
    """It writes the better order into the cluster's configuration, where no monitor and no apply puts it back."""
    lab = serving
    before = ports_of(lab)
    with (
        balanced_every(lab, f"{EVERY}s"),
        busy(lab, IPV4),
        busy(lab, OF_VS2),
        watched(lab, ["vs1-vip-lan-a", "vs2-vip-lan-a"]) as pulses,
    ):
        lab.wait(lambda: both_announced(lab) == {"e0a", "e0b"}, "each has a port", 90)
        after = ports_of(lab)
        (moved,) = [each for each in after if after[each] != before[each]]
        assert after[moved].split()[0] == "n1=e0b,e0a"
        lab.wait(lambda: min(rates(lab)[each] for each in ("e0a", "e0b")) > 1e6, "both carry their share", 60)
        monitored(lab, moved)
        looked = time.monotonic() + EVERY
        lab.wait(lambda: time.monotonic() > looked, "n1 has looked at its ports once more", 2 * EVERY)
        assert ports_of(lab) == after, "nothing moves on the second look"
        assert max(each.outage() for each in pulses) < 1
    assert "nothing to do" in lab.node("n1").run(["vsctl", "apply", str(CLUSTER_FILE)]).stdout


def ports_of(lab: Lab) -> dict[str, str]:
    """Return the ports of each announcer of lan-a, best first, as the cluster has them."""
    found = lab.cib().xpath("//primitive[contains(@id, '-vip-lan-a')]")
    return {each.get("id"): each.xpath("string(.//nvpair[@name='ports']/@value)") for each in found}


@contextmanager
def balanced_every(lab: Lab, period: str) -> Iterator[None]:
    """Let nodes even out their ports by themselves; afterwards, as the cluster file has it, no more."""
    text = f"{CLUSTER_FILE.read_text()}policy: {{balance: {{mode: auto, every: {period}}}}}\n"
    node = lab.node("n1")
    node.write("/etc/vsctl-balanced.yaml", text)
    node.run(["vsctl", "apply", "/etc/vsctl-balanced.yaml"])
    try:
        yield
    finally:
        node.run(["vsctl", "apply", str(CLUSTER_FILE)])


@contextmanager
def busy(lab: Lab, address: str) -> Iterator[None]:
    """Send some ten megabits a second to an address, and as much back."""
    program = 'ping -q -i 0.005 -s 8000 "$1" >/dev/null & read -r end; kill $!'
    with lab.client("c1").popen(["sh", "-c", program, "sh", address], stdin=subprocess.PIPE):
        yield  # the end of its input is its end


def rebalance(lab: Lab, *options: str) -> Any:
    return json.loads(lab.node("n2").run(["vsctl", "rebalance", "ports", "--json", *options]).stdout)


def rates(lab: Lab) -> dict[str, float]:
    return {each["port"]: each["rate"] for each in rebalance(lab)["ports"] if each["node"] == "n1"}


def monitored(lab: Lab, resource: str) -> None:
    """Let Pacemaker look at a resource now."""
    lab.node("n1").run(["crm_resource", "--force-check", "--resource", resource])


def test_a_booted_node_says_nothing_false(serving: Lab) -> None:
    """Not one attribute is there before the daemon has seen all ports, and then all are right at once."""
    lab = serving
    lab.kill("n3")
    lab.wait_until_fenced("n3")
    lab.wait(lambda: not attributes(lab, "n3"), "the attributes of n3 are gone with it")
    lab.boot("n3")
    seen: list[dict[str, str]] = []

    def all_said() -> bool:
        seen.append(attributes(lab, "n3"))
        return "node-ok" in seen[-1]

    lab.wait(all_said, "n3 has reported", 60)
    assert seen[-1] == WHOLE
    assert all(each.items() <= WHOLE.items() for each in seen), "something false was said"


@pytest.mark.full
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("fault", "mended", "target"), [("cut", "mend", 0.05), ("mute", "unmute", 1.5)])
def test_outages(serving: Lab, fault: str, mended: str, target: float) -> None:
    """From the loss of a port until it is good again, clients miss nothing but the time until it is noticed."""
    lab = serving
    outages = []
    of_files: dict[str, list[float]] = {"NFS": [], "SMB": []}
    with writers(lab) as clients:
        for trial in range(TRIALS):
            port = "e0a" if trial % 2 == 0 else "e0b"
            other = "e0b" if port == "e0a" else "e0a"
            lab.wait(lambda it=port: announced(lab) == {it}, f"vs1 is announced on {port}")
            with watched(lab) as pulses:
                go_on(clients)
                began = time.monotonic()
                getattr(lab, fault)(f"n1/{port}")
                lab.wait(lambda it=other: announced(lab) == {it}, f"vs1 is announced on {other}")
                go_on(clients)
                series.note(of_files, clients, began)
                getattr(lab, mended)(f"n1/{port}")
                lab.wait(
                    lambda it=port: state(lab, "n1", it) in ("waiting", "flapping"), f"{port} works again"
                )
                lab.wait(
                    lambda it=port: tell(lab, "n1", f"release {it}") == f"{it} is good", f"{port} is good"
                )
                outages += [each.outage() for each in pulses]
    print(f"{fault}: median {median(outages) * 1000:.0f} ms, worst {max(outages) * 1000:.0f} ms")
    series.tell(fault, of_files)
    assert median(outages) < target
