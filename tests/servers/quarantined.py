"""A node's filesystem and its quarantine: the cluster is a CIB in a file, which agents read and change with cibadmin."""

import json
from pathlib import Path
from xml.etree import ElementTree

CIB = """<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0">
<configuration><crm_config><cluster_property_set id="vsctl"/></crm_config><nodes/>
<resources>{resources}</resources><constraints>{constraints}</constraints></configuration><status/></cib>"""
LOCATION = """<rsc_location id="vsctl-{rule}-vs1.data" rsc="{resource}">
<rule id="vsctl-{rule}-vs1.data.rule" score="{score}" boolean-op="and">
<expression id="vsctl-{rule}-vs1.data.1" attribute="#uname" operation="defined"/></rule></rsc_location>"""
PARTS = (
    ("quarantine", "vs1-fs-data", "0"),
    ("repair", "vs1-repair-data", "-INFINITY"),
)
OVER, REPAIR, PERSON = (
    ("0", "-INFINITY"),
    ("-INFINITY", "0"),
    ("-INFINITY", "-INFINITY"),
)
"""The scores of the two."""

TABLE_AND_SIZE = ("Inode table at ", "Block size:")
"""What dumpe2fs(8) calls the first block of the (first) inode table, and how large blocks are."""


class Cluster:
    """What stands for the cluster: its configuration."""

    def __init__(self, file: Path) -> None:
        self.file = file
        resources = "".join(
            f'<primitive id="{each}" class="ocf" provider="heartbeat" type="Dummy"/>' for _, each, _ in PARTS
        )
        constraints = "".join(
            LOCATION.format(rule=rule, resource=each, score=score) for rule, each, score in PARTS
        )
        file.write_text(CIB.format(resources=resources, constraints=constraints))

    def _read(self) -> ElementTree.Element:
        """Return what is in the file; cibadmin writes it in place."""
        while True:
            try:
                return ElementTree.fromstring(self.file.read_text())
            except ElementTree.ParseError:
                continue

    @property
    def scores(self) -> tuple[str, ...]:
        tree = self._read()
        return tuple(
            tree.find(f".//rule[@id='vsctl-{rule}-vs1.data.rule']").get("score") for rule, *_ in PARTS
        )

    @property
    def record(self) -> dict:
        found = self._read().find(".//nvpair[@name='vsctl-quarantined-vs1.data']")
        return {} if found is None else json.loads(found.get("value"))


def data(device: str, type: str = "ext4") -> dict[str, str]:
    return {"server": "vs1", "filesystem": "data", "device": device, "type": type, "CRM_meta_on_node": "n1"}


def break_ext4(node, device: str) -> None:
    node.run(f"sh -c 'echo damage > /sys/fs/ext4/{Path(device).name}/trigger_fs_error'")


def shut_xfs_down(node, device: str) -> None:
    node.run("xfs_io -x -c shutdown /srv/vsctl/vs1/data")
