"""What does the lab say when something is not as it should be?"""

from __future__ import annotations


class LabProblem(Exception):  # noqa: N818 - a problem is said, not always an error
    """A sentence for the person at the keyboard: what is so, and what to do."""
