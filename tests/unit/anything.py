"""Values that look like a cluster file, and now and then do not."""

from __future__ import annotations

from hypothesis import strategies as st

from vsctl.cli.clusterfile.shapes import Choice, Either, List, Record, Shape, Table

NODES = ["n1", "n2"]
SUBNETS = ["lan-a", "lan-b"]
SERVERS = ["vs1", "vs2", "vs1-net", "fence-n1", "vsctl"]
UNITS = ["san1", "san2"]
PATHS = ["/a", "/a/b", "/b", "/", "/.vsctl", "/..", "a"]

WORDS: dict[str, list[object]] = {
    # by the key that a value stands at, or what a table lists
    "name": ["nas1"],
    "subnet": SUBNETS,
    "port": ["e0a", "e1a", "lo", "v-vs1"],
    "storage unit": UNITS,
    "node": NODES,
    "virtual server": SERVERS,
    "filesystem": ["root", "data", "net"],
    "NFS client": ["192.0.2.0/24", "192.0.2.7", "host", "HOST", "*"],
    "option": ["ip", "a b"],
    "ports": [*SUBNETS, "lan-c"],
    "networks": ["192.0.2.0/24", "198.51.100.0/24", "198.51.100.128/25", "2001:db8::/64", "192.0.2.1/24"],
    "gateways": ["192.0.2.1", "198.51.100.1", "192.0.2.0"],
    "nodes": [*NODES, "n3"],
    "storage": [*UNITS, "san3"],
    "home": [*NODES, "n3"],
    "apart_from": SERVERS,
    "addresses": [
        "192.0.2.11/24",
        "192.0.2.12/24",
        "198.51.100.11/24",
        "192.0.2.1/24",
        "203.0.113.1/24",
        "x",
    ],
    "device": ["/dev/disk1", "/dev/disk2", "/dev/disk3", "disk"],
    "options": ["noatime", "ro", "a,b"],
    "after": ["drbd", "vs1-net"],
    "path": PATHS,
    "as": [*PATHS, 64512],
    "peers": [64500, 0, "x"],
    "router": ["192.0.2.1", "198.51.100.1", "2001:db8::1", "x"],
    "area": [0, "0.0.0.1", "0.0.0.256", "x"],
    "password_file": ["/etc/vsctl/bgp", "secret"],
    "id": [1, 2, 2, 65536],
    "share": ["a", "A", "IPC$", "b"],
    "users": ["alice", "@staff", "root"],
    "migrate": [True, False],
    "hard": [True, False],
    "keep_image": [True, False],
    "bfd": [True, False, "x"],
    "priority": [0, 100, "high"],
    "cpu": [4, 0.5, "x"],
    "memory": ["64G", 64],
    "network": ["20G", "20"],
    "disk": ["200M"],
    "bridge": ["10m", 10],
    "every": ["5m", 5],
    "cool_down": ["10m", 10],
    "quiet": ["22:00-05:00", "22-5"],
    "max_moves": [4, 0],
    "candidates": [3, "all", 2],
    "tolerance": ["10%", 10],
    "window": ["22:00-05:00", "22-5"],
    "agent": ["fence_ipmilan", "a b"],
}
ODD = st.sampled_from(
    [None, "", "no", "<<", [], {}, ["x"], {"path": "/"}, {"vs1": None}, 7, True, "192.0.2.0/24"]
)


def anything_of(shape: Shape, at: str = "", odd: int = 60) -> st.SearchStrategy[object]:
    """Return values for a shape at a key; one in `odd` is something else."""
    return st.integers(1, odd).flatmap(lambda dice: ODD if dice == odd else _plausible(shape, at, odd))


def _plausible(shape: Shape, at: str, odd: int) -> st.SearchStrategy[object]:
    match shape:
        case Record(keys=keys, one_of=True):
            return st.one_of(
                [
                    anything_of(key.shape, name, odd).map(lambda value, name=name: {name: value})
                    for name, key in keys.items()
                ]
            )
        case Record(keys=keys):
            return st.fixed_dictionaries(
                {name: anything_of(key.shape, name, odd) for name, key in keys.items() if key.required},
                optional={
                    name: anything_of(key.shape, name, odd) for name, key in keys.items() if not key.required
                },
            )
        case Table():
            names = st.sampled_from(WORDS[shape.noun])
            least = min(2, len(WORDS[shape.noun]) - 1)
            return st.dictionaries(names, anything_of(shape.values, at, odd), min_size=least, max_size=3)
        case List():
            return st.lists(anything_of(shape.items, at, odd), min_size=shape.least, max_size=3)
        case Either():
            kinds = (shape.word, shape.items, shape.mapping)
            return st.one_of([anything_of(each, at, odd) for each in kinds if each])
        case Choice():
            return st.sampled_from(shape.words)
    return st.sampled_from(WORDS[at])
