"""How is a small file read, and replaced at one blow?"""

from __future__ import annotations

from vsctl.agents import system as os


def read(path: str) -> str:
    """Return what a file says; nothing if it is not there."""
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def replace(path: str, text: str) -> None:
    """Let a file say `text`; whoever reads it meanwhile gets the old text or the new, never a part."""
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.replace(f"{path}.new", path)
