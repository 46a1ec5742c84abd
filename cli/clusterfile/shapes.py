"""What may stand at a place of the cluster file?

A shape reads a node of the file into an `Entry` and describes itself to
editors as JSON schema: one declaration, both uses. Reading never stops at a
problem: what cannot be understood is reported and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from typing import Any, Protocol

from vsctl.cli.clusterfile.yamltree import BOOLEANS, Mapping, Mark, Node, Scalar, Sequence
from vsctl.cli.nearest import listed, nearest
from vsctl.cli.problems import Problem, Severity

Schema = dict[str, Any]
Report = Callable[[Problem], None]


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of the file and where it is.

    The value is what the shape's parser made of a scalar, a tuple of entries,
    or a dict of them. `incomplete` says that something in it was not
    understood and left out, so nothing can be concluded from its absence.
    """

    mark: Mark
    value: Any
    incomplete: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether something was not understood here or below."""
        below = self.value.values() if isinstance(self.value, dict) else self.value
        return self.incomplete or (
            isinstance(self.value, dict | tuple)
            and any(isinstance(each, Entry) and each.doubtful for each in below)
        )

    def problem(self, sentence: str) -> Problem:
        return self.mark.problem(sentence)

    def note(self, sentence: str) -> Problem:
        return Problem(self.mark.file, self.mark.line, sentence, Severity.NOTE)

    def advice(self, sentence: str) -> Problem:
        return Problem(self.mark.file, self.mark.line, sentence, Severity.NOTE, advice=True)

    def get(self, key: str) -> Entry | None:
        entry: Entry | None = self.value.get(key)
        return entry

    def plain(self, key: str, default: Any = None) -> Any:
        """Return the value at a key, without its place."""
        entry = self.get(key)
        return default if entry is None else entry.value

    def each(self, key: str) -> tuple[tuple[str, Entry], ...]:
        """Return the pairs of a table, none if it is not there."""
        entry = self.get(key)
        return tuple(entry.value.items()) if entry else ()

    def all(self, key: str) -> tuple[Entry, ...]:
        """Return the items of a list, none if it is not there."""
        entry = self.get(key)
        return tuple(entry.value) if entry else ()


class Shape(Protocol):
    def read(self, node: Node, about: str, report: Report) -> Entry | None:
        """Return what the node says, or None and a report. `about` is how a sentence calls it."""

    def schema(self) -> Schema:
        """Return the shape as JSON schema."""

    @property
    def expects(self) -> str:
        """What to write, after "write"."""


@dataclass(frozen=True)
class Text:
    """One word or line.

    A `bare` value loses its meaning in quotes; the others need them for `no`
    and its like, unless `any_word` is as good as another.
    """

    parse: Callable[[str], Any]
    expects: str
    json: Schema
    bare: bool = False
    any_word: bool = False

    def read(self, node: Node, about: str, report: Report) -> Entry | None:
        if not isinstance(node, Scalar) or node.is_null:
            report(_refused(node, about, self.expects))
            return None
        try:
            if self.bare and not node.plain:
                raise ValueError(f"write {node.text} without quotes")
            if node.is_boolean and not self.bare and not self.any_word:
                meaning = "true" if BOOLEANS[node.text] else "false"
                raise ValueError(f'write "{node.text}" in quotes, without them YAML takes it for {meaning}')
            return Entry(node.mark, self.parse(node.text))
        except ValueError as wrong:
            text = f'"{node.text}"' if self.bare and not node.plain else shown(node.text)
            report(node.mark.problem(f"{about} is {text}: {str(wrong) or 'write ' + self.expects}"))
            return None

    def schema(self) -> Schema:
        return dict(self.json)


@dataclass(frozen=True)
class Choice:
    """One of a few words. `expects` says so, and what else may stand there."""

    words: tuple[str, ...]
    expects: str = ""

    def __post_init__(self) -> None:
        if not self.expects:
            object.__setattr__(self, "expects", listed(self.words, "or"))

    def read(self, node: Node, about: str, report: Report) -> Entry | None:
        if not isinstance(node, Scalar) or node.is_null:
            report(_refused(node, about, self.expects))
            return None
        if node.text not in self.words:
            near = nearest(node.text, self.words)
            advice = f"did you mean {near}?" if near else f"write {self.expects}"
            report(node.mark.problem(f"{about} is {shown(node.text)}: {advice}"))
            return None
        return Entry(node.mark, node.text)

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class List:
    """Items of one shape; `item` is how a sentence calls one, {0} being whose list it is."""

    items: Shape
    item: str
    least: int = 1

    @property
    def expects(self) -> str:
        return f"a list, each item {self.items.expects}" if isinstance(self.items, Text) else "a list"

    def read(self, node: Node, about: str, report: Report) -> Entry | None:
        if not isinstance(node, Sequence):
            report(_refused(node, about, self.expects))
            return None
        if len(node.items) < self.least:
            report(node.mark.problem(f"{about} is empty: write {self.expects}"))
            return None
        called = self.item.format(owner(about))
        read = [self.items.read(each, called, report) for each in node.items]
        understood = tuple(each for each in read if each is not None)
        return Entry(node.mark, understood, incomplete=len(understood) < len(read))

    def schema(self) -> Schema:
        limits = {"minItems": self.least} if self.least else {}
        return {"type": "array", "items": self.items.schema(), **limits}


@dataclass(frozen=True)
class Table:
    """Names the operator chose, each with a value of one shape.

    `item` is how a sentence calls one value, {0} being its name and {1} whose
    table it is; `key` is how it calls a name, {0} being whose table it is.
    """

    keys: Text
    values: Shape
    noun: str
    item: str
    key: str
    least: int = 0

    @property
    def expects(self) -> str:
        return f"a mapping, one line for each {self.noun}"

    def read(self, node: Node, about: str, report: Report) -> Entry | None:
        if self.least == 0 and isinstance(node, Scalar) and node.is_null:
            return Entry(node.mark, {})
        if not isinstance(node, Mapping):
            report(_refused(node, about, self.expects))
            return None
        if len(node.pairs) < self.least:
            report(node.mark.problem(f"{about} is empty: write {self.expects}"))
            return None
        entries: dict[str, Entry] = {}
        marks: dict[str, Mark] = {}
        incomplete = False
        for key_node, value_node in node.pairs:
            key = self.keys.read(key_node, self.key.format(owner(about)), report)
            if key is None:
                incomplete = True
                continue
            called = self.item.format(key.value, owner(about))
            if key.value in marks:
                report(_twice(key.mark, called, marks[key.value]))
                self.values.read(value_node, called, report)
                if key.value in entries:
                    entries[key.value] = _in_doubt(entries[key.value])
                continue
            marks[key.value] = key.mark
            value = self.values.read(value_node, called, report)
            # What is wrong with a named thing is said at its name, what is wrong inside it where it is.
            if value is not None:
                entries[key.value] = Entry(key.mark, value.value, value.incomplete)
            elif isinstance(self.values, Text | Choice):
                incomplete = True
            else:  # it has a name, so whoever refers to it is right
                entries[key.value] = Entry(key.mark, {}, incomplete=True)
        return Entry(node.mark, entries, incomplete)

    def schema(self) -> Schema:
        limits = {"minProperties": self.least} if self.least else {}
        kind: Any = "object" if self.least else ["object", "null"]
        return {
            "type": kind,
            "propertyNames": self.keys.schema(),
            "additionalProperties": self.values.schema(),
            **limits,
        }


@dataclass(frozen=True)
class Key:
    """One key of a record: its shape, and what it means in one sentence of the schema.

    `called` is how a sentence calls its value, {0} being whose it is.
    """

    shape: Shape
    help: str
    required: bool = False
    called: str | None = None


@dataclass(frozen=True)
class Record:
    """Keys that vsctl knows; with `one_of`, exactly one of them."""

    keys: Map[str, Key]
    one_of: bool = False
    expects: str = field(default="")

    def __post_init__(self) -> None:
        if not self.expects:
            required = [name for name, key in self.keys.items() if key.required] or list(self.keys)
            object.__setattr__(
                self, "expects", f"a mapping with {listed(required, 'or' if self.one_of else 'and')}"
            )

    def read(self, node: Node, about: str, report: Report) -> Entry | None:
        if self._may_be_empty and isinstance(node, Scalar) and node.is_null:
            return Entry(node.mark, {})
        if not isinstance(node, Mapping):
            report(_refused(node, about, self.expects))
            return None
        entries: dict[str, Entry] = {}
        marks: dict[str, Mark] = {}
        incomplete = False
        for key_node, value_node in node.pairs:
            name = self._known(key_node, about, report)
            if name is None:
                incomplete = True
                continue
            key = self.keys[name]
            called = key.called.format(owner(about)) if key.called else _of(name, about)
            if name in marks:
                report(_twice(key_node.mark, _of(name, about), marks[name]))
            value = key.shape.read(value_node, called, report)
            incomplete = incomplete or value is None or name in marks
            if value is not None:
                entries[name] = _either(entries[name], value) if name in entries else value
            marks.setdefault(name, key_node.mark)
        for problem in self._missing(node, about, marks):
            incomplete = True
            report(problem)
        return Entry(node.mark, entries, incomplete)

    @property
    def _may_be_empty(self) -> bool:
        return not self.one_of and not any(key.required for key in self.keys.values())

    def _known(self, node: Node, about: str, report: Report) -> str | None:
        whose = about or "the cluster file"
        if not isinstance(node, Scalar):
            report(node.mark.problem(f"{whose} has {_kind(node)} as a key: write {listed(self.keys, 'or')}"))
            return None
        if node.text in self.keys:
            return node.text
        if node.plain and node.text == "<<":
            report(
                node.mark.problem(
                    f"{whose} merges with <<: use an alias for a whole value, or write the keys out"
                )
            )
            return None
        near = nearest(node.text, self.keys)
        advice = f"did you mean {near}?" if near else f"its keys are {listed(self.keys, 'and')}"
        report(node.mark.problem(f"{whose} has no key {shown(node.text)}: {advice}"))
        return None

    def _missing(self, node: Mapping, about: str, present: Map[str, Mark]) -> Iterator[Problem]:
        whose = about or "the cluster file"
        if self.one_of and (len(present) > 1 or not node.pairs):
            said = f"has {listed(present, 'and')}" if present else "is empty"
            yield node.mark.problem(f"{whose} {said}: write exactly one of {listed(self.keys, 'and')}")
        merges = any(isinstance(key, Scalar) and key.text == "<<" for key, _ in node.pairs)
        for name, key in self.keys.items():
            if key.required and name not in present and not merges:
                yield node.mark.problem(f"{whose} has no {name}: add {name}: {key.shape.expects}")

    def schema(self) -> Schema:
        required = [name for name, key in self.keys.items() if key.required]
        return {
            "type": ["object", "null"] if self._may_be_empty else "object",
            "properties": {
                name: {"description": key.help, **key.shape.schema()} for name, key in self.keys.items()
            },
            "additionalProperties": False,
            **({"required": required} if required else {}),
            **({"minProperties": 1, "maxProperties": 1} if self.one_of else {}),
        }


@dataclass(frozen=True)
class Either:
    """A word, a list or a mapping, whichever it looks like."""

    expects: str
    word: Shape | None = None
    items: Shape | None = None
    mapping: Shape | None = None

    def read(self, node: Node, about: str, report: Report) -> Entry | None:
        shape = {Scalar: self.word, Sequence: self.items, Mapping: self.mapping}[type(node)]
        if shape is None or (isinstance(node, Scalar) and node.is_null):
            report(_refused(node, about, self.expects))
            return None
        return shape.read(node, about, report)

    def schema(self) -> Schema:
        return {
            "anyOf": [each.schema() for each in (self.word, self.items, self.mapping) if each is not None]
        }


def shown(text: str) -> str:
    """Return text as a sentence can hold it: short, on one line, visible."""
    if len(text) > 60:
        text = f"{text[:57]}..."
    if text and text.isprintable() and text == text.strip():
        return text
    return '"' + "".join(each if each.isprintable() else repr(each)[1:-1] for each in text) + '"'


def owner(about: str) -> str:
    """Return whose something is: of `addresses of vs1`, vs1."""
    return about.partition(" of ")[2] or about


def _of(name: str, about: str) -> str:
    return f"{name} of {about}" if about else name


def _kind(node: Node) -> str:
    match node:
        case Scalar() if node.is_null:
            return "empty"
        case Scalar():
            return shown(node.text)
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"


def _refused(node: Node, about: str, expects: str) -> Problem:
    return node.mark.problem(f"{about or 'the cluster file'} is {_kind(node)}: write {expects}")


def _either(first: Entry, again: Entry) -> Entry:
    """Return what is certain of a key that is there twice: who has a name in either of two tables is described."""
    if isinstance(first.value, dict) and isinstance(again.value, dict):
        return _in_doubt(Entry(first.mark, {**again.value, **first.value}))
    return _in_doubt(first)


def _in_doubt(entry: Entry) -> Entry:
    """Return an entry of which nothing can be concluded from what is not there, at any depth."""
    value = entry.value
    if isinstance(value, dict):
        value = {name: _in_doubt(each) for name, each in value.items()}
    elif isinstance(value, tuple):
        value = tuple(_in_doubt(each) if isinstance(each, Entry) else each for each in value)
    return Entry(entry.mark, value, incomplete=True)


def _twice(mark: Mark, what: str, first: Mark) -> Problem:
    return mark.problem(f"{what} is there twice, first on line {first.line}: leave one out")
