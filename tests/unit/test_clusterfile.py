"""What a cluster file becomes, whatever is in it."""

from __future__ import annotations

import json
from importlib.resources import files
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.anything import anything_of
from tests.unit.cases import FILE, cases, said, whole
from vsctl.cli import clusterfile
from vsctl.cli.clusterfile import schema
from vsctl.cli.clusterfile.declarations import CLUSTER_FILE
from vsctl.cli.clusterfile.shapes import Choice, Either, List, Record, Table
from vsctl.policy.exportid import export_id
from vsctl.policy.model import (
    Access,
    Balance,
    Bgp,
    Capacity,
    Cluster,
    Failback,
    FailbackMode,
    FenceDevice,
    Fencing,
    Filesystem,
    Hours,
    Load,
    NfsClient,
    NfsExport,
    Node,
    OnStorageLoss,
    OnSubnetLoss,
    Ospf,
    Peer,
    Port,
    Repair,
    RepairMode,
    SmbShare,
    Squash,
    StorageUnit,
    Subnet,
)

TOP = Path(__file__).parents[2]
EXAMPLES = sorted((TOP / "docs" / "examples").glob("*.yaml"))
EXAMPLE = (TOP / "docs" / "examples" / "nas1.yaml").read_text()
SHIPPED = (files("vsctl.cli.clusterfile") / "cluster-file.schema.json").read_text("utf-8")
GIGA = 10**9


def cluster_of(text: str) -> Cluster:
    cluster, problems = clusterfile.read(text, FILE)
    assert cluster is not None, problems
    return cluster


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_has_neither_problems_nor_notes(file: Path) -> None:
    cluster, problems = clusterfile.load(str(file))
    assert cluster is not None
    assert problems == ()


def test_the_example_says_all_that_a_file_can_say() -> None:
    cluster = cluster_of(EXAMPLE)
    assert cluster.name == "nas1"
    assert cluster.subnets == (
        Subnet(
            "lan-a",
            (ip_network("192.0.2.0/24"), ip_network("2001:db8:a::/64")),
            (ip_address("192.0.2.1"), ip_address("2001:db8:a::1")),
            ospf=Ospf("0.0.0.0"),
        ),
        Subnet(
            "lan-b",
            (ip_network("198.51.100.0/24"), ip_network("2001:db8:b::/64")),
            (ip_address("198.51.100.1"), ip_address("2001:db8:b::1")),
            bgp=Bgp(
                64512,
                (Peer(ip_address("198.51.100.1"), 64500), Peer(ip_address("2001:db8:b::1"), 64500)),
                "/etc/vsctl/bgp",
                bfd=True,
            ),
        ),
    )
    assert cluster.storage == (
        StorageUnit("san1", ("n1", "n2", "n3")),
        StorageUnit("san2", ("n1", "n2", "n3")),
    )
    ports = (Port("e0a", "lan-a"), Port("e0b", "lan-a"), Port("e1a", "lan-b"))
    capacity = Capacity(cpu=16, memory=64 * 1024**3, network=20 * GIGA)
    assert cluster.nodes == (
        Node("n1", ports, capacity),
        Node("n2", ports, capacity),
        Node("n3", (Port("ens5", "lan-a"), Port("ens6", "lan-b"))),
    )
    device = FenceDevice(
        "fence_ipmilan",
        (("ip", "203.0.113.11"), ("username", "fence"), ("password_script", "/etc/vsctl/n1.sh")),
    )
    assert cluster.fencing[0] == Fencing("n1", ((device,),))

    vs1, vs2, vs3 = cluster.servers
    assert (vs1.priority, vs1.home, vs1.migrate, vs1.nodes) == (100, "n1", True, ("n1", "n2", "n3"))
    assert vs1.addresses == tuple(
        map(ip_interface, ("192.0.2.11/24", "198.51.100.11/24", "2001:db8:a::11/64"))
    )
    assert vs1.root == Filesystem("root", "/dev/disk/by-id/wwn-0x1", "xfs", "san1", ("noatime",))
    assert vs1.further_filesystems == (
        Filesystem(
            "data",
            "/dev/disk/by-id/wwn-0x2",
            "ext4",
            "san1",
            exports=(
                NfsExport(
                    "/projects",
                    "/data/projects",
                    export_id("vs1", "data", "/projects"),
                    (
                        NfsClient("192.0.2.0/24", Access.READ_WRITE),
                        NfsClient("build.example.org", Access.READ_ONLY),
                    ),
                    Squash.ROOT,
                ),
            ),
            shares=(SmbShare("projects", "/projects", ("alice", "bob"), Access.READ_WRITE),),
        ),
    )
    assert vs1.load == Load(cpu=4, network=2 * GIGA)
    assert vs2.pinned and vs2.home == "n2"
    assert (vs3.nodes, vs3.apart_from, vs3.bridge) == (("n1", "n3"), ("vs1",), 600)
    assert (vs3.on_subnet_loss, vs3.on_storage_loss) == (OnSubnetLoss.ROUTE, OnStorageLoss.STAY)
    assert (cluster.policy.balance, cluster.policy.repair) == (
        Balance(quiet=Hours(8 * 60, 18 * 60)),
        Repair(RepairMode.AUTO, keep_image=False),
    )


def test_fencing_has_levels_of_devices() -> None:
    piece = """fencing:
  n1: {agent: a}
  n2: [{agent: a, options: {lanplus: yes, port: 0623}}, [{agent: b}, {agent: c}]]
"""
    one, two = cluster_of(whole(piece)).fencing
    assert one.levels == ((FenceDevice("a"),),)
    # What is written is what the fence agent gets: neither yes nor 0623 mean anything to us.
    assert two.levels == (
        (FenceDevice("a", (("lanplus", "yes"), ("port", "0623"))),),
        (FenceDevice("b"), FenceDevice("c")),
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("manual", Failback()),
        ("auto", Failback(FailbackMode.AUTO)),
        ("{window: 22:00-05:00}", Failback(FailbackMode.WINDOW, 22 * 60, 5 * 60)),
        ('{window: "00:00-23:59"}', Failback(FailbackMode.WINDOW, 0, 23 * 60 + 59)),
    ],
)
def test_failback_is_a_word_or_a_window(written: str, meant: Failback) -> None:
    assert cluster_of(whole(f"policy: {{failback: {written}}}\n")).policy.failback == meant


def test_what_is_damaged_is_repaired_unless_the_file_says_otherwise() -> None:
    assert cluster_of(whole("policy: {}\n")).policy.repair.mode is RepairMode.AUTO
    assert cluster_of(whole("policy: {repair: {keep_image: true}}\n")).policy.repair.mode is RepairMode.AUTO
    assert cluster_of(whole("policy: {repair: {mode: off}}\n")).policy.repair.mode is RepairMode.OFF


def test_an_export_id_is_never_renumbered() -> None:
    assert export_id("vs1", "data", "/projects") == 16910
    assert export_id("vs1", "root", "/") == 30124


def test_hashes_that_collide_are_refused() -> None:
    path = next(
        f"/{number}"
        for number in range(10**6)
        if export_id("vs1", "root", f"/{number}") == export_id("vs1", "root", "/a")
    )
    exports = "".join(f"{{nfs: {{path: {each}, clients: {{192.0.2.0/24: rw}}}}}}, " for each in ("/a", path))
    text = whole(
        "virtual_servers:\n"
        f"  vs1: {{addresses: [192.0.2.11/24], filesystems: {{root: {{$disk1, exports: [{exports}]}}}}}}\n"
    )
    taken = export_id("vs1", "root", "/a")
    assert said(text) == [
        f"2: export {path} of vs1/root has the id {taken}, as /a of vs1/root has: "
        f"give the newer of the two id: {taken + 1}, which is free"
    ]


def test_a_list_where_a_file_should_be() -> None:
    needs = "write a mapping with name, subnets, storage, nodes and virtual_servers"
    assert said("[1, 2]") == [f"1: the cluster file is a list: {needs}"]
    assert said("\n\nnas1") == [f"3: the cluster file is nas1: {needs}"]
    assert said("# nothing\n") == [f"1: the file is empty: {needs}"]
    assert said("~") == [f"1: the cluster file is empty: {needs}"]


@pytest.mark.parametrize("text", ['<?xml version="1.0"?>\n<cib>\n</cib>\n', "<cib/>", "<cib>a: b: c</cib>"])
def test_a_cib_where_a_file_should_be(text: str) -> None:
    assert said(text) == ["1: this is XML: name the cluster file here, and a CIB with --cib"]


def test_control_characters_are_found() -> None:
    assert said("name: a\nx: \x01") == ["2: there is a control character here: remove it"]


def test_characters_that_are_half_of_one_are_found() -> None:
    assert said("name: a\nx: \ud800") == [
        "2: there is a character here that is not Unicode text: remove it",
    ]


def test_quotes_that_are_never_closed() -> None:
    assert said('name: nas1\nstorage: "san1\nnodes: {}\n') == [
        "4: the quotes opened on line 2 are never closed",
    ]


def test_nesting_is_bounded() -> None:
    assert said("[" * 200_000) == ["1: this is nested deeper than 24 levels: no cluster file is"]


def test_aliases_are_bounded() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert said(bomb) == ["6: with its aliases written out this has more than 200000 values: use fewer"]


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        (b"name: \xff\n", "{file}:1: this line is not UTF-8 text: save the file as UTF-8"),
        (b"a: 1\n" + b"\xfe\xff", "{file}:2: this line is not UTF-8 text: save the file as UTF-8"),
        (b"#" * (5 * 2**20), "{file}: the file has more than 4 MiB: no cluster file has"),
    ],
)
def test_bytes_that_are_no_cluster_file(tmp_path: Path, content: bytes, outcome: str) -> None:
    file = tmp_path / FILE
    file.write_bytes(content)
    cluster, problems = clusterfile.load(str(file))
    assert cluster is None
    assert [str(each) for each in problems] == [outcome.format(file=file)]


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.encode())
    assert clusterfile.load(str(file))[1] == ()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    missing, directory = tmp_path / FILE, tmp_path
    assert (
        str(clusterfile.load(str(missing))[1][0])
        == f"{missing}: there is no such file: name the cluster file"
    )
    assert str(clusterfile.load(str(directory))[1][0]) == (
        f"{directory}: this is a directory: name the cluster file in it"
    )
    assert clusterfile.load("\0")[0] is None


def keys_of(shape: object) -> set[str]:
    """Return every key that a shape declares, at any depth."""
    match shape:
        case Record():
            return set(shape.keys).union(*(keys_of(each.shape) for each in shape.keys.values()))
        case Table():
            return keys_of(shape.values)
        case List():
            return keys_of(shape.items)
        case Either():
            return keys_of(shape.mapping) | keys_of(shape.items)
    return set()


def words_of(shape: object) -> set[str]:
    match shape:
        case Choice():
            return set(shape.words)
        case Record():
            return set().union(*(words_of(each.shape) for each in shape.keys.values()))
        case Table():
            return words_of(shape.values)
        case List():
            return words_of(shape.items)
        case Either():
            return words_of(shape.word) | words_of(shape.mapping) | words_of(shape.items)
    return set()


KEYS = sorted(keys_of(CLUSTER_FILE))


def check_anything(text: str) -> None:
    """Assert what holds for every text: no exception, lines that are there, a cluster or a problem."""
    cluster, problems = clusterfile.read(text, FILE)
    assert (cluster is None) == any(not each.is_note for each in problems)
    lines = len(text.splitlines()) + 1
    for each in problems:
        assert 1 <= each.line <= lines, each
        assert each.sentence == each.sentence.strip() and "\n" not in each.sentence
        assert "None" not in each.sentence or "None" in text  # the operator's word, or a value of ours
    assert list(problems) == sorted(problems, key=lambda each: each.line)


@given(st.text())
@example("None")
def test_any_text_is_answered(text: str) -> None:
    check_anything(text)


@given(st.text(alphabet="abn12:-[]{}&*!|>'\"%@`#,? \n\t<\0\ud800é"))
def test_any_text_of_yamls_own_characters_is_answered(text: str) -> None:
    check_anything(text)


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.slow
@pytest.mark.parametrize("odd", [10, 60])
@pytest.mark.parametrize("examples", [10, pytest.param(300, marks=pytest.mark.full)])
def test_anything_like_a_cluster_file_is_answered(odd: int, examples: int) -> None:
    law = given(data=st.data())(anything_like_a_cluster_file)
    settings(max_examples=examples, deadline=None, suppress_health_check=SLOW)(law)(odd)


def anything_like_a_cluster_file(odd: int, data: st.DataObject) -> None:
    value = data.draw(anything_of(CLUSTER_FILE, odd=odd))
    check_anything(yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False))


@given(st.data())
@settings(deadline=None)
def test_any_damage_to_a_file_is_answered(data: st.DataObject) -> None:
    lines = EXAMPLE.splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(lines) - 1))
        damage = data.draw(st.sampled_from(["drop", "double", "cut", "indent", "swap"]))
        if damage == "drop":
            lines[number] = ""
        elif damage == "double":
            lines.insert(number, lines[number])
        elif damage == "cut":
            lines[number] = lines[number][: data.draw(st.integers(0, len(lines[number])))] + "\n"
        elif damage == "indent":
            lines[number] = "  " + lines[number]
        else:
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[number], lines[other] = lines[other], lines[number]
    check_anything("".join(lines))


def test_the_shipped_schema_is_current() -> None:
    assert schema.as_text() == SHIPPED, "vsctl check --schema > cli/clusterfile/cluster-file.schema.json"


def test_the_schema_is_one_and_accepts_the_examples() -> None:
    described = json.loads(SHIPPED)
    jsonschema.Draft202012Validator.check_schema(described)
    for file in EXAMPLES:
        jsonschema.validate(yaml.safe_load(file.read_text()), described)


@pytest.mark.parametrize(
    "piece",
    [
        "nmae: x\n",
        "nodes: {n1: {}}\n",
        "virtual_servers: {vs1: {$vs1, priority: high}}\n",
        "virtual_servers: {VS1: {$vs1}}\n",
        "virtual_servers: {vs1: {$vs1, bridge: 10}}\n",
        "policy: {failback: sometimes}\n",
        "fencing: {n1: fence_ipmilan}\n",
        "subnets: {}\n",
    ],
)
def test_the_schema_refuses_what_check_refuses(piece: str) -> None:
    text = whole(piece)
    assert said(text)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema.json_schema())


def test_the_schema_accepts_what_check_accepts() -> None:
    accepted = [
        case for case in cases("problems") if clusterfile.read(whole(case.piece), FILE)[0] is not None
    ]
    assert len(accepted) > 10
    for case in accepted:
        # YAML 1.1 makes truth values of yes and off, where editors follow YAML 1.2.
        value = yaml.load(whole(case.piece), Loader=yaml.BaseLoader)
        errors = list(jsonschema.Draft202012Validator(schema.json_schema()).iter_errors(value))
        assert [each.message for each in errors if "is not of type" not in each.message] == [], case.title


def test_the_reference_names_every_key() -> None:
    reference = (TOP / "docs" / "cluster-file.md").read_text()
    assert [key for key in KEYS if f"`{key}`" not in reference] == []
    assert [word for word in words_of(CLUSTER_FILE) if f"`{word}`" not in reference] == []
