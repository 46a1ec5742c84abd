"""What does a repair do, from its beginning to its end?

A process of its own, begun by the agent `repair` and outliving its actions: it
waits until the device is free, runs the checker, says how far it is, and writes
what came of it where the cluster acts on it. It keeps nothing for itself: where
it is killed, the next one begins anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from vsctl.agents import (
    answering,
    background,
    checking,
    damage,
    kernellog,
    mounts,
    node,
    paths,
    processes,
    progress,
    quarantine,
    resident,
)
from vsctl.agents.answering import Ear
from vsctl.agents.checking import MEND, PERSON, Result
from vsctl.agents.ocf import words

AGAIN, SOON = 24 * 3600, 600
"""Seconds after a repair in which the same filesystem is not repaired again by itself; after one that found nothing."""
BEGINNING = 10.0
"""Seconds for the agent to write down which process this is."""
PAUSE = 2.0
"""Seconds until the next try when the device is in use, or the cluster does not answer."""
READ = 5.0
"""Seconds for the device to be read: after them it is its storage's matter."""
GENTLY = ["setpriv", "--pdeathsig", "KILL", "nice", "--adjustment=19", "ionice", "--class=2", "--classdata=7"]
COUNTER = 9
"""The descriptor on which e2fsck says how far it is."""
LINES = 4096
"""So many bytes hold the last line of what a checker says."""
LOOK_EVERY = 1.0
UNMOUNTING = 60.0
"""Seconds for the kernel to be done with a filesystem that was mounted for its log."""
BLKFLSBUF = 0x1261


@dataclass(frozen=True)
class Task:
    """What is to be repaired; the parameters of the agent."""

    server: str
    filesystem: str
    device: str
    type: str
    mode: str
    keep_image: bool

    @property
    def name(self) -> str:
        return f"{self.server}.{self.filesystem}"

    @property
    def directory(self) -> str:
        return paths.repair(self.server, self.filesystem)

    @property
    def log(self) -> str:
        return paths.repair_log(self.server, self.filesystem)

    @property
    def image(self) -> str:
        return f"{paths.IMAGES}/{self.name}.image"


class Unreached(Exception):  # noqa: N818 - how the device is
    """The device cannot be had here; the sentence says why. Another node may."""


class Superseded(Exception):  # noqa: N818 - what became of it
    """Nobody wants this repair any more: it was stopped, or another has taken its place."""


class Repair:
    """One repair. `run` returns when the cluster has heard what came of it."""

    def __init__(self, task: Task, node_name: str) -> None:
        self.task = task
        self.node = node_name
        self.teller = progress.Teller(f"repair-{task.name}", time.time())
        self.since: object = None
        """When the damage was found that this is about."""

    def run(self) -> None:
        record = self._asked()
        if record.get("stage") != quarantine.REPAIR:
            return
        self.since = record.get("since")
        begun = time.time()
        result = self._refused(record, begun) or self._repaired(record)
        self._conclude(record, result, begun)

    def _asked(self) -> quarantine.Record:
        """Return the record of the quarantine; the cluster may take a while to answer."""
        while True:
            try:
                return quarantine.read(self.task.server, self.task.filesystem)
            except quarantine.Unknown as problem:
                self._say(str(problem))
                time.sleep(PAUSE)

    def _refused(self, record: quarantine.Record, now: float) -> Result | None:
        """Return why nothing is done without a person, None if something is."""
        if record.get("asked"):
            return None
        again = f"vsctl repair {self.task.server}/{self.task.filesystem}"
        if self.task.mode not in (checking.LOOK, MEND):
            return Result(PERSON, "nothing is repaired unasked (policy: repair: mode: off)", again)
        before = record.get("before") or {}
        if now - before.get("ended", 0) < (SOON if before.get("result") == checking.CLEAN else AGAIN):
            return Result(
                PERSON, "it is damaged again within a day of its last repair: see to what is below it", again
            )
        return None

    def _repaired(self, record: quarantine.Record) -> Result:
        task = self.task
        self._wait_for_device()
        # A person who asks for it wants it repaired, whatever is done unasked.
        mode = MEND if record.get("asked") else task.mode
        if task.keep_image and mode == MEND:
            os.makedirs(paths.IMAGES, mode=0o700, exist_ok=True)
            if os.path.exists(task.image):
                os.unlink(task.image)
            if unsaved := checking.save(task.type, task.device, task.image, self._run):
                self._insist_on_device()
                return unsaved
        result = checking.check(task.type, task.device, mode, self._run)
        if result.result == PERSON:
            self._insist_on_device()
        return result

    def _wait_for_device(self) -> None:
        """Wait until nobody here has the device; what this node remembers of it may be old, and is forgotten."""
        self._insist_on_device()
        end = time.monotonic() + UNMOUNTING
        while not self._is_free():
            if time.monotonic() > end:
                raise Unreached(f"{self.task.device} is in use on {self.node}")
            self._say(f"waiting: {self.task.device} is in use on {self.node}")
            time.sleep(PAUSE)
            self._insist_on_device()
        try:
            with open(self.task.device, "rb") as device:
                fcntl.ioctl(device, BLKFLSBUF, 0)
        except OSError as problem:
            raise self._gone(problem) from None

    def _is_free(self) -> bool:
        try:
            return mounts.is_free(self.task.device) and not mounts.has_superblock(self.task.device)
        except OSError as problem:
            raise self._gone(problem) from None

    def _gone(self, problem: OSError) -> Unreached:
        return Unreached(f"{self.task.device} cannot be opened here any more: {problem.strerror}")

    def _insist_on_order(self) -> None:
        """See that this is still the repair that the cluster wants, before anything is changed."""
        if not is_wanted(self.task):
            raise Superseded("it was stopped")
        record = self._asked()
        if record.get("stage") != quarantine.REPAIR or record.get("since") != self.since:
            raise Superseded("the quarantine that it was for is over")

    def _insist_on_device(self) -> None:
        try:
            background.within(READ, lambda: mounts.read(self.task.device))
        except OSError as problem:
            raise Unreached(f"{self.task.device} cannot be read here: {words(problem)}") from None

    def _run(self, about: str, command: list[str]) -> int:
        """Run a command of the repair, gently, all it says going to the log; return its exit status.

        Unreached if the device failed it: no checker's word counts then.
        """
        self._insist_on_order()
        before = os.path.getsize(self.task.log)
        _log(" ".join(command), apart=True)
        self.teller.tell(about)
        log_of_kernel = kernellog.at_end() if about == checking.REPLAYING else None
        ear = answering.ear(command[0])
        try:
            if command[0] == "e2fsck":
                status = self._run_e2fsck(about, command, ear)
            else:
                status = _await(
                    _spawn(command, ear),
                    ear,
                    lambda: self.teller.tell(about, progress.of_xfs_repair(_end_of(self.task.log))),
                )
        finally:
            ear.end()
        # A mount that ends with the process that made it takes a moment longer than that.
        if not processes.until(self._is_free, UNMOUNTING):
            raise Unreached(f"{self.task.device} is in use on {self.node}")
        if ear.has_failed:
            raise Unreached(f"{self.task.device} failed while it was checked: see the log")
        if status != 0:
            self._insist_on_device()
        if about == checking.REPLAYING and status != 0:
            with open(self.task.log, "rb") as file:
                file.seek(before)
                said = file.read().decode(errors="replace")
            # Only then does it take a person: what a path answers while another takes over is an error as well.
            if not is_unmountable(said, self.task.device, log_of_kernel):
                raise Unreached(f"{self.task.device} could not be mounted here for its log: see the log")
        return status

    def _run_e2fsck(self, about: str, command: list[str], ear: Ear) -> int:
        """Run e2fsck, which says how far it is on a descriptor of its own, and waits while nobody reads there."""
        counter = progress.Counter()
        try:
            child = _spawn([command[0], "-C", str(COUNTER), *command[1:]], ear, counter.theirs)
            return _await(
                child, ear, lambda: self.teller.tell(about, progress.of_e2fsck(counter.said)), counter
            )
        finally:
            counter.end()

    def _conclude(self, record: quarantine.Record, result: Result, begun: float) -> None:
        """Let the cluster act on the result; it hears of it as often as it needs."""
        done: dict[str, object] = {
            **{name: record[name] for name in ("since", "node", "why", "asked") if name in record},
            "stage": quarantine.PERSON if result.result == PERSON else quarantine.OVER,
            "result": result.result,
            "said": result.said,
            **({"advice": result.advice} if result.advice else {}),
            "on": self.node,
            "began": round(begun),
            "ended": int(time.time()),
            "log": self.task.log,
        }
        _log(f"{result.result}: {result.said}", apart=True)
        self._insist_on_order()
        while True:
            try:
                if done["stage"] == quarantine.OVER:
                    quarantine.forgive(self.task.server, self.task.filesystem)
                quarantine.write(self.task.server, self.task.filesystem, done)
            except quarantine.Unknown as problem:
                self._say(str(problem))
                time.sleep(PAUSE)
            else:
                return

    def _say(self, words: str) -> None:
        self.teller.tell(words)

    def end(self) -> None:
        """Take back what was told of it, however it ended; once it is stopped, that is told of another one."""
        if is_wanted(self.task):
            self.teller.end()


def _spawn(command: list[str], ear: Ear, counter: int | None = None) -> int:
    """Start a command with little weight, which ends with this process: nobody else answers it."""
    actions = ear.files if counter is None else [*ear.files, (os.POSIX_SPAWN_DUP2, counter, COUNTER)]
    return os.posix_spawnp(GENTLY[0], [*GENTLY, *command], os.environ, file_actions=actions)


def _await(child: int, ear: Ear, look: Callable[[], None], counter: progress.Counter | None = None) -> int:
    """Hear a child until its end, with a look at it now and then, and return its exit status.

    All that it says is taken as it comes: nothing here waits for anybody else.
    """
    lines = {ear.line: lambda: ear.hear(child), **({counter.line: counter.hear} if counter else {})}
    looked = time.monotonic()
    ended = os.pidfd_open(child)
    try:
        while (ready := select.select([*lines, ended], [], [], LOOK_EVERY)[0]) != [ended]:
            for line in lines.keys() & ready:
                lines[line]()
            if time.monotonic() - looked >= LOOK_EVERY:
                looked = time.monotonic()
                look()
    finally:
        os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def is_unmountable(words: str, device: str, log_of_kernel: int | None) -> bool:
    """Say whether what is on a device has kept its log from being replayed, by what mount(8) has said.

    Without a superblock that can be used it would be the same on every node.
    """
    return "bad superblock" in words or damage.keeps_from_mounting(words, device, log_of_kernel)


def is_wanted(task: Task) -> bool:
    """Say whether this process is the one that the agent has written down."""
    return node.read_lines(f"{task.directory}/process") == [resident.mark(os.getpid())]


def _end_of(log: str) -> str:
    with open(log, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LINES))
        return file.read().decode(errors="replace")


def _log(words: str, *, apart: bool = False) -> None:
    space = "\n" if apart else ""
    answering.say(f"{space}{time.strftime('%F %T')} {words}\n".encode())


def _give_up(task: Task, why: str) -> None:
    """Leave the repair to another node, and say why."""
    node.write_lines(f"{task.directory}/unreached", [why])
    _log(why)


def main() -> None:
    """Repair what the command line says: a task as JSON, and the name of this node."""
    task = Task(**json.loads(sys.argv[1]))
    if not processes.until(lambda: is_wanted(task), BEGINNING):
        sys.exit("nobody has written down that this repair is to be")
    _log(f"a repair of {task.filesystem} of {task.server} begins")
    repair = Repair(task, sys.argv[2])
    try:
        repair.run()
    except Superseded as problem:
        _log(f"it ends here: {problem}")
    except Unreached as problem:
        _give_up(task, str(problem))
    except OSError as problem:  # of this node, whose disk may be full
        about = f"{problem.filename}: " if problem.filename else ""
        _give_up(task, f"it cannot go on here: {about}{words(problem)}")
    else:
        node.write_lines(f"{task.directory}/done", ["done"])
    finally:
        repair.end()
