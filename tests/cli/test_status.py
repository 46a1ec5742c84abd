"""What `vsctl status` shows; `pytest --rewrite` writes golden/status, read it then."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from tests.cli.test_json import validate
from tests.cli.vsctl import CLUSTER_FILE, after, aged, settled, vsctl
from vsctl.agents import quarantine
from vsctl.cli.faults import with_attributes

GOLDEN = Path(__file__).with_name("golden")
Edit = Callable[[etree._Element], None]
UNFENCED = (
    CLUSTER_FILE[: CLUSTER_FILE.index("fencing:")] + CLUSTER_FILE[CLUSTER_FILE.index("virtual_servers:") :]
)


def because(reason: str) -> Edit:
    """Give what failed the words of an agent."""

    def edit(tree: etree._Element) -> None:
        for op in tree.iter("lrm_rsc_op"):
            if op.get("rc-code") == "1":
                op.set("exit-reason", reason)

    return edit


def without_quorum(tree: etree._Element) -> None:
    tree.set("have-quorum", "0")


def without_the_gate(tree: etree._Element) -> None:
    """Somebody has deleted a resource of ours."""
    for each in tree.xpath(
        "//primitive[@id='vs1-gate'] | //lrm_resource[@id='vs1-gate'] | //*[contains(@id, '-vs1-gate')]"
        " | //rsc_location[@rsc='vs1-gate']"
    ):
        if each.getparent() is not None:
            each.getparent().remove(each)


def still_starting(tree: etree._Element) -> None:
    """vs1 has its filesystems and its NFS server, and all of vs3 is to come."""
    for each in tree.iter("lrm_resource"):
        if each.get("id") in ("vs1-smb", "vs1-shr-data", "vs1-gate") or each.get("id").startswith("vs3-"):
            each.getparent().remove(each)


def announced_by_n2(tree: etree._Element) -> None:
    """A peer answers for vs1 on lan-b."""
    (here,) = tree.xpath("//node_state[@uname='n1']//lrm_resource[@id='vs1-vip-lan-b']")
    tree.xpath("//node_state[@uname='n2']//lrm_resources")[0].append(here)


CASES: dict[str, tuple[list[str], Edit | None]] = {
    "all well": ([], None),
    "a node is down, and its pinned server waits": (["--node-fail", "n2"], None),
    "a monitor has failed once": (
        ["--op-inject", "vs1-nfs_monitor_10000@n1=1"],
        because("the NFS server does not answer"),
    ),
    "starting": ([], still_starting),
    "no quorum": ([], without_quorum),
    "a resource is not configured": ([], without_the_gate),
    "routed through a peer": ([], announced_by_n2),
}


@pytest.mark.parametrize("case", CASES)
def test_status(case: str, tmp_path: Path, all_well: bytes, request: pytest.FixtureRequest) -> None:
    events, edit = CASES[case]
    file = tmp_path / "cib.xml"
    file.write_bytes(aged(after(all_well, *events) if events else all_well, edit))
    compare(case, file, request)


def test_a_server_is_banned_from_a_node(cib: Path, request: pytest.FixtureRequest) -> None:
    tried = {"fail-count-vs1-nfs#start_0": "INFINITY", "last-failure-vs1-nfs#start_0": str(int(time.time()))}
    cib.write_bytes(after(with_attributes(cib.read_bytes(), "n1", tried)))
    compare("a server is banned from a node", cib, request)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("", "balancer: on {node}"),
        ("mode=manual next={soon} why=turn", "balancer: on {node}, looks in 5 min"),
        ("mode=manual next={soon} why=turn begun={ago} took=2.1", "looked 2 min ago and had nothing to move, looks again in 5 min"),
        (
            "mode=manual next={soon} why=cool-down begun={ago} took=2.1 move=vs1:n1:n2 move=vs3:n3:n1",
            "would move vs1 n1 -> n2, vs3 n3 -> n1 (`vsctl rebalance --apply` does it), looks again in 5 min, as servers "
            "have just moved",
        ),
        ("mode=manual next={soon} why=quiet", "looks at {clock}, after the quiet hours"),
        (
            "mode=manual next={soon} why=turn begun={ago} took=1 problem=no%20luck%3B",
            "! the balancer on {node} could not look whether the load is even: no luck;",
        ),
    ],
)  # fmt: skip
def test_the_balancer_is_shown(told: str, said: str, cib: Path) -> None:
    now = time.time()
    node = vsctl("status", "--cib", cib, "--json").json["balancer"]["node"]
    soon = now + 330
    clock = time.strftime("%H:%M", time.localtime(soon))
    about = {"node": node, "soon": f"{soon:.1f}", "ago": f"{now - 130:.1f}", "clock": clock}
    if told:
        cib.write_bytes(with_attributes(cib.read_bytes(), node, {"balancer": told.format(**about)}))
    shown = " ".join(vsctl("status", "--cib", cib).out.split())
    assert said.format(**about) in shown


def test_where_nobody_is_to_look_none_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "cib.xml"
    file.write_bytes(settled(f"{CLUSTER_FILE}policy: {{balance: {{mode: off}}}}\n"))
    assert "balancer" not in vsctl("status", "--cib", file).out
    assert vsctl("status", "--cib", file, "--json").json["balancer"] is None


def test_announced_by_host_route(cib: Path, request: pytest.FixtureRequest) -> None:
    said = {"ports-announced": "vs1/lan-a=e1a vs1/lan-b=e1a"}
    cib.write_bytes(aged(with_attributes(cib.read_bytes(), "n1", said)))
    compare("announced by host route", cib, request)


LOST_LAN_A = {"subnet-lan-a": "0", "subnet-lan-b": "2"}
EVERY_STATE = {
    "n1": {"ports-states": "e0a=flapping e0b=silent e1a=good", **LOST_LAN_A},
    "n2": {"ports-states": "e0a=lost e0b=waiting e1a=good", "subnet-lan-a": "1", "subnet-lan-b": "2"},
    "n3": {"ports-states": "e0a=good e0b=good e1a=good", "subnet-lan-a": "2", "subnet-lan-b": "2"},
}


def test_how_ports_and_subnets_are(cib: Path, request: pytest.FixtureRequest) -> None:
    """Every word of a daemon is a sentence, and a port that is only held back can be released."""
    for node, words in EVERY_STATE.items():
        cib.write_bytes(with_attributes(cib.read_bytes(), node, words))
    compare("ports and subnets", cib, request)
    document = vsctl("status", "--cib", cib, "--json").json
    validate("status", document)
    assert {node["name"]: [each["state"] for each in node["subnets"]] for node in document["nodes"]} == {
        "n1": ["lost", "good"],
        "n2": ["routed", "good"],
        "n3": ["good", "good"],
    }


def in_quarantine(tree: etree._Element, stage: str, **record: object) -> None:
    """Let an agent have found data of vs1 damaged."""
    there = frozenset(each.get("id", "") for each in tree.iter("rsc_location"))
    found = {
        "stage": stage,
        "since": 1763829000,
        "node": "n1",
        "why": "xfs does not answer: Input/output error",
    }
    change = etree.fromstring(quarantine.change("vs1", "data", {**found, **record}, there))
    tree.find(".//cluster_property_set[@id='vsctl']").append(change.find(".//nvpair"))
    for rule in change.iter("rule"):
        tree.xpath("//rule[@id=$id]", id=rule.get("id"))[0].set("score", rule.get("score"))


BEYOND = {
    "result": "person",
    "said": "its log cannot be replayed, and a repair without that loses the last changes",
    "advice": "xfs_repair -L /dev/disk2, which gives them up",
    "on": "n3",
    "log": "/var/log/vsctl/vs1/repair-data.log",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "stage", "record"),
    [
        ("a filesystem is being repaired", "repair", {}),
        ("a filesystem waits for a person", "person", BEYOND),
    ],
)
def test_a_filesystem_is_damaged(
    case: str, stage: str, record: dict[str, str], cib: Path, nas: Path, request: pytest.FixtureRequest
) -> None:
    tree = etree.fromstring(cib.read_bytes())
    in_quarantine(tree, stage, **record)
    cib.write_bytes(after(etree.tostring(tree)))
    compare(case, cib, request)
    again = vsctl("apply", nas, "--cib", cib)
    assert again.out.startswith("nothing to do"), "apply keeps a quarantine as it is"
    said = vsctl("repair", "vs1/data", "--status", "--cib", cib)
    assert (said.status, "data of vs1 is blocked" in said.out) == (int(stage == "person"), True)


def test_a_repair_is_begun_by_hand_only_where_that_is_meant(cib: Path) -> None:
    refused = vsctl("repair", "vs1/data", "--cib", cib)
    assert (refused.status, "--yes" in refused.err) == (1, True)
    assert (
        "there is no filesystem of vs1 dta: did you mean data?"
        in vsctl("repair", "vs1/dta", "--cib", cib).err
    )
    assert vsctl("repair", "vs1/data", "--yes", "--cib", cib).status == 0
    cib.write_bytes(after(cib.read_bytes()))
    said = vsctl("status", "vs1", "--cib", cib)
    assert "an operator asked for a check" in " ".join(said.out.split())


def fail_to_stop(file: Path, resource: str) -> None:
    """Let a monitor find a resource broken on n1, and its stop fail."""
    failing = ["--op-inject", f"{resource}_monitor_10000@n1=1", "--op-fail", f"{resource}_stop_0@n1=1"]
    for events in (failing, [], []):
        command = ["crm_simulate", "--simulate", "--xml-file", file, "--save-output", file]
        subprocess.run([*command, *events], check=True, capture_output=True)


@pytest.mark.slow
def test_a_stop_failed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Without fencing Pacemaker can only leave it alone."""
    file = tmp_path / "cib.xml"
    file.write_bytes(settled(UNFENCED))
    fail_to_stop(file, "vs1-fs-data")
    file.write_bytes(aged(file.read_bytes(), because("/srv/vsctl/vs1/data is busy")))
    compare("a stop failed", file, request)


def test_a_daemon_that_does_not_end_is_left_alone_and_so_is_its_node(cib: Path) -> None:
    fail_to_stop(cib, "vsctl-daemon")
    said = " ".join(vsctl("status", "--cib", cib).out.split())
    assert (
        "! vsctl-daemon did not stop on n1: User-injected result; Pacemaker leaves it alone there until `vsctl cleanup`"
        in said
    )
    assert "n1 up vs1" in said


@pytest.mark.slow
def test_moved_and_drained(cib: Path, request: pytest.FixtureRequest) -> None:
    for command in (["move", "vs1", "n3"], ["drain", "n2"]):
        assert vsctl(*command, "--cib", cib).status == 0
    compare("moved and drained", cib, request)


@pytest.mark.slow
def test_constraints_by_hand_or_by_request_have_their_ids(cib: Path) -> None:
    """vs2 is pinned, so its pin is what a move changes; every other rule is the cluster file's."""

    def constraints(server: str) -> dict[str, str]:
        (found,) = vsctl("status", server, "--json", "--cib", cib).json["servers"]
        return {each["id"]: each["reason"] for each in found["constraints"]}

    assert constraints("vs1") == constraints("vs2") == {}
    assert vsctl("move", "vs2", "n3", "--cib", cib).status == 0
    cib.write_bytes(with_attributes(cib.read_bytes(), "n1", {"evict-vs1": "1", "evacuate": "1"}))
    assert constraints("vs1") == {
        "vsctl-evacuate-vs1": "n1 asks to be emptied",
        "vsctl-evict-vs1": "n1 asks it to stay away",
    }
    assert constraints("vs2")["vsctl-pin-vs2"] == "an operator sent it to n3"
    assert {*constraints("vs1"), *constraints("vs2")} <= {
        each.get("id") for each in etree.fromstring(cib.read_bytes()).iter("rsc_location")
    }


def test_a_server_of_the_file_is_not_applied_yet(nas: Path, tmp_path: Path) -> None:
    """status shows what is applied; plan says what is not."""
    file = tmp_path / "cib.xml"
    file.write_bytes(settled(CLUSTER_FILE[: CLUSTER_FILE.index("  vs3:")]))
    assert "vs3" not in vsctl("status", "--cib", file).out
    assert "vs3 starts on n3\n" in vsctl("plan", nas, "--cib", file).out
    said = vsctl("status", "vs3", "--cib", file)
    assert (said.status, said.err) == (1, "there is no virtual server vs3: there are vs1 and vs2\n")


def compare(case: str, cib: Path, request: pytest.FixtureRequest) -> None:
    golden = GOLDEN / f"status-{case.replace(',', '').replace(' ', '-')}.txt"
    short, long = vsctl("status", "--cib", cib), vsctl("status", "vs1", "vs2", "vs3", "--cib", cib)
    assert (short.err, long.err) == ("", "")
    shown = f"$ vsctl status; echo $?\n{short.out}{short.status}\n\n$ vsctl status vs1 vs2 vs3; echo $?\n{long.out}{long.status}\n"
    if request.config.getoption("--rewrite"):
        golden.write_text(shown)
    assert shown == golden.read_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert short.status == int(vsctl("status", "--json", "--cib", cib).json["all_well"] is False)


@pytest.mark.slow
def test_forty_servers_take_forty_lines(tmp_path: Path) -> None:
    servers = "".join(
        f"  nas{number:02}: {{addresses: [192.0.2.{number}/24], filesystems: {{root: {{device: /dev/d{number}, "
        "type: ext4, storage: san1, exports: [{nfs: {path: /s, clients: {192.0.2.0/24: rw}}}]}}}\n"
        for number in range(10, 50)
    )
    file = tmp_path / "nas.yaml"
    file.write_text(CLUSTER_FILE[: CLUSTER_FILE.index("  vs1:")] + servers)
    cib = tmp_path / "cib.xml"
    cib.write_text(vsctl("render", file).out)
    lines = vsctl("status", "--cib", cib).out.splitlines()
    assert sum(line.startswith("nas") and " stopped " in line for line in lines) == 40
    assert max(map(len, lines)) <= 80


def test_watching_goes_on_when_nothing_answers(cib: Path) -> None:
    """The CIB goes away and comes back; Ctrl-C ends it."""
    program = [sys.executable, "-m", "vsctl.cli", "status", "--watch", "--cib", str(cib)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert "nas1: all is well\n" in watching.stdout
        content = cib.read_bytes()
        cib.unlink()
        assert any("name a CIB file that can be read" in line for line in watching.stdout)
        cib.write_bytes(content)
        assert "nas1: all is well\n" in watching.stdout
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 130


def test_names_ask_for_details_and_their_own_problems_alone(cib: Path) -> None:
    cib.write_bytes(after(cib.read_bytes(), "--node-fail", "n2"))
    assert vsctl("status", "vs1", "--cib", cib).status == 0
    assert vsctl("status", "vs2", "--cib", cib).status == 1
    assert "192.0.2.13/24" in vsctl("status", "--details", "--cib", cib).out
