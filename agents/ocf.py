"""What does Pacemaker ask of an agent, and how is it answered?

The OCF resource agent API 1.1, in one place. An agent is a class: its
docstring is the description, its `Param`s are the parameters, its methods
marked `@action` are the operations with their timings. Meta-data, validation,
man page and the operations in the CIB all follow from the class.

Only this module knows exit codes. Actions return nothing when all is well and
raise one of the outcomes below otherwise; whatever else escapes is a bug,
leaves a traceback in the log and exits 1, which Pacemaker answers by
recovering in place.

Monitors run hundreds of times a minute: this module imports next to nothing,
and what only some actions need is imported where they need it.
"""

from __future__ import annotations

import sys

from vsctl.agents import system as os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Generic, NoReturn, TypeVar, overload

    T = TypeVar("T")

    class _OfType(Generic[T]): ...
else:
    T = "T"

    class _OfType:
        def __class_getitem__(cls, _: object) -> type:
            return cls

    def overload(function: object) -> object:
        return function


PROVIDER = "vsctl"


class Outcome(Exception):  # noqa: N818 - an outcome is what Pacemaker is told, not always an error
    """What an action tells Pacemaker instead of success, in one sentence."""

    exit_code = 1


class Failure(Outcome):
    """It does not work here and now. Recover it; nothing is ruled out for later."""


class NotRunning(Outcome):
    """A clean, complete absence. Never raise it while anything is left behind."""

    exit_code = 7


class Misconfigured(Outcome):
    """The parameters can work on no node. Pacemaker does not try elsewhere.

    Never for what a device, a filesystem or a network answered.
    """

    exit_code = 6


class NotInstalled(Outcome):
    """A program is missing on this node. Pacemaker tries the others."""

    exit_code = 5


class Unimplemented(Outcome):
    exit_code = 3


class Param(_OfType[T]):
    """One parameter of an agent.

    `parse` turns the text of the CIB into the value that the agent sees and
    raises ValueError, with a sentence about what is wrong, if it cannot. A
    parameter without `default` is required. A `reloadable` one may change
    while the resource runs: the agent then gets `reload-agent`.
    """

    name = ""

    def __init__(
        self,
        parse: Callable[[str], T],
        help: str,
        *,
        default: str | None = None,
        reloadable: bool = False,
        unique: bool = False,
    ) -> None:
        self.parse = parse
        self.help = help
        self.default = default
        self.reloadable = reloadable
        self.unique = unique

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, agent: None, owner: type) -> Param[T]: ...
    @overload
    def __get__(self, agent: Agent, owner: type) -> T: ...  # noqa: F811
    def __get__(self, agent: Agent | None, owner: type) -> Param[T] | T:  # noqa: F811
        if agent is None:
            return self
        text = os.getenv(f"OCF_RESKEY_{self.name}", self.default)
        if text is None:
            raise Misconfigured(f"parameter {self.name} is missing")
        try:
            value = self.parse(text)
        except ValueError as problem:
            raise Misconfigured(f"parameter {self.name} is {text!r}: {problem}") from None
        agent.__dict__[self.name] = value  # the next look finds it without asking here
        return value


class Operation:
    """The timings an agent advertises for one of its actions, in seconds."""

    def __init__(self, name: str, timeout: int, interval: int | None = None) -> None:
        self.name = name
        self.timeout = timeout
        self.interval = interval


def action(
    name: str, *, timeout: int, interval: int | None = None
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Make a method the answer to an OCF action, with the timings to advertise for it."""

    def mark(method: Callable[[Any], None]) -> Callable[[Any], None]:
        method.operation = Operation(name, timeout, interval)  # type: ignore[attr-defined]
        return method

    return mark


class Agent:
    """The base of all agents: finds the action by its name and runs it."""

    version = "1.1"

    @classmethod
    def type_name(cls) -> str:
        """Return the name after `ocf:vsctl:`."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def params(cls) -> Iterator[Param[Any]]:
        for each in _attributes(cls):
            if isinstance(each, Param):
                yield each

    @classmethod
    def operations(cls) -> Iterator[Operation]:
        """Yield what the agent can do, `meta-data` and `validate-all` included."""
        for each in _attributes(cls):
            if hasattr(each, "operation"):
                yield each.operation
        yield Operation("meta-data", 5)
        yield Operation("validate-all", 20)

    @property
    def probing(self) -> bool:
        """Whether Pacemaker only asks what is here, before it starts anything."""
        return os.getenv("OCF_RESKEY_CRM_meta_interval", "0") == "0"

    @property
    def timeout(self) -> float:
        """How many seconds Pacemaker gives the running action."""
        return int(os.getenv("OCF_RESKEY_CRM_meta_timeout", "20000")) / 1000

    def validate(self) -> None:
        """Raise Misconfigured with every parameter that cannot be understood.

        Agents extend it with what no single parameter can know.
        """
        problems = []
        for each in self.params():
            try:
                getattr(self, each.name)
            except Misconfigured as problem:
                problems.append(str(problem))
        if problems:
            raise Misconfigured("; ".join(problems))

    @classmethod
    def main(cls) -> NoReturn:
        """Run the action named on the command line and exit as OCF wants it."""
        name = sys.argv[1] if len(sys.argv) == 2 else "usage"
        if name == "meta-data":
            from vsctl.agents import metadata

            sys.stdout.write(metadata.of(cls))
            sys.exit(0)
        agent = cls()
        try:
            agent._run(name)
        except Outcome as outcome:
            if not (isinstance(outcome, NotRunning) and agent.probing):
                print(f"ocf-exit-reason:{outcome}", file=sys.stderr)
            _exit(outcome.exit_code)
        _exit(0)

    def _run(self, name: str) -> None:
        if name == "validate-all":
            return self.validate()
        for each in _attributes(type(self)):
            if hasattr(each, "operation") and each.operation.name == name:
                if name not in ("monitor", "stop"):
                    self.validate()
                return each(self)  # type: ignore[no-any-return]
        known = " ".join(each.name for each in self.operations())
        raise Unimplemented(f"{self.type_name()} knows no action {name!r}, only {known}")


def words(problem: Exception) -> str:
    """Return what went wrong, of an OSError without its number and file."""
    return getattr(problem, "strerror", None) or str(problem)


def log(sentence: str) -> None:
    """Say something to the cluster's log; Pacemaker adds the resource, so the server's name is there."""
    try:
        print(sentence, file=sys.stderr)
    except OSError:  # where logs are kept is full: no reason not to go on
        pass


def _attributes(cls: type) -> Iterator[Any]:
    seen = set()
    for base in cls.__mro__:
        for name, each in vars(base).items():
            if name not in seen:
                seen.add(name)
                yield each


def _exit(code: int) -> NoReturn:
    """Leave without the interpreter's tidying up, which costs more than most monitors."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
