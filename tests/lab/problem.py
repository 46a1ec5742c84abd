"""What does the lab say when something is not as it should be?"""

from __future__ import annotations


class LabProblem(Exception):
    """A sentence for the person at the keyboard: what is so, and what to do."""
