"""What the storage and server agents read and write, without a server."""

import os
import socket
from pathlib import Path

import pytest

from vsctl.agents import (
    accounts,
    entries,
    files,
    fragments,
    ganesha,
    grafts,
    mounts,
    processes,
    programs,
    resident,
    samba,
)
from vsctl.agents.nfs import Nfs
from vsctl.agents.ocf import Misconfigured
from vsctl.agents.smb import Smb

EXPORT = "/a%20b /seen id=7 squash=all 192.0.2.0/24=rw *=ro host.example.org=rw 192.0.2.64/26=ro 192.0.2.9=ro"


def test_an_export_is_read_with_its_escapes():
    (export,) = entries.exports(EXPORT)
    assert (export.path, export.seen_as, export.id, export.squash) == ("/a b", "/seen", 7, "all")
    assert export.clients[0] == ("192.0.2.0/24", "rw")
    assert export.identity == "7 /seen /a%20b"


def test_many_exports_and_none_are_read():
    assert [each.id for each in entries.exports(" /a /a id=1 ; /b /b id=2;")] == [1, 2]
    assert entries.exports("") == ()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/a /a", "is not `path"),
        ("/a /a *=rw", "needs id="),
        ("/a /a id=65536", "needs id="),
        ("a /a id=1", "not an absolute path"),
        ("/a/../b /a id=1", "without . and .."),
        ("/a /a id=1 squash=some", "'squash=some' of /a is not understood"),
        ("/a /a id=1 192.0.2.1=wr", "is not understood"),
        ("/a /a id=1 *%3b%7dEXPORT=rw", "is not understood"),
        ("/a%22 /a id=1", "holds a character"),
        ("/a%0a /a id=1", "holds a character"),
    ],
)
def test_a_wrong_export_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=r".") as refused:
        entries.exports(text)
    assert sentence in str(refused.value)


def test_a_share_is_read():
    (share,) = entries.shares("big%20room /a%3Bb access=ro users=alice,@staff")
    assert (share.name, share.path, share.access, share.users) == (
        "big room",
        "/a;b",
        "ro",
        ("alice", "@staff"),
    )


@pytest.mark.parametrize(
    "text", ["a", "a b", "a%5D /b", "a%2Fb /b", "a /b access=all", "a /b users", "%0a /b"]
)
def test_a_wrong_share_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        entries.shares(text)


def test_the_closest_client_comes_first_and_everybody_else_gets_nothing():
    text = ganesha.export("/srv/vsctl/vs1/data/a b", entries.exports(EXPORT)[0])
    clients = [line.split("Clients = ")[1].split(";")[0] for line in text.splitlines() if "CLIENT" in line]
    assert clients == [
        "127.0.0.1",
        "host.example.org",
        "192.0.2.9",
        "192.0.2.64/26",
        "192.0.2.0/24",
        "*",
    ]
    assert "    Access_Type = NONE;\n" in text
    assert "Squash = All_Squash;" in text


def test_a_share_without_users_lets_nobody_in():
    (share,) = entries.shares("a /a")
    assert "available = no" in samba.share("/srv/vsctl/vs1/data/a", share)


def test_fragments_make_one_whole(tmp_path):
    whole = str(tmp_path / "exports")
    fragments.begin(whole)
    fragments.publish(whole, "data", "data\n")
    fragments.publish(whole, "archive", "archive\n")
    assert files.read(f"{whole}.conf") == "archive\ndata\n"
    fragments.publish(whole, "data", "")
    assert files.read(f"{whole}.conf") == "archive\n"
    assert Path(fragments.path(whole, "data")).exists()
    fragments.begin(whole)
    assert files.read(f"{whole}.conf") == ""


def test_a_mount_is_read_from_the_kernels_line():
    line = (
        r"36 25 8:17 / /srv/vsctl/vs1/a\040b rw,noatime shared:9 master:1 - ext4 /dev/sd\134b rw,emergency_ro"
        "\n"
    )
    mount = mounts.Mount(line)
    assert (mount.point, mount.type, mount.source, mount.shared) == (
        "/srv/vsctl/vs1/a b",
        "ext4",
        "/dev/sd\\b",
        True,
    )
    assert mount.device == os.makedev(8, 17)
    assert mount.root == "/"
    assert "noatime" in mount.options
    assert "emergency_ro" in mount.options


@pytest.mark.parametrize(
    ("root", "top", "now"),
    [
        ("/projects", "/", "/projects"),
        ("/a/b", "/", "/a/b"),
        ("/", "/", "/"),
        ("/projects//deleted", "/", None),
        ("/@data/projects", "/@data", "/projects"),
        ("/@data", "/@data", "/"),
    ],
)
def test_the_kernel_says_where_a_directory_is_now(root, top, now):
    """`top` is what of the filesystem is mounted, a subvolume for one."""
    line = f"36 25 8:17 {root} /srv/vsctl/_served/data.0 rw master:1 - ext4 /dev/sdb rw\n"
    assert grafts.Graft(mounts.Mount(line), top).now == now


@pytest.mark.parametrize(
    ("offset", "magic", "type"),
    [(0x438, b"\x53\xef", "ext4"), (0, b"XFSB", "xfs"), (0x10040, b"_BHRfS_M", "btrfs"), (9, b"x", None)],
)
def test_a_filesystem_is_known_by_its_superblock(tmp_path, offset, magic, type):
    device = tmp_path / "device"
    device.write_bytes(bytes(offset) + magic + bytes(0x20000))
    assert mounts.type_of(str(device)) == type


def test_only_a_type_that_cannot_be_told_is_believed():
    assert mounts.matches("ext4", "ext3")
    assert not mounts.matches("xfs", "ext4")
    assert not mounts.matches(None, "xfs")
    assert mounts.matches(None, "ocfs2")
    assert not mounts.matches("ext4", "ocfs2")


def test_a_command_of_the_node_says_what_it_said():
    assert programs.ask(["sh", "-c", "echo out; echo err >&2; exit 3"]) == (3, "out\nerr")


def test_what_is_late_is_killed_with_all_that_it_has_begun(tmp_path):
    """As the helper of a mount(8), which would else mount when nobody expects it any more."""
    begun = tmp_path / "begun"
    with pytest.raises(TimeoutError):
        programs.ask(["sh", "-c", f"sh -c 'echo $$ > {begun}; sleep 300' & wait"], limit=0.5)
    process = int(begun.read_text())
    assert processes.until(lambda: resident.born(process) is None, 5)


def test_a_condition_is_asked_until_it_holds_or_patience_runs_out():
    answers = iter([False, False, True])
    assert processes.until(lambda: next(answers), 5)
    assert not processes.until(lambda: False, 0.01)


@pytest.mark.parametrize("name", ["", "-a", "a:b", "a b", "a\n", "ä", "a" * 33])
def test_a_name_that_no_account_can_have_is_refused(name):
    with pytest.raises(accounts.Refused, match="cannot be the name of an account"):
        accounts.add("vs1", name, (), "secret")


@pytest.mark.parametrize("names", [("nobody",), ("nogroup",), ("alice", "root"), ("alice", "nobody")])
def test_the_systems_names_are_refused(names):
    with pytest.raises(accounts.Refused, match=f"{names[-1]} belongs to the system"):
        accounts.add("vs1", names[0], names[1:], "secret")


@pytest.mark.parametrize("text", ["", "-1", "0", "181", "1.5", "٣"])
def test_seconds_that_ganesha_would_not_take_are_refused(monkeypatch, text):
    monkeypatch.setenv("OCF_RESKEY_grace", text)
    with pytest.raises(Misconfigured, match="from 1 to 180"):
        Nfs().grace  # noqa: B018


@pytest.mark.parametrize("text", ["", "Ä", "vs 1", "a" * 16])
def test_a_netbios_name_is_plain(monkeypatch, text):
    monkeypatch.setenv("OCF_RESKEY_netbios", text)
    with pytest.raises(Misconfigured, match="NetBIOS name is"):
        Smb().netbios  # noqa: B018


def test_an_empty_password_is_refused():
    with pytest.raises(accounts.Refused, match="is empty"):
        accounts.add("vs1", "alice", (), "")


def test_a_server_that_closes_at_once_does_not_answer():
    from vsctl.agents import rpc, smb2

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connection = rpc.Connection(port, 5)
        server.accept()[0].close()
        with pytest.raises(OSError, match=r"closed|reset|Broken"):
            connection.null(rpc.NFS, 3)
        connection.close()
    with pytest.raises(OSError, match="refused"):
        smb2.Connection(port, 5)
