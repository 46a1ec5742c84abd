"""What fence agents are told is in the fencing devices, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from tests.cli.vsctl import vsctl

SECRET = b"not-for-reports"


def with_secret(cib: Path) -> bytes:
    """Let the device of n1 be told a password, as an apply with one in the file would."""
    tree = etree.fromstring(cib.read_bytes())
    told = tree.find(".//primitive[@id='fence-n1']/instance_attributes")
    assert told is not None
    etree.SubElement(
        told, "nvpair", {"id": "vsctl-param-fence-n1.password", "name": "password", "value": SECRET.decode()}
    )
    return etree.tostring(tree)


def test_a_command_that_writes_the_configuration_again_keeps_it_in_its_one_place(cib: Path) -> None:
    cib.write_bytes(with_secret(cib))
    assert vsctl("move", "vs1", "n2", "--cib", cib).status == 0
    tree = etree.fromstring(cib.read_bytes())
    places = [each.get("id") for each in tree.iter() if SECRET.decode() in each.get("value", "")]
    assert places == ["vsctl-param-fence-n1.password"]


def test_a_device_that_is_gone_is_not_made_again_without_it(cib: Path) -> None:
    tree = etree.fromstring(cib.read_bytes())
    for device in tree.findall(".//primitive[@id='fence-n1']"):
        parent = device.getparent()
        assert parent is not None
        parent.remove(device)
    cib.write_bytes(etree.tostring(tree))
    done = vsctl("move", "vs1", "n2", "--cib", cib)
    assert done.status == 1
    assert "fence-n1 is no longer in the cluster" in done.err
    assert cib.read_bytes() == etree.tostring(tree)


def test_what_is_stored_of_a_file_has_none_of_it(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "docs/examples/nas1.yaml"
    file = tmp_path / "nas1.yaml"
    file.write_text(
        example.read_text().replace("username: fence", f"username: fence, password: {SECRET.decode()}")
    )
    rendered = vsctl("render", file).out
    tree = etree.fromstring(rendered.encode())
    places = [each.get("name") for each in tree.iter("nvpair") if SECRET.decode() in each.get("value", "")]
    assert set(places) == {"password"}
