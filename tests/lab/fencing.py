"""What is at the other end of the nodes' fence agent?

A process outside of all machines, one for each lab, that cuts their power. It
also keeps the guard against double mounts.

Fencing leaves a node off until somebody boots it, so that a test can look at
the time between; with `boots` it comes back as from a real power switch.
"""

from __future__ import annotations

import contextlib
import socketserver
import sys
import threading
import traceback
from typing import TYPE_CHECKING

from tests.lab import guard
from tests.lab.problem import LabProblem

if TYPE_CHECKING:
    from tests.lab.lab import Lab


class Switch:
    """Answers the fence agent: a line `ACTION NODE ASKED-BY` with `yes`, `off` or `no`, and words."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def answer(self, question: str) -> str:
        action, node, by = question.rstrip("\n").split(" ")
        nodes = {each.name: each for each in self.lab.nodes}
        if action == "monitor":
            return "yes"
        if action == "list":
            return "yes " + "\n".join(f"{name}," for name in nodes)
        if node not in nodes:
            return f"no {node} is no node of this lab"
        machine, why = nodes[node], f"{action} asked for by {by}"
        if action == "status":
            return "yes" if machine.is_on else "off"
        if action in ("off", "reboot"):
            self.lab.power.cut(machine, why)
        if action == "on" or (action == "reboot" and self.lab.settings.boots):
            threading.Thread(target=self.lab.power.restore, args=(machine, why)).start()
        return "yes" if action in ("on", "off", "reboot") else f"no the lab's power switch cannot {action}"


def serve(lab: Lab) -> None:
    """Answer until killed."""
    switch = Switch(lab)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            question = self.rfile.readline().decode()
            try:
                answer = switch.answer(question)
            except LabProblem as problem:
                answer = f"no {problem}"
            except Exception:
                traceback.print_exc()
                answer = "no the lab's power switch is broken, see helper.log"
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(answer.encode())

    path = lab.place.shared / "power"
    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=_watch, args=(lab,), daemon=True).start()
        server.serve_forever()


def _watch(lab: Lab) -> None:
    """Guard; a lab whose guard has died must not look healthy, so the helper ends with it."""
    try:
        guard.watch(lab.disks, lab.power.journal)
    except Exception:
        traceback.print_exc()
    finally:
        import os

        sys.stderr.flush()
        os._exit(1)
