"""What does a YAML text say, and on which line?

Scalars keep the text that was written: what `no`, `010` or `22:00` mean is
decided by the key they stand at, not by YAML. A tree is made of the parser's
events by hand, because that is what bounds it: nesting, and what aliases
expand to, so that no text takes more than its size deserves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from vsctl.cli.problems import Problem

NESTING = 24
EXPANDED = 200_000
XML = "this is XML: name the cluster file here, and a CIB with --cib"
SECOND = "a second document begins here: a cluster file is one, without ---"
NULLS = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEANS = {
    spelling: value
    for words, value in ((("true", "yes", "on"), True), (("false", "no", "off"), False))
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, the first line being 1."""

    file: str
    line: int

    def problem(self, sentence: str) -> Problem:
        return Problem(self.file, self.line, sentence)


@dataclass(frozen=True, slots=True)
class Scalar:
    """`plain` is without quotes."""

    mark: Mark
    text: str
    plain: bool
    size: int = 1

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in NULLS

    @property
    def is_boolean(self) -> bool:
        return self.plain and self.text in BOOLEANS


@dataclass(frozen=True, slots=True)
class Sequence:
    """`size` is the number of nodes, with aliases counted as often as they are used."""

    mark: Mark
    items: tuple[Node, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Pairs as they were written, also those with the same key."""

    mark: Mark
    pairs: tuple[tuple[Node, Node], ...]
    size: int


Node = Scalar | Sequence | Mapping


class NotYaml(Exception):  # noqa: N818 - what the text is
    """The text cannot be read as one YAML document."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


def parse(text: str, file: str) -> Node | None:
    """Return the text's one document, None if it is empty, or raise NotYaml."""
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Composer(file).document(yaml.parse(text, Loader=loader))
    except yaml.reader.ReaderError as unreadable:
        before = text[: unreadable.position]
        raise NotYaml(before.count("\n") + 1, "there is a control character here: remove it") from None
    except UnicodeEncodeError as unreadable:
        line = text.count("\n", 0, unreadable.start) + 1
        raise NotYaml(line, "there is a character here that is not Unicode text: remove it") from None
    except yaml.MarkedYAMLError as error:
        raise _boundary(error, text) or NotYaml(_line(error), _sentence(error, text)) from None


def _boundary(error: yaml.MarkedYAMLError, text: str) -> NotYaml | None:
    """Return what is wrong where the text is cut in two, which is found only at the next thing."""
    lines = text.split("\n")[: _line(error)]
    if lines[-1].startswith("---"):
        return NotYaml(len(lines), SECOND)
    ends = [number for number, line in enumerate(lines, 1) if line.split()[:1] == ["..."]]
    if "document start" in str(error.problem) and ends:
        return NotYaml(ends[-1], "the document ends here: a cluster file is one, without ...")
    return None


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _sentence(error: yaml.MarkedYAMLError, text: str) -> str:
    said = f"{error.context or ''} {error.problem or ''}"
    if text.lstrip().startswith("<"):
        return XML
    if "tab character" in said or _indent(text, _line(error)).count("\t"):
        return "a tab is used to indent: use blanks"
    if "mapping values are not allowed" in said or "unexpected ':'" in said:
        return (
            "there is a colon here that YAML cannot place: check the indentation, "
            "and put text with colons, such as an IPv6 address, in quotes"
        )
    if "cannot start any token" in said:
        return (
            "a value begins with a character that YAML keeps for itself, such as @, % or `: put it in quotes"
        )
    if "end of stream" in said and "quoted" in said:
        started = error.context_mark
        return f"the quotes opened on line {started.line + 1 if started else _line(error)} are never closed"
    advice = ": check the indentation" if "block" in said else ""
    return f"this is not YAML: {error.problem or 'it cannot be read'}{_context(error)}{advice}"


def _indent(text: str, line: int) -> str:
    found = text.split("\n")[line - 1 : line]
    return found[0][: len(found[0]) - len(found[0].lstrip())] if found else ""


def _context(error: yaml.MarkedYAMLError) -> str:
    return f" {error.context} that began on line {error.context_mark.line + 1}" if error.context_mark else ""


class _Composer:
    """Builds nodes from events, with a stack of its own instead of recursion."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.anchors: dict[str, Node] = {}
        self.stack: list[tuple[yaml.Event, list[Node]]] = []
        self.roots: list[Node] = []

    def document(self, events: Iterator[Any]) -> Node | None:
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise NotYaml(_at(event), SECOND)
            elif isinstance(event, yaml.AliasEvent):
                self._add(self._alias(event))
            elif isinstance(event, yaml.ScalarEvent):
                self._check_tag(event)
                mark = Mark(self.file, _at(event))
                plain = event.style in (None, "") and event.tag is None
                self._finish(event, Scalar(mark, event.value, plain))
            elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                self._check_tag(event)
                if len(self.stack) >= NESTING:
                    raise NotYaml(
                        _at(event), f"this is nested deeper than {NESTING} levels: no cluster file is"
                    )
                self.stack.append((event, []))
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                start, children = self.stack.pop()
                self._finish(start, self._collection(start, children))
        root = self.roots[0] if self.roots else None
        if isinstance(root, Scalar) and root.text.startswith("<"):
            raise NotYaml(root.mark.line, XML)
        return root

    def _collection(self, start: yaml.Event, children: list[Node]) -> Node:
        mark = self._key() or Mark(self.file, _at(start))
        size = 1 + sum(each.size for each in children)
        if size > EXPANDED:
            raise NotYaml(
                _at(start), f"with its aliases written out this has more than {EXPANDED} values: use fewer"
            )
        if isinstance(start, yaml.SequenceStartEvent):
            return Sequence(mark, tuple(children), size)
        return Mapping(mark, tuple(zip(children[::2], children[1::2], strict=True)), size)

    def _key(self) -> Mark | None:
        """Return where the key is whose value comes next: in blocks a table begins below its name and comments."""
        around, siblings = self.stack[-1] if self.stack else (None, [])
        return siblings[-1].mark if isinstance(around, yaml.MappingStartEvent) and len(siblings) % 2 else None

    def _finish(self, start: Any, node: Node) -> None:
        if start.anchor is not None:
            self.anchors[start.anchor] = node
        self._add(node)

    def _add(self, node: Node) -> None:
        (self.stack[-1][1] if self.stack else self.roots).append(node)

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self.anchors:
            raise NotYaml(
                _at(event),
                f"there is no &{event.anchor} above this line: define it before *{event.anchor} uses it",
            )
        return self.anchors[event.anchor]

    @staticmethod
    def _check_tag(event: Any) -> None:
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise NotYaml(_at(event), f"the tag {tag} means nothing in a cluster file: leave it out")


def _at(event: Any) -> int:
    return int(event.start_mark.line) + 1
