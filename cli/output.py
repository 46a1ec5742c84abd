"""How does vsctl speak to a person, and to a program?

People get sentences and tables of at most 80 columns, in colour only on a
terminal; programs get one JSON document on standard output with --json.
Progress goes to standard error, so that it never ends up in a pipe.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import click

from vsctl.cli.programs import Refused

Condition = Callable[[], str | None]
"""Returns what is still missing, None when nothing is."""

WIDTH = 80
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
PAUSE = 0.2


def say(text: str = "", indent: str = "") -> None:
    """Print lines, folded to the width of a page as `fold` does."""
    click.echo("\n".join(fold(line, indent) for line in text.split("\n")))


def fold(line: str, indent: str = "") -> str:
    """Break a line at blanks so that it fits; continuation lines hang by `indent` more than the line itself."""
    lead = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        WIDTH,
        initial_indent=lead,
        subsequent_indent=lead + indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out rows in columns two blanks apart; the last column is folded to fit the page."""
    body = [list(map(str, row)) for row in rows]
    widths = [max(_width(row[column]) for row in [list(heads), *body]) for column in range(len(heads))]
    start = sum(widths[:-1]) + 2 * (len(heads) - 1)
    lines = []
    for number, row in enumerate([list(heads), *body]):
        left = "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row[:-1], widths, strict=False)
        )
        right = textwrap.wrap(
            row[-1], max(WIDTH - start, 20), break_long_words=False, break_on_hyphens=False
        ) or [""]
        block = [f"{left}  {right[0]}".rstrip() if len(heads) > 1 else right[0]]
        block += [" " * start + more for more in right[1:]]
        lines += [click.style(each, bold=True) for each in block] if number == 0 else block
    return "\n".join(lines)


def _width(text: str) -> int:
    """Return how many columns a text takes on a terminal, colours not counted."""
    return len(click.unstyle(text))


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def redraw(lines: Iterable[str]) -> None:
    """Show a page in the place of the one before, in one go so that it does not flicker.

    What does not fit the terminal is left out and counted. Without a terminal pages follow each other.
    """
    rows = [row for line in lines for row in line.split("\n")]
    if not sys.stdout.isatty():
        click.echo("\n".join([*rows, ""]))
        return
    fits = shutil.get_terminal_size().lines - 1
    if len(rows) > fits:
        rows = [*rows[: fits - 1], f"… {count(len(rows) - fits + 1, 'more line')}"]
    page = "".join(f"{row}{_CLEAR_LINE}\n" for row in rows)
    sys.stdout.write(f"{_HOME}{page}{_CLEAR_BELOW}")
    sys.stdout.flush()


def watch(page: Callable[[], Iterable[str]], every: float) -> NoReturn:
    """Show a page again and again; a cluster that does not answer may do so again."""
    while True:
        try:
            lines = list(page())
        except Refused as problem:
            lines = fold(str(problem)).split("\n")
        redraw(lines)
        time.sleep(every)


def remark(text: str) -> None:
    """Say something on standard error that is not what was asked for."""
    click.echo(fold(text, "    "), err=True)


def document(value: Any) -> None:
    """Print a value as one JSON document."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def good(text: str) -> str:
    return click.style(text, fg="green")


def bad(text: str) -> str:
    return click.style(text, fg="red", bold=True)


class Late(Refused):
    """What was waited for has not happened in time; it may still."""


class Progress:
    """One line on standard error that says what is being waited for; nothing where nobody watches."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()
        self.width = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.say("")

    def say(self, sentence: str) -> None:
        if self.shown:
            line = sentence[: WIDTH - 1]
            sys.stderr.write("\r" + line.ljust(self.width) + ("\r" if not line else ""))
            sys.stderr.flush()
            self.width = len(line)


def wait(condition: Condition, limit: float) -> None:
    """Wait until `condition` returns None; what it returns before that is what is still missing.

    Raises Late with that sentence when `limit` seconds have passed.
    """
    end = time.monotonic() + limit
    with Progress() as progress:
        while missing := condition():
            if time.monotonic() > end:
                raise Late(f"after {limit:.0f} s: {missing}")
            progress.say(f"{missing} …")
            time.sleep(PAUSE)


def lasted(seconds: float) -> str:
    """Say a length of time as a person would: 14 s, 12 min, 5 h, 3 days."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < size * most:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds // 86400:.0f} days"
