"""Play a story: do what it says, and say what happened in the same words.

A story is a text file: a comment, then scenes, each a command, `----` and the
outcome. The verbs are the methods below that begin with `do_`. The comment may
name the worlds in which the story is true, `# Worlds: scheduler, lab.`; most
are told by the scheduler alone, and `full lab` is a lab with time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tests.stories import cast
from tests.stories.world import Seen, World
from vsctl.policy.hand import NO_HAND
from vsctl.policy.model import Cluster

RULE = "----"
WORLDS = "# Worlds: "


@dataclass(frozen=True)
class Scene:
    command: tuple[str, ...]
    outcome: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    comment: tuple[str, ...]
    scenes: tuple[Scene, ...]

    @property
    def worlds(self) -> tuple[str, ...]:
        said = [line.removeprefix(WORLDS) for line in self.comment if line.startswith(WORLDS)]
        return tuple(said[0].rstrip(".").split(", ")) if said else ("scheduler",)


def read(text: str) -> Story:
    lines = text.splitlines()
    comment = tuple(line for line in lines if line.startswith("#"))
    blocks = "\n".join(line for line in lines if not line.startswith("#")).strip().split("\n\n")
    scenes = []
    for block in blocks:
        command, _, outcome = block.strip().partition(f"\n{RULE}")
        scenes.append(Scene(tuple(command.splitlines()), tuple(outcome.strip().splitlines())))
    return Story(comment, tuple(scenes))


def write(story: Story) -> str:
    blocks = ["\n".join((*scene.command, RULE, *scene.outcome)) for scene in story.scenes]
    return "\n".join((*story.comment, "\n\n".join(blocks))) + "\n"


class Player:
    """Plays scenes in a world, and remembers what the cluster file and the operator said."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines: dict[str, str] = {}
        self.hand = NO_HAND
        self.seen = Seen(())

    def play(self, story: Story) -> Story:
        told = Story(story.comment, tuple(Scene(each.command, self.scene(each)) for each in story.scenes))
        before, self.seen = self.seen, self.world.settle()
        assert outcome(before, self.seen) == ["nothing moves"], "the cluster does not come to rest"
        return told

    def scene(self, scene: Scene) -> tuple[str, ...]:
        verb, *words = scene.command[0].split()
        do = getattr(self, f"do_{verb}", None)
        if do is None:
            raise ValueError(f"no story knows the verb {verb}")
        do(*words, *scene.command[1:])
        before, self.seen = self.seen, self.world.settle()
        return tuple(outcome(before, self.seen))

    @property
    def cluster(self) -> Cluster:
        return cast.cluster([f"{name}: {words}" for name, words in self.lines.items()])

    def do_cluster(self, *lines: str) -> None:
        self.lines = dict(_named(line) for line in lines)
        self._apply()

    def do_change(self, *lines: str) -> None:
        """Change lines of the cluster file; `vs2: none` takes one out."""
        for name, words in map(_named, lines):
            if words == "none":
                del self.lines[name]
            else:
                self.lines[name] = words
        self._apply()

    def do_rebalance(self, *lines: str) -> None:
        """Even out the load; the lines say what servers need of nodes that carry ten."""
        self.world.rebalance({name: float(words) for name, words in map(_named, lines)})

    def do_cold(self, start: str, first: str | None = None, *_: str) -> None:
        self.seen = Seen(tuple((server, None) for server, _ in self.seen.servers))
        self.world.cold_start(first)

    def do_fail(self, what: str, which: str) -> None:
        if what == "node":
            self.world.fail_node(which)
        elif what == "resource":
            self.world.fail_resource(which)
        else:
            self.world.lose(what, *which.split("/"))

    def do_stick(self, resource: str) -> None:
        self.world.stick(resource)

    def do_evacuate(self, node: str) -> None:
        self.world.evacuate(node)

    def do_return(self, _: str, node: str) -> None:
        self.world.return_node(node)

    def do_heal(self, what: str, which: str) -> None:
        self.world.heal(what, *which.split("/"))

    def do_evict(self, server: str) -> None:
        node = dict(self.seen.servers)[server]
        assert node, f"{server} runs nowhere"
        self.world.evict(server, node)

    def do_admit(self, server: str, node: str) -> None:
        self.world.admit(server, node)

    def do_time(self, clock: str) -> None:
        self.world.time(clock)

    def do_move(self, server: str, node: str) -> None:
        self.hand = self.hand.move(server, node)
        self._apply()

    def do_failback(self, server: str) -> None:
        self.hand = self.hand.failback(server)
        self._apply()

    def do_drain(self, node: str) -> None:
        self.hand = self.hand.drain(node)
        self._apply()

    def do_undrain(self, node: str) -> None:
        self.hand = self.hand.undrain(node)
        self._apply()

    def _apply(self) -> None:
        self.world.apply(self.cluster, self.hand)


def outcome(before: Seen, now: Seen) -> list[str]:
    """Say what happened, in the operator's words."""
    told = [f"{node} is fenced" for node in now.fenced]
    was, where = dict(before.servers), dict(now.servers)
    for server in sorted({*was, *where}):
        told += _of_server(server, was.get(server), where.get(server), server in where)
    untouched = {
        server for server in {*was, *where} if was.get(server) == where.get(server) and where.get(server)
    }
    told += _of_announcers(before, now)
    told += _of_resources([each for each in now.done if not _moves_announcer(*each)], untouched)
    if len(now.waves) > 1:
        told.append(f"starts in order: {', then '.join(' '.join(wave) for wave in now.waves)}")
    return told or ["nothing moves"]


def _of_server(server: str, was: str | None, now: str | None, known: bool) -> list[str]:
    if was == now:
        return []
    if was and now:
        return [f"{server} moves {was} -> {now}"]
    if now:
        return [f"{server} starts on {now}"]
    return [f"{server} waits" if known else f"{server} stops"]


def _moves_announcer(resource: str, what: str) -> bool:
    return "-vip-" in resource and what in ("start", "stop")


def _of_announcers(before: Seen, now: Seen) -> list[str]:
    """Say which announcers went elsewhere than with their servers."""
    was, where, servers = dict(before.announcers), dict(now.announcers), dict(now.servers)
    stayed = {name for name, node in before.servers if node and servers.get(name) == node}
    told = []
    for announcer in sorted({*was, *where}):
        server = announcer.partition("-vip-")[0]
        here, old = where.get(announcer), was.get(announcer)
        if here == old or (server not in stayed and here in (None, servers.get(server))):
            continue
        if here is None:
            told.append(f"{announcer} stops")
        else:
            told.append(f"{announcer} {f'moves {old} -> {here}' if old else f'starts on {here}'}")
    restarted = {each for each, what in now.done if what == "start"} & {*was}
    told += [
        f"{each} restarts"
        for each in sorted(restarted)
        if was[each] == where.get(each) and each.partition("-vip-")[0] in stayed
    ]
    return told


def _of_resources(done: Iterable[tuple[str, str]], servers: set[str]) -> list[str]:
    """Say what happened to parts of servers that stayed where they were."""
    parts: dict[str, list[str]] = {}
    for resource, what in done:
        if any(resource.startswith(f"{server}-") for server in servers):
            parts.setdefault(resource, []).append(what)
    words = {"start": "starts", "stop": "stops", "reload": "reloads", "reload-agent": "reloads"}
    return [
        f"{resource} restarts" if {"stop", "start"} <= set(what) else f"{resource} {words[what[-1]]}"
        for resource, what in sorted(parts.items())
    ]


def _named(line: str) -> tuple[str, str]:
    name, _, words = line.partition(":")
    return name, words.strip()
