"""R1: two virtual servers share a node, and what belongs to one cannot be seen through the other."""

from __future__ import annotations

import subprocess

import pytest

from tests.lab.machine import Machine
from tests.lab.stage import Stage
from tests.requirements.cast import USERS

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

VS1, VS1_B, VS1_6 = "192.0.2.11", "198.51.100.11", "2001:db8:a::11"
VS2, VS2_6 = "192.0.2.12", "2001:db8:a::12"
C2, C2_6 = "198.51.100.202", "2001:db8:b::202"


@pytest.fixture
def c1(two: Stage) -> Machine:
    return two.lab.client("c1")


@pytest.fixture
def c2(two: Stage) -> Machine:
    return two.lab.client("c2")


def ask(client: Machine, *question: str) -> subprocess.CompletedProcess[str]:
    return client.ask("tests.lab.clients.ask", *question)


def refused(client: Machine, *question: str) -> str:
    """Return how a question is refused; that it is answered fails the test."""
    answer = ask(client, *question)
    assert answer.returncode == 1, f"{' '.join(question)} was answered: {answer.stdout}{answer.stderr}"
    return answer.stdout


def smbclient(client: Machine, *words: str) -> subprocess.CompletedProcess[str]:
    return client.run(["smbclient", "--option=client min protocol=SMB2", *words], check=False)


def test_two_servers_share_a_node(two: Stage) -> None:
    assert two.node_of("vs1") == two.node_of("vs2") == "n1"


def test_each_address_shows_its_own_exports_only(two: Stage, c1: Machine, c2: Machine) -> None:
    for client, address in ((c1, VS1), (c1, VS1_B), (c1, VS1_6), (c2, VS1_B), (c2, VS1)):
        said = client.run(["showmount", "--no-headers", "-e", address]).stdout
        assert "/data/projects" in said and "/root/home" not in said
    said = c1.run(["showmount", "--no-headers", "-e", VS2]).stdout
    assert "/root/home" in said and "/data/projects" not in said


def test_nfs3_mounts_nothing_of_another_server(two: Stage, c1: Machine) -> None:
    for own, other in ((VS1, VS2), (VS1_6, VS2_6)):
        assert ask(c1, "mount", own, "/data/projects").returncode == 0
        for path in ("/root/home", "/home", "/srv/vsctl/vs2/root/home", "/srv/vsctl/vs1/root", "/root", "/"):
            assert "NfsError" in refused(c1, "mount", own, path)
        for path in ("/data/projects", "/srv/vsctl/vs1/data/projects", "/root/.vsctl", "/"):
            assert "NfsError" in refused(c1, "mount", other, path)


def test_nfs4_lists_nothing_of_another_server(two: Stage, c1: Machine) -> None:
    for address in (VS1, VS1_6):
        top = c1.run(["nfs-ls", f"nfs://{address}/?version=4"]).stdout
        assert "data" in top and "root" not in top and "home" not in top
        for path in ("/root/home", "/root", "/home"):
            assert c1.run(["nfs-ls", f"nfs://{address}{path}?version=4"], check=False).returncode != 0
    assert c1.run(["nfs-ls", f"nfs://{VS2}/data/projects?version=4"], check=False).returncode != 0


def test_a_file_handle_of_another_server_gets_nothing(two: Stage, c1: Machine) -> None:
    handle = ask(c1, "file", VS2, "/root/home", "secret").stdout.strip()
    assert ask(c1, "getattr", VS2, handle).stdout == "known\n"
    handle4 = ask(c1, "file4", VS2, "/root/home/secret").stdout.strip()
    assert ask(c1, "getattr4", VS2, handle4).stdout == "known\n"
    for address in (VS1, VS1_B, VS1_6):
        assert "NFS3ERR" in refused(c1, "getattr", address, handle)
        assert "NfsError" in refused(c1, "getattr4", address, handle4)


def test_the_portmapper_lists_its_own_server_only(two: Stage, c1: Machine) -> None:
    """All servers use the same ports: each lists every service once, and nothing else; the node has no portmapper."""
    for address in (VS1, VS1_6, VS2):
        listed = ask(c1, "ports", address).stdout.splitlines()
        assert "100003 3 tcp 2049" in listed
        assert len(listed) == len(set(listed))
        assert {line.split()[3] for line in listed} == {"111", "662", "2049", "20048", "32803"}
    refused(c1, "ports", "192.0.2.101")


def test_smb_shows_nothing_of_another_server(two: Stage, c1: Machine, c2: Machine) -> None:
    alice, bob = ("%".join(USERS[each]) for each in ("vs1", "vs2"))
    listed = smbclient(c1, "--user", alice, "--list", VS1).stdout
    assert "projects" in listed and "home" not in listed
    assert smbclient(c1, f"//{VS1}/projects", "--user", alice, "--command", "ls").returncode == 0
    assert smbclient(c1, f"//{VS2}/home", "--user", bob, "--command", "ls").returncode == 0

    for client, address in ((c1, VS1), (c1, VS1_6), (c2, VS1_B)):
        strangers = smbclient(client, f"//{address}/IPC$", "--user", bob, "--command", "help")
        assert "NT_STATUS_LOGON_FAILURE" in strangers.stdout
        assert (
            "NT_STATUS_BAD_NETWORK_NAME"
            in smbclient(client, f"//{address}/home", "--user", alice, "--command", "ls").stdout
        )
        nobody = smbclient(client, "--no-pass", "--user", "%", "--list", address)
        assert "projects" not in nobody.stdout, "who has no account does not even see the names of shares"
        names = client.run(["rpcclient", "-U", bob, "-c", "enumdomusers", address], check=False)
        assert "alice" not in names.stdout and names.returncode != 0


def test_an_address_on_no_list_gets_nothing(two: Stage, c1: Machine, c2: Machine) -> None:
    """c2 reaches vs2 through the router, and vs2 has no export for its network."""
    assert ask(c2, "nfs4", VS2, "0").returncode == 0, "it does reach the server"
    assert "NfsError" in refused(c2, "mount", VS2, "/root/home")
    assert c2.run(["nfs-ls", f"nfs://{VS2}/root/home?version=4"], check=False).returncode != 0
    handle = ask(c1, "mount", VS2, "/root/home").stdout.strip()
    assert refused(c2, "getattr", VS2, handle), "not even with a handle it was told"
    refused(c2, "getattr4", VS2, ask(c1, "file4", VS2, "/root/home").stdout.strip())


def test_the_node_forwards_nothing_else(two: Stage, c1: Machine) -> None:
    """n1 forwards for its servers; c1 uses it as a router to what is no server's."""
    for address in (VS1, VS1_6, C2, C2_6):
        assert _reaches(c1, address), f"by the router {address} is reached"
    routes = ((C2, "192.0.2.101"), ("10.77.0.2", "192.0.2.101"), (C2_6, "2001:db8:a::101"))
    for target, node in routes:
        family = "-6" if ":" in target else "-4"
        c1.run(["ip", family, "route", "add", target, "via", node])
        try:
            assert not _reaches(c1, target), f"{node} forwards to {target}"
        finally:
            c1.run(["ip", family, "route", "del", target, "via", node])


def test_servers_of_a_node_do_not_reach_each_other(two: Stage) -> None:
    node = two.lab.node("n1")
    for address in (VS2, VS2_6):
        inside = ["ip", "netns", "exec", "vs1", "ping", "-c1", "-W1", address]
        assert node.run(inside, check=False).returncode != 0


def test_daemons_of_one_server_see_no_run_of_another(two: Stage) -> None:
    node = two.lab.node("n1")
    for server, other in (("vs1", "vs2"), ("vs2", "vs1")):
        pid = node.run(["cat", f"/run/vsctl/{server}/ganesha.pid"]).stdout.split()[0]
        assert node.run(["test", "-e", f"/proc/{pid}/root/run/vsctl/{server}"], check=False).returncode == 0
        assert node.run(["test", "-e", f"/proc/{pid}/root/run/vsctl/{other}"], check=False).returncode != 0


def _reaches(client: Machine, address: str) -> bool:
    return client.run(["ping", "-c1", "-W1", address], check=False).returncode == 0
