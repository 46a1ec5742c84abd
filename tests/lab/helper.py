"""The process that fences and watches, of the lab named on the command line."""

from __future__ import annotations

import sys

from tests.lab.fencing import serve
from tests.lab.lab import Lab

if __name__ == "__main__":
    serve(Lab.attach(sys.argv[1]))
