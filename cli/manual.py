"""What do the man pages say?

Nothing that is not said elsewhere: commands and options come from the command
line, keys from the declarations of the cluster file, parameters and actions
from the agents' classes. `python -m vsctl.cli.manual DIRECTORY` writes them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from vsctl.agents.metadata import description
from vsctl.agents.ocf import Agent
from vsctl.cib_templates.timings import declared
from vsctl.cli import launchers
from vsctl.cli.clusterfile import schema
from vsctl.cli.main import COMMANDS, main

MANUAL = "vsctl"
STATUS = (
    ("0", "It is done, or there is no problem."),
    ("1", "It was refused, or there are problems; a sentence on standard error says why."),
    ("2", "The command line was not understood."),
    ("75", "Nobody knows the load of the virtual servers yet: try again."),
    ("130", "It was interrupted by Ctrl-C."),
)


@dataclass(frozen=True)
class Page:
    name: str
    section: int
    text: str

    @property
    def file(self) -> str:
        return f"man{self.section}/{self.name}.{self.section}"


def pages() -> Iterator[Page]:
    yield _program()
    for name in COMMANDS:
        yield _command(name)
    yield _cluster_file()
    for name in launchers.AGENTS:
        yield _agent(name, declared(name))


def write(directory: Path) -> tuple[str, ...]:
    """Write every page below a directory such as /usr/share/man and return the files that changed."""
    changed = []
    for page in pages():
        file = directory / page.file
        if not file.is_file() or file.read_text() != page.text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(page.text)
            changed.append(page.file)
    return tuple(changed)


def remove(directory: Path) -> tuple[str, ...]:
    """Remove every page below a directory and return the files that were there."""
    there = [page.file for page in pages() if (directory / page.file).exists()]
    for each in there:
        (directory / each).unlink()
    return tuple(there)


def _program() -> Page:
    with _context() as ctx:
        commands = ((f"vsctl-{name}(1)", said) for name, said in COMMANDS.items())
        body = [
            *_section("SYNOPSIS", [_synopsis(["vsctl"], ["[OPTIONS]", "COMMAND", "[ARGS]..."])]),
            *_section("DESCRIPTION", _paragraphs(main.help or "")),
            *_section("COMMANDS", _terms(commands)),
            *_section("OPTIONS", _terms(_options(main, ctx))),
            *_section("EXIT STATUS", _terms(STATUS)),
            *_see_also(["vsctl-cluster-file(5)", *(f"ocf_vsctl_{each}(7)" for each in launchers.AGENTS)]),
        ]
    return _page("vsctl", 1, "movable virtual file servers on Pacemaker", body)


def _command(name: str) -> Page:
    with _context() as parent:
        command = main.get_command(parent, name)
        assert command is not None
        with click.Context(command, info_name=name, parent=parent) as ctx:
            body = [
                *_section("SYNOPSIS", [_synopsis(["vsctl", name], command.collect_usage_pieces(ctx))]),
                *_section("DESCRIPTION", _paragraphs(command.help or "")),
                *_section("OPTIONS", _terms(_options(command, ctx))),
                *_section("EXIT STATUS", _terms(STATUS)),
                *_see_also(["vsctl(1)", "vsctl-cluster-file(5)"]),
            ]
    said = COMMANDS[name].rstrip(".")
    return _page(f"vsctl-{name}", 1, said[0].lower() + said[1:], body)


def _cluster_file() -> Page:
    intro = """The cluster file is YAML and says everything that vsctl has to know of a cluster. `vsctl check FILE`
    says everything that is wrong with one, and `vsctl check --schema` prints its JSON schema for editors. NAME stands
    for a name that you choose. Unknown keys are refused."""
    body = [
        *_section("DESCRIPTION", _paragraphs(intro)),
        *_section("KEYS", _terms(_keys(schema.json_schema(), ""))),
        *_see_also(["vsctl(1)", "vsctl-check(1)", "vsctl-plan(1)", "vsctl-apply(1)"]),
    ]
    return _page("vsctl-cluster-file", 5, "what an operator says of a cluster", body)


def _agent(name: str, agent: type[Agent]) -> Page:
    short, long = description(agent)
    parameters = (
        (each.name, _sentence(each.help) + _about(default=each.default, reloadable=each.reloadable))
        for each in agent.params()
    )
    actions = (
        (
            each.name,
            f"Time limit {each.timeout} s" + (f", every {each.interval} s." if each.interval else "."),
        )
        for each in sorted(agent.operations(), key=lambda each: each.name)
    )
    body = [
        *_section("DESCRIPTION", _paragraphs(long)),
        *_section("PARAMETERS", _terms(parameters)),
        *_section("ACTIONS", _terms(actions)),
        *_see_also(["vsctl(1)", "crm_resource(8)"]),
    ]
    return _page(f"ocf_vsctl_{name}", 7, short[0].lower() + short[1:], body)


def _context() -> click.Context:
    return click.Context(main, info_name="vsctl", **main.context_settings)


def _about(*, default: str | None, reloadable: bool) -> str:
    required = " Required." if default is None else f" Default: {default or 'empty'}."
    return required + (" A change restarts nothing." if reloadable else "")


def _options(command: click.Command, ctx: click.Context) -> Iterator[tuple[str, str]]:
    for each in command.get_params(ctx):
        record = each.get_help_record(ctx)
        if record is not None and isinstance(each, click.Option):
            yield record[0], _sentence(record[1])


def _keys(shape: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield every key below a shape of the cluster file, with the path to it and what it means."""
    seen: dict[str, str] = {}
    for each in (shape, *shape.get("anyOf", ()), *shape.get("oneOf", ())):
        for key, below in each.get("properties", {}).items():
            here = f"{path}{key}"
            needed = " Required." if key in each.get("required", ()) else ""
            seen.setdefault(here, _sentence(below.get("description", "")) + needed)
            seen.update(item for item in _keys(below, f"{here}.") if item[0] not in seen)
        for inside, step in (("additionalProperties", "NAME."), ("items", "")):
            below = each.get(inside)
            if isinstance(below, dict):
                seen.update(item for item in _keys(below, f"{path}{step}") if item[0] not in seen)
        if each is not shape:
            seen.update(item for item in _keys(each, path) if item[0] not in seen)
    yield from seen.items()


def _page(name: str, section: int, short: str, body: Iterable[str]) -> Page:
    head = f'.TH "{_roff(name).upper()}" "{section}" "" "vsctl" "{MANUAL}"'
    lines = [head, *_section("NAME", [f"{_roff(name)} \\- {_roff(short)}"]), *body]
    return Page(name, section, "\n".join(lines) + "\n")


def _section(title: str, lines: Iterable[str]) -> list[str]:
    inside = list(lines)
    return [f".SH {title}", *inside] if inside else []


def _see_also(others: Sequence[str]) -> list[str]:
    split = [each.partition("(") for each in others]
    lines = [f".BR {_roff(name)} ({section}," for name, _, section in split]
    return _section("SEE ALSO", [*lines[:-1], lines[-1].rstrip(",")])


def _synopsis(words: Sequence[str], rest: Sequence[str]) -> str:
    return f"\\fB{_roff(' '.join(words))}\\fR {_roff(' '.join(rest))}"


def _terms(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in pairs:
        yield ".TP"
        yield f"\\fB{_roff(term)}\\fR"
        yield _line(meaning)


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if number:
            yield ".PP"
        yield _line(" ".join(paragraph.split()))


def _line(text: str) -> str:
    """Return running text; what stands in backticks becomes bold."""
    return re.sub(r"`([^`]*)`", r"\\fB\1\\fR", _roff(text))


def _roff(text: str) -> str:
    """Write text so that roff takes none of it for a request or an escape."""
    plain = (
        text.replace("\\", "\\e")
        .replace("-", "\\-")
        .replace("'", "\\(aq")
        .replace("^", "\\(ha")
        .replace("~", "\\(ti")
    )
    plain = plain.replace("…", "...").replace("→", "\\->")
    return f"\\&{plain}" if plain.startswith(".") else plain


def _sentence(text: str) -> str:
    return text if text.endswith((".", "]", ")")) or not text else f"{text}."


if __name__ == "__main__":
    write(Path(sys.argv[1]))
