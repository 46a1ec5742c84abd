"""vsctl move, failback, drain and undrain, on CIBs in files: what is written, and what is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_plan_and_apply import up_again
from tests.cli.vsctl import CLUSTER_FILE, after, vsctl


def said(*argv: str, cib: Path) -> str:
    """Return all that a command says, and let the scheduler do what it wrote."""
    done = vsctl(*argv, "--cib", cib)
    assert done.status == (1 if done.err else 0)
    cib.write_bytes(after(cib.read_bytes()))
    return done.out + done.err


@pytest.mark.slow
def test_a_move_and_back(cib: Path) -> None:
    assert said("move", "vs1", "n2", cib=cib) == "vs1 moves n1 -> n2\n"
    assert (
        said("move", "vs1", "n2", cib=cib)
        == "vs1 was sent to n2 before, and stays there until `vsctl failback vs1`\n"
    )
    assert said("failback", "vs1", cib=cib) == (
        "vs1 stays on n2: on a running cluster `vsctl failback vs1` would bring it to n1\n"
    )
    assert b"vsctl-moved-vs1" not in cib.read_bytes()


def test_a_cib_file_shows_its_secrets_to_nobody_new(cib: Path) -> None:
    cib.chmod(0o600)
    assert vsctl("move", "vs1", "n2", "--cib", cib).status == 0
    assert cib.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_a_move_to_where_it_is(cib: Path) -> None:
    assert said("move", "vs1", "n1", cib=cib) == (
        "vs1 is on n1 already, and now stays there until `vsctl failback vs1`\n"
    )
    assert b"vsctl-moved-vs1" in cib.read_bytes()
    assert said("failback", cib=cib) == "every server is where it belongs\n"
    assert b"vsctl-moved-vs1" not in cib.read_bytes()


@pytest.mark.slow
def test_a_pinned_server_waits_for_its_node_or_is_moved(cib: Path) -> None:
    cib.write_bytes(after(cib.read_bytes(), "--node-fail", "n2"))
    assert said("move", "vs2", "n3", cib=cib) == "vs2 starts on n3\n"
    assert said("failback", "vs2", cib=cib) == "vs2 stops on n3\n"


def test_home_is_down(cib: Path) -> None:
    cib.write_bytes(after(cib.read_bytes(), "--node-fail", "n3"))
    assert said("failback", cib=cib) == (
        "vs3 stays on n1: n3, where it belongs, is down; say `vsctl failback vs3` again\n    when it is back\n"
    )


@pytest.mark.slow
def test_home_is_drained(cib: Path) -> None:
    assert said("drain", "n3", cib=cib) == "vs3 moves n3 -> n1\n"
    assert said("failback", "vs3", cib=cib) == (
        "vs3 stays on n1: n3, where it belongs, is drained; `vsctl undrain n3` first\n"
    )
    assert said("move", "vs3", "n3", cib=cib) == (
        "n3 is drained and would not keep vs3: `vsctl undrain n3` first\n"
    )


@pytest.mark.slow
def test_a_drain_says_what_stays(cib: Path) -> None:
    stays = "vs2 stays on n2: it is pinned; `vsctl move vs2 NODE` moves it\n"
    assert said("drain", "n2", cib=cib) == stays
    assert said("drain", "n2", cib=cib) == stays
    assert said("undrain", "n2", cib=cib) == (
        "n2 can be used again; nothing moves by itself, `vsctl failback` brings home what\n    belongs there\n"
    )
    assert said("undrain", "n2", cib=cib) == "n2 is not drained\n"


@pytest.mark.slow
def test_a_drain_that_no_other_node_can_answer(cib: Path) -> None:
    cib.write_bytes(after(cib.read_bytes(), "--node-fail", "n3"))
    assert said("drain", "n1", cib=cib) == (
        "vs1 moves n1 -> n2\nvs3 stays on n1: no other node can take it\n"
    )


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["move", "vs3", "n2"], "vs3 cannot run on n2: the nodes that the cluster file allows it, and that have its subnets and its storage, are n1, n3\n"),
        (["move", "vs", "n1"], "there is no virtual server vs: there are vs1, vs2 and vs3\n"),
        (["move", "vs1", "m1"], "there is no node m1: there are n1, n2 and n3\n"),
        (["drain", "server"], "there is no node server: there are n1, n2 and n3\n"),
        (["failback", "n1"], "there is no virtual server n1: there are vs1, vs2 and vs3\n"),
        (["cleanup", "vs1"], "cleanup is for the running cluster: a CIB in a file tries nothing\n"),
        (["smb-user", "vs2", "list"], "vs2 has no SMB share: add one to the cluster file first\n"),
        (["smb-user", "vs3", "add", "bob"], "vs3 runs on n3: do this on n3, where its accounts are\n"),
        (["simulate", "--fail", "node:n4"], "there is no node n4: there are n1, n2 and n3\n"),
        (["simulate", "--fail", "port:n1/e9"], "there is no port of n1 e9: there are e0a, e0b and e1a\n"),
        (["simulate", "--fail", "filesystem:vs1/date"], "there is no filesystem of vs1 date: did you mean data?\n"),
        (["simulate", "--fail", "nodes:n1"], "nodes:n1 is no failure that can be simulated: write node:NODE, port:NODE/PORT, subnet:NODE/SUBNET, storage:NODE/UNIT, filesystem:VS/FILESYSTEM\n"),
    ],
)  # fmt: skip
def test_refusals_are_one_sentence_and_change_nothing(cib: Path, argv: list[str], sentence: str) -> None:
    before, done = cib.read_bytes(), vsctl(*argv, "--cib", cib)
    assert (done.status, done.out) == (1, "")
    assert done.err == sentence
    assert cib.read_bytes() == before


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["smb-user", "vs3", "list", "bob"], "list takes no NAME"),
        (["smb-user", "vs3", "add"], "add needs a NAME"),
        (["smb-user", "vs3", "remove", "bob", "--group", "staff"], "remove takes no --group"),
        (["simulate"], "Missing option '--fail'"),
        (["move", "vs1"], "Missing argument 'NODE'"),
        (["status", "--wach"], "No such option"),
        (["apply", "--limit", "soon", "nas.yaml"], "is not a valid float"),
        (["aply"], "there is no command aply: did you mean apply?"),
        (["completion", "tcsh"], "is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_what_is_not_understood_is_one_sentence_too(argv: list[str], words: str) -> None:
    done = vsctl(*argv)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert words in done.err and "--help)" in done.err


@pytest.mark.slow
def test_faults_one_after_the_other(cib: Path) -> None:
    faults = ("node:n3", "port:n1/e0a", "port:n1/e0b", "storage:n2/san1", "filesystem:vs1/data")
    done = vsctl("simulate", "--cib", cib, *(word for each in faults for word in ("--fail", each)))
    routed = "    vs1 is reached on lan-a through n2\n    vs3 is reached on lan-a through n2\n"
    assert done.out == (
        "fail node:n3\n    vs3 moves n3 -> n1\n"
        "fail port:n1/e0a\n    nothing moves\n"
        f"fail port:n1/e0b\n{routed}"
        f"fail storage:n2/san1\n{routed}"
        f"fail filesystem:vs1/data\n    restarted: vs1-fs-data, vs1-exp-data, vs1-shr-data\n{routed}"
    )
    twice = vsctl("simulate", "--cib", cib, "--fail", "node:n3", "--fail", "subnet:n3/lan-a")
    assert twice.err == "subnet:n3/lan-a: n3 is down already, nothing more of it can fail\n"


@pytest.mark.slow
def test_a_server_to_which_nobody_can_route_leaves(cib: Path) -> None:
    faults = ("subnet:n1/lan-b", "subnet:n2/lan-b", "subnet:n3/lan-a")
    done = vsctl("simulate", "--cib", cib, *(word for each in faults for word in ("--fail", each)))
    assert done.out.rpartition("fail subnet:n3/lan-a\n")[2].splitlines()[0] == "    vs3 moves n3 -> n1"
    assert "vs3 is reached" not in done.out


def test_a_bridge_that_will_be_over_is_foreseen(tmp_path: Path) -> None:
    file = tmp_path / "nas.yaml"
    file.write_text(CLUSTER_FILE.replace("  vs3:\n", "  vs3:\n    bridge: 10m\n"))
    done = vsctl("simulate", file, "--fail", "subnet:n3/lan-a")
    assert done.out == (
        "fail subnet:n3/lan-a\n"
        "    vs3 is reached on lan-a through n2\n"
        "    when its bridge is over: vs3 moves n3 -> n1\n"
    )


def test_a_server_comes_home_when_its_node_is_back_and_failback_is_said(cib: Path) -> None:
    cib.write_bytes(up_again(after(cib.read_bytes(), "--node-fail", "n3"), "n3"))
    assert "vs3     serving  n1" in vsctl("status", "--cib", cib).out
    assert "home is n3" in vsctl("status", "--cib", cib).out
