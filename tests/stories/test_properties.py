"""What holds in every story: random clusters and failures, judged by the real scheduler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stories import cast
from tests.stories.scheduler import Scheduler
from vsctl.policy.hand import NO_HAND
from vsctl.policy.model import Cluster, OnStorageLoss, VirtualServer

NODES = ("n1", "n2", "n3")
FEW = settings(deadline=None, max_examples=3, derandomize=True)
MANY = settings(deadline=None, max_examples=40)

words = st.builds(
    lambda *parts: " ".join(filter(None, parts)),
    st.sampled_from(["", "priority=10", "priority=20"]),
    st.sampled_from(["", "", "home=n1", "home=n2", "pinned home=n1", "pinned home=n3"]),
    st.sampled_from(["storage=san1", "storage=san2", "filesystems=root,data storage=san1,san2"]),
    st.sampled_from(["", "subnets=lan-a,lan-b", "on_subnet_loss=move"]),
)
clusters = st.builds(
    lambda failback, lines: cast.cluster(
        [
            f"nodes: {' '.join(NODES)}",
            f"policy: failback={failback}",
            *(f"vs{at}: {line}" for at, line in enumerate(lines, 1)),
        ]
    ),
    st.sampled_from(["manual", "auto", "00:00-12:00", "12:00-00:00"]),
    st.lists(words, min_size=1, max_size=5),
)
losses = st.lists(
    st.one_of(
        st.tuples(st.just("storage"), st.sampled_from(NODES), st.sampled_from(["san1", "san2"])),
        st.tuples(st.just("subnet"), st.sampled_from(NODES), st.sampled_from(["lan-a", "lan-b"])),
    ),
    max_size=3,
)


def home(server: VirtualServer) -> str:
    assert server.home
    return server.home


def has_storage(cluster: Cluster, world: Scheduler, server: VirtualServer, node: str) -> bool:
    return not any(("storage", node, each.storage) in world.lost for each in server.filesystems)


def after_any_failures(cluster: Cluster, lost: list[tuple[str, str, str]], dead: str) -> None:
    with TemporaryDirectory() as folder:
        world = Scheduler(Path(folder))
        world.apply(cluster, NO_HAND)
        before = dict(world.settle().servers)
        assert all(before.values()), "every server runs when nothing is wrong"
        assert all(before[each.name] == each.home for each in cluster.servers if each.home)

        world.apply(cluster, NO_HAND)
        again = world.settle()
        assert (dict(again.servers), again.done) == (before, ()), "applying twice is applying once"

        for each in lost:
            if each[2] in {unit.name for unit in cluster.storage} | {"lan-a", "lan-b"}:
                world.lose(*each)
        world.fail_node(dead)
        after = dict(world.settle().servers)

    for server in cluster.servers:
        node = after[server.name]
        if server.pinned:
            assert node == (None if home(server) == dead else home(server)), "pinned servers stay"
            continue
        assert node is not None, "no server is lost that has a place"
        assert server.on_storage_loss is OnStorageLoss.STAY
        reach = [each for each in NODES if each != dead and has_storage(cluster, world, server, each)]
        assert node in reach or not reach, "a server is where its storage is, if that is anywhere"


def the_survivors_share_evenly(servers: int, dead: str) -> None:
    cluster = cast.cluster([f"nodes: {' '.join(NODES)}", *(f"vs{at}: " for at in range(1, servers + 1))])
    with TemporaryDirectory() as folder:
        world = Scheduler(Path(folder))
        world.apply(cluster, NO_HAND)
        world.settle()
        world.fail_node(dead)
        counts = Counter(node for _, node in world.settle().servers)
    shares = [counts[node] for node in NODES if node != dead]
    assert max(shares) - min(shares) <= 1
    assert sum(shares) == servers


ANY_FAILURES = given(clusters, losses, st.sampled_from(NODES))
ANY_NUMBER = given(st.integers(1, 9), st.sampled_from(NODES))

test_after_any_failures = pytest.mark.slow(FEW(ANY_FAILURES(after_any_failures)))
test_the_survivors_share_evenly = pytest.mark.slow(FEW(ANY_NUMBER(the_survivors_share_evenly)))


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "law",
    [ANY_FAILURES(after_any_failures), ANY_NUMBER(the_survivors_share_evenly)],
    ids=["losses", "numbers"],
)
def test_many_more(law: Callable[[], None]) -> None:
    MANY(law)()
