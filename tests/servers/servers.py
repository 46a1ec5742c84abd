"""Two virtual servers side by side on one node, with a client that reaches both."""

from tests.servers.node import Done, Node

ADDRESSES = {"vs1": "192.0.2.11", "vs2": "192.0.2.12"}
EXPORT = "/projects /data/projects id=4660 squash=root 192.0.2.0/24=rw"
SHARE = "projects /shared access=rw users=alice,@staff"


class Server:
    """One virtual server's agents, with the parameters Pacemaker would give them."""

    def __init__(self, node: Node, name: str, type: str = "ext4") -> None:
        self.node = node
        self.name = name
        self.address = ADDRESSES[name]
        self.parameters = {
            "root": {"filesystem": "root", "device": node.disk("ext4"), "type": "ext4"},
            "data": {"filesystem": "data", "device": node.disk(type), "type": type},
            "nfs": {},
            "smb": {"netbios": name.upper()},
            "exports": {"filesystem": "data", "exports": EXPORT},
            "shares": {"filesystem": "data", "shares": SHARE},
        }
        node.server(name, self.address)

    def do(self, resource: str, action: str, killed_after: float = 0, **changed: str) -> Done:
        agent = {"root": "fs", "data": "fs"}.get(resource, resource)
        parameters = {**self.parameters[resource], **changed}
        return self.node.agent(agent, action, killed_after=killed_after, server=self.name, **parameters)

    def start(self, *resources: str) -> "Server":
        for each in resources:
            done = self.do(each, "start")
            assert done.status == 0, f"{self.name}: {each} did not start: {done.said}"
        return self

    def stop(self, *resources: str) -> "Server":
        for each in resources:
            done = self.do(each, "stop")
            assert done.status == 0, f"{self.name}: {each} did not stop: {done.said}"
        return self

    def gate(self, action: str) -> Done:
        """Have the gate opened or closed, which nothing else here needs."""
        done = self.node.agent("gate", action, server=self.name)
        assert done.status == 0, done.said
        return done

    def monitor(self, resource: str) -> int:
        return self.do(resource, "monitor").status

    def url(self, path: str, version: int = 3) -> str:
        return f"nfs://{self.address}{path}?version={version}&uid=1000&gid=1000"

    def write(self, path: str, source: str = "/etc/hostname") -> Done:
        return self.node.run(f"nfs-cp {source} '{self.url(path)}'", netns="client", ok=False)

    def list(self, path: str, version: int = 3) -> Done:
        return self.node.run(f"nfs-ls '{self.url(path, version)}'", netns="client", ok=False)

    def smb(self, share: str, user: str, command: str = "ls") -> Done:
        return self.node.run(
            f"smbclient '//{self.address}/{share}' -U '{user}' -c '{command}'", netns="client", ok=False
        )

    def add_user(self, name: str, password: str, *groups: str) -> None:
        self.node.python(
            f"from vsctl.agents import accounts as a; a.add({self.name!r}, {name!r}, {groups!r}, {password!r})"
        )

    def process(self, daemon: str) -> int:
        return int(self.node.run(f"cat /run/vsctl/{self.name}/{daemon}.pid").said.split()[0])

    def kill(self, daemon: str) -> None:
        self.node.run(f"kill -9 {self.process(daemon)}")
