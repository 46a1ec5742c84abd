"""Actions that are killed in the middle: whatever comes next finds its way, and nothing is left behind."""

import pytest

from tests import kills
from tests.kills import steps
from tests.servers.node import is_free
from tests.servers.servers import Server

pytestmark = pytest.mark.node

BELOW = {
    "nfs": ("root", "data"),
    "smb": ("root", "data"),
    "exports": ("root", "nfs", "data"),
    "shares": ("root", "smb", "data"),
}
resources = pytest.mark.parametrize("resource", BELOW)


def killed(vs1: Server, resource: str, action: str, step: float):
    def do(after: float) -> tuple[int, str]:
        done = vs1.do(resource, action, killed_after=after)
        return done.status, done.said

    return kills.kills(do, step)


@steps
@resources
def test_a_start_that_was_killed_at_any_point_is_stopped_or_repeated(node, resource, step):
    vs1 = Server(node, "vs1").start(*BELOW[resource])
    for number, after in enumerate(killed(vs1, resource, "start", step)):
        seen = vs1.do(resource, "monitor")
        assert seen.status in (0, 1, 7), f"after {after:.3f} s: {seen.said}"
        assert "Traceback" not in seen.said
        if number % 2:
            vs1.start(resource)
            assert vs1.monitor(resource) == 0
        vs1.stop(resource)
        assert vs1.monitor(resource) == 7, f"after {after:.3f} s"
    assert vs1.monitor(resource) == 0
    assert_nothing_is_left_of(vs1, resource)


@steps
@resources
def test_a_stop_that_was_killed_at_any_point_is_repeated(node, resource, step):
    vs1 = Server(node, "vs1").start(*BELOW[resource], resource)
    for after in killed(vs1, resource, "stop", step):
        seen = vs1.do(resource, "monitor")
        assert seen.status in (0, 1, 7), f"after {after:.3f} s: {seen.said}"
        assert "Traceback" not in seen.said
        vs1.stop(resource)
        assert vs1.monitor(resource) == 7, f"after {after:.3f} s"
        vs1.start(resource)
        assert vs1.monitor(resource) == 0, f"after {after:.3f} s"
    assert vs1.monitor(resource) == 7
    assert_nothing_is_left_of(vs1, resource)


def assert_nothing_is_left_of(vs1: Server, resource: str) -> None:
    """Stop all from the top, and see that neither processes nor mounts keep anything."""
    vs1.gate("stop")  # and with it the relay, which exports that go alone have begun
    vs1.stop(resource)
    for each in reversed(BELOW[resource]):
        said = vs1.do(each, "stop")
        assert (said.status, said.said) == (0, ""), "it had to end or unmount what was left"
    daemons = "from vsctl.agents import namespaces; print(namespaces.processes('vs1'))"
    assert vs1.node.python(daemons).said == "[]\n"
    assert all(is_free(vs1.parameters[each]["device"]) for each in ("root", "data"))
