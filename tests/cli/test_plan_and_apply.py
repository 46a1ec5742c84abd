"""vsctl plan and apply, on CIBs in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from tests.cli.vsctl import CLUSTER_FILE, Said, after, aged, vsctl
from tests.stories.scheduler import bare
from vsctl.cli import clusterfile, configuration, faults, planning
from vsctl.cli.programs import Refused
from vsctl.cli.store import CibFile
from vsctl.cli.verification import verify

NOTHING = "nothing to do: the cluster is what the file says\n"


def changed(nas: Path, old: str, new: str) -> Path:
    assert old in CLUSTER_FILE
    nas.write_text(CLUSTER_FILE.replace(old, new))
    return nas


def empty(path: Path, inside: str = "") -> Path:
    """Write a CIB with three nodes, up, and something of others'."""
    text = etree.tostring(bare(("n1", "n2", "n3")), encoding="unicode")
    path.write_text(text.replace("<resources/>", f"<resources>{inside}</resources>"))
    return path


def resource(path: Path, id: str) -> etree._Element | None:
    return etree.parse(path).getroot().find(f"configuration/resources//*[@id='{id}']")


def test_everything_starts_and_a_second_time_there_is_nothing_to_do(nas: Path, tmp_path: Path) -> None:
    cib = empty(tmp_path / "cib.xml")
    planned = vsctl("plan", nas, "--cib", cib)
    assert (planned.status, planned.err) == (0, "")
    assert "vs1 starts on n1\nvs2 starts on n2\nvs3 starts on n3\n" in planned.out
    assert resource(cib, "vs1-net") is None
    assert vsctl("apply", nas, "--cib", cib).out == planned.out
    assert resource(cib, "vs1-net") is not None
    written = cib.read_bytes()
    assert vsctl("apply", nas, "--cib", cib).out == NOTHING
    assert vsctl("plan", nas, "--cib", cib).out == NOTHING
    assert cib.read_bytes() == written


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["plan"],
        ["apply"],
        ["render"],
        ["render", "--format", "pcs"],
        ["simulate", "--fail", "node:n1"],
    ],
)
def test_the_cluster_file_may_come_from_standard_input(command: list[str], nas: Path, tmp_path: Path) -> None:
    def said(file: str | Path) -> Said:
        cib = empty(tmp_path / "cib.xml")
        return vsctl(
            *command, file, *(["--cib", cib] if command[0] in ("plan", "apply") else []), input=CLUSTER_FILE
        )

    named, piped = said(nas), said("-")
    assert (piped.status, piped.err) == (0, "")
    assert piped.out == named.out.replace(str(nas), "standard input")
    wrong = vsctl(*command, "-", input="name: nas1\nnmae: nas1\n")
    assert wrong.status == 1
    assert "standard input:2: the cluster file has no key nmae" in wrong.out + wrong.err


@pytest.mark.slow
def test_hard_limits_wait_for_their_nodes(nas: Path, tmp_path: Path) -> None:
    """A CIB without nodes has no place for what they can carry: that is said, and made up for."""
    text = CLUSTER_FILE.replace("  n1: {ports", "  n1: {capacity: {cpu: 4, memory: 64G, hard: true}, ports")
    nas.write_text(
        text.replace("    priority: 100\n", "    priority: 100\n    load: {cpu: 1.5, memory: 1G}\n")
    )
    without = tmp_path / "cib.xml"
    without.write_bytes(configuration.empty().cib)
    said = "not in it yet: what n1, n2, n3 can carry (hard), since this CIB does not have"
    assert said in vsctl("apply", nas, "--cib", without).out
    assert "n1, n2, n3" in vsctl("render", nas).err
    assert (
        'pcs -f "$CIB_file" node utilization n1 vsctl-cpu=4000' in vsctl("render", nas, "--format", "pcs").out
    )
    assert 'node n1 utilization vsctl-cpu="4000"' in vsctl("render", nas, "--format", "crm").out

    cib = empty(tmp_path / "whole.xml")
    assert said not in vsctl("apply", nas, "--cib", cib).out
    tree = etree.parse(cib).getroot()
    assert utilization(tree, "//node[@uname='n1']") == {"vsctl-cpu": "4000", "vsctl-memory": "65536"}
    assert utilization(tree, "//node[@uname='n2']") == dict.fromkeys(
        ["vsctl-cpu", "vsctl-memory"], "1000000000"
    )
    assert utilization(tree, "//primitive[@id='vs1-net']") == {"vsctl-cpu": "1500", "vsctl-memory": "1024"}
    assert tree.xpath("//nvpair[@name='placement-strategy']/@value") == ["utilization"]
    assert vsctl("apply", nas, "--cib", cib).out == NOTHING

    nas.write_text(CLUSTER_FILE)
    assert vsctl("apply", nas, "--cib", cib).status == 0
    assert not etree.parse(cib).getroot().xpath("//utilization | //nvpair[@name='placement-strategy']")


def utilization(of: etree._Element, path: str) -> dict[str, str]:
    pairs = of.xpath(f"{path}/utilization/nvpair")
    return {each.get("name", ""): each.get("value", "") for each in pairs}


def test_what_is_others_is_left_alone_and_named(nas: Path, tmp_path: Path) -> None:
    theirs = '<primitive id="backup" class="ocf" provider="pacemaker" type="Dummy"/>'
    cib = empty(tmp_path / "cib.xml", theirs)
    assert "left alone, not vsctl's: backup\n" in vsctl("apply", nas, "--cib", cib).out
    assert resource(cib, "backup") is not None


def test_a_name_that_is_taken_is_refused(nas: Path, tmp_path: Path) -> None:
    cib = empty(
        tmp_path / "cib.xml", '<primitive id="vs1-nfs" class="ocf" provider="pacemaker" type="Dummy"/>'
    )
    before = cib.read_bytes()
    for command in ("plan", "apply"):
        said = vsctl(command, nas, "--cib", cib)
        assert said.status == 1
        assert said.err == (
            "the cluster already has vs1-nfs, which vsctl did not make: rename or remove it, or rename the virtual server\n"
        )
    assert cib.read_bytes() == before


@pytest.mark.slow
def test_without_fencing_only_if_it_is_said(nas: Path, tmp_path: Path) -> None:
    cib, before = empty(tmp_path / "cib.xml"), (tmp_path / "cib.xml").read_bytes()
    changed(nas, "  n3: {agent: fence_ipmilan, options: {ip: 203.0.113.13}}\n", "")
    said = vsctl("apply", nas, "--cib", cib)
    assert said.status == 1
    assert "n3 cannot be fenced: after a crash two nodes could write to one filesystem" in said.err
    assert cib.read_bytes() == before
    planned = vsctl("plan", nas, "--cib", cib)
    assert planned.status == 1
    assert "refused: n3 cannot be fenced" in planned.out
    assert vsctl("apply", nas, "--without-fencing", "--cib", cib).status == 0


def test_unknown_nodes_are_refused(nas: Path, cib: Path) -> None:
    nas.write_text(CLUSTER_FILE.replace("n3", "n4"))
    said = vsctl("apply", nas, "--cib", cib)
    assert said.status == 1
    assert "the cluster has no node n4, it has n1, n2, n3: correct the cluster file" in said.err


def test_one_device_under_two_names_is_refused(nas: Path, cib: Path, tmp_path: Path) -> None:
    """On two nodes at once it would be mounted twice; by its text alone the file cannot tell."""
    device = next((each for each in Path("/dev").iterdir() if each.is_block_device()), None)
    if device is None:
        pytest.skip("this machine has no block device")
    names = tmp_path / "wwn-1", tmp_path / "sdb"
    for each in names:
        each.symlink_to(device)
    nas.write_text(CLUSTER_FILE.replace("/dev/disk1", str(names[0])).replace("/dev/disk4", str(names[1])))
    before, said = cib.read_bytes(), vsctl("apply", nas, "--cib", cib, "--yes")
    assert said.status == 1
    assert "vs1/root" in said.err and "vs3/root" in said.err and "are the same device" in said.err
    assert cib.read_bytes() == before


@pytest.mark.slow
def test_moves_that_the_change_is_not_about_need_a_yes(nas: Path, cib: Path) -> None:
    """vs3 has been driven to n1, and automatic failback brings it home: no line about vs3 has changed."""
    driven = up_again(after(cib.read_bytes(), "--node-fail", "n3"), "n3")
    cib.write_bytes(faults.with_attributes(driven, "n3", {"node-ok": "1"}))
    nas.write_text(CLUSTER_FILE + "policy: {failback: auto}\n")
    before, said = cib.read_bytes(), vsctl("apply", nas, "--cib", cib)
    assert said.status == 1
    assert (
        said.err
        == "vs3 moves n1 -> n3, which the change to the file is not about; say --yes if that is as it should be\n"
    )
    assert cib.read_bytes() == before
    assert "vs3 moves n1 -> n3  (the change is not about it)\n" in vsctl("plan", nas, "--cib", cib).out
    assert vsctl("apply", nas, "--yes", "--cib", cib).status == 0
    assert vsctl("apply", nas, "--cib", cib).out == NOTHING


def up_again(cib: bytes, node: str) -> bytes:
    def edit(tree: etree._Element) -> None:
        (state,) = tree.findall(f"status/node_state[@uname='{node}']")
        for name, value in {
            "in_ccm": "true",
            "crmd": "online",
            "join": "member",
            "expected": "member",
        }.items():
            state.set(name, value)

    return aged(cib, edit)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "restarts", "reloads"),
    [
        pytest.param(
            "options: [noatime]",
            "options: [nodev]",
            {"vs1-fs-root", "vs1-nfs", "vs1-smb", "vs1-exp-data", "vs1-shr-data", "vs1-gate"},
            set(),
            id="mount options restart what is on the filesystem",
        ),
        pytest.param(
            "exports:\n          - nfs",
            "exports:\n          - nfs: {path: /more, clients: {192.0.2.0/24: rw}}\n          - nfs",
            set(),
            {"vs1-exp-data"},
            id="an export is added to what runs",
        ),
        pytest.param("users: [alice]", "users: [carol]", set(), {"vs1-shr-data"}, id="so is a user of a share"),
        pytest.param(
            "[192.0.2.12/24]",
            "[192.0.2.12/24, 192.0.2.22/24]",
            set(),
            {"vs2-net", "vs2-vip-lan-a"},
            id="an address is added to what runs",
        ),
        pytest.param(
            "\n      data:\n",
            "\n      more: {device: /dev/disk9, type: xfs, storage: san1}\n      data:\n",
            set(),
            {"vsctl-daemon"},
            id="a filesystem without exports restarts nothing, and the daemons are told of its device",
        ),
        pytest.param("203.0.113.11", "203.0.113.99", {"fence-n1"}, set(), id="a fencing device is told its new address"),
        pytest.param("e0b: lan-a, e1a: lan-b}}\n  n2", "e1a: lan-b}}\n  n2", set(), {"vs1-net", "vs1-vip-lan-a", "vs1-vip-lan-b", "vs2-vip-lan-a", "vs3-vip-lan-a", "vsctl-daemon"}, id="ports are told to announcers and daemons"),
    ],
)  # fmt: skip
def test_what_a_change_restarts(
    nas: Path, cib: Path, old: str, new: str, restarts: set[str], reloads: set[str]
) -> None:
    planned = vsctl("plan", changed(nas, old, new), "--cib", cib, "--json").json
    assert planned["moves"] == []
    assert (set(planned["restarts"]), set(planned["reloads"])) == (restarts, reloads)
    assert vsctl("apply", nas, "--cib", cib).status == 0
    assert vsctl("apply", nas, "--cib", cib).out == NOTHING


def test_a_live_history_that_notes_restarts_is_believed(nas: Path, cib: Path) -> None:
    """A CIB of a running cluster says itself what needs a restart; the simulation must not go round in circles."""
    tree = etree.parse(cib)
    for op in tree.iter("lrm_rsc_op"):
        op.set("crm-debug-origin", "build_active_RAs")
    tree.write(cib)
    planned = vsctl(
        "plan", changed(nas, "options: [noatime]", "options: [nodev]"), "--cib", cib, "--json"
    ).json
    assert "vs1-fs-root" in planned["restarts"]


def without_vs3() -> str:
    return CLUSTER_FILE[: CLUSTER_FILE.index("  vs3:")]


def test_a_removed_server_is_stopped_and_removed(nas: Path, cib: Path) -> None:
    nas.write_text(without_vs3())
    said = vsctl("apply", nas, "--cib", cib)
    assert said.status == 0
    assert "vs3 stops on n3\n" in said.out
    assert (
        "stopped and removed: vs3, vs3-net, vs3-fs-root, vs3-vip-lan-a, vs3-smb,\n    vs3-shr-root, vs3-gate, vs3-repair-root\n"
        in said.out
    )
    assert resource(cib, "vs3-net") is None
    assert vsctl("apply", nas, "--cib", cib).out == NOTHING


def marked_and_stopped(cib: Path) -> Path:
    """Return a CIB in which what was marked has stopped meanwhile."""
    stopped = cib.with_name("stopped.xml")
    stopped.write_bytes(after(cib.read_bytes()))
    return stopped


@pytest.mark.slow
def test_an_interrupted_removal_is_finished_or_taken_back(nas: Path, cib: Path) -> None:
    """apply was killed after it told what goes to stop, and before it was removed."""
    store = CibFile(cib)
    smaller, _ = clusterfile.read(without_vs3(), "nas.yaml")
    assert smaller is not None
    plan = planning.plan(store, smaller)
    store.change(plan.applied.cib, configuration.retiring(plan.applied, plan.retired))
    marked = cib.read_bytes()
    assert marked.count(b'id="vsctl-retired-vs3') == len(plan.retired) == 8
    assert "vs3 starts on n3\n" in vsctl("plan", nas, "--cib", marked_and_stopped(cib)).out

    put_back = vsctl("apply", nas, "--cib", cib)
    assert (put_back.status, put_back.err) == (0, "")
    assert b"retired" not in cib.read_bytes()
    assert vsctl("apply", nas, "--cib", cib).out == NOTHING

    cib.write_bytes(marked)
    nas.write_text(without_vs3())
    assert vsctl("apply", nas, "--cib", cib).status == 0
    assert b"vs3" not in cib.read_bytes().partition(b"<status")[0]


def test_a_fencing_device_is_never_stopped_before_its_successor_is_there(nas: Path, cib: Path) -> None:
    two = "n1: [{agent: fence_ipmilan, options: {ip: 203.0.113.11}}, {agent: fence_apc, options: {ip: 203.0.113.1}}]"
    changed(nas, "n1: {agent: fence_ipmilan, options: {ip: 203.0.113.11}}", two)
    planned = vsctl("plan", nas, "--cib", cib, "--json").json
    assert planned["retired"] == []
    assert {"verb": "remove", "kind": "primitive", "id": "fence-n1"} in planned["edits"]


@pytest.mark.slow
def test_a_move_by_hand_of_a_server_that_is_removed_goes_with_it(nas: Path, cib: Path) -> None:
    assert vsctl("move", "vs3", "n1", "--cib", cib).status == 0
    nas.write_text(without_vs3())
    assert vsctl("apply", nas, "--cib", cib).status == 0
    assert b"vs3" not in cib.read_bytes().partition(b"<status")[0]
    assert vsctl("apply", nas, "--cib", cib).out == NOTHING


@pytest.mark.slow
def test_a_configuration_that_pacemaker_would_not_accept_is_not_written(nas: Path, cib: Path) -> None:
    """A new colocation is one that the schema of an old CIB does not know."""
    tree = etree.parse(cib)
    tree.getroot().set("validate-with", "pacemaker-2.0")
    for section in ("resources", "constraints", "fencing-topology", "tags"):
        for each in tree.findall(f"configuration/{section}"):
            del each[:]
    old = etree.tostring(tree)
    new = etree.fromstring(old)
    etree.SubElement(new.find("configuration/constraints"), "rsc_ordre", id="vsctl-after-vs1")
    with pytest.raises(Refused) as refused:
        verify(old, etree.tostring(new))
    assert str(refused.value).startswith("nothing was changed, because Pacemaker would not accept it: ")
    assert "rsc_ordre" in str(refused.value)
    verify(old, old)


def test_a_filesystem_after_something_that_is_not_there(nas: Path, cib: Path) -> None:
    changed(nas, "options: [noatime]", "after: drbd-clone")
    before, said = cib.read_bytes(), vsctl("apply", nas, "--cib", cib)
    assert said.status == 1
    assert said.err == (
        "filesystem root of vs1 comes after drbd-clone, and the cluster has no resource of that name: "
        "create it first, or correct the cluster file\n"
    )
    assert cib.read_bytes() == before


def test_a_file_with_problems_is_refused_with_all_of_them(nas: Path, cib: Path) -> None:
    changed(nas, "priority: 100", "prioritiy: 100")
    for command in ("plan", "apply", "render"):
        said = vsctl(command, nas, *([] if command == "render" else ["--cib", cib]))
        assert said.status == 1
        assert "vs1 has no key prioritiy: did you mean priority?" in said.err


@pytest.mark.slow
def test_on_a_running_cluster_what_goes_is_waited_for(nas: Path, cib: Path) -> None:
    """$CIB_file makes Pacemaker's tools take a file for the cluster: one in which nothing ever stops by itself."""
    cluster = {"CIB_file": str(cib)}
    nas.write_text(without_vs3())
    late = vsctl("apply", nas, "--limit", "1", env=cluster)
    assert (late.status, late.out, late.err.count("\n")) == (1, "", 1)
    assert late.err.startswith("after 1 s: vs3-net, vs3-fs-root, vs3-vip-lan-a and others still to stop; ")
    assert resource(cib, "vs3-net") is not None and b"vsctl-retired-vs3-net" in cib.read_bytes()
    cib.write_bytes(after(cib.read_bytes()))
    assert vsctl("apply", nas, env=cluster).status == 0
    assert resource(cib, "vs3-net") is None
    assert vsctl("apply", nas, env=cluster).out == NOTHING
