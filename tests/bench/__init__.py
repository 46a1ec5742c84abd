"""How do we compare? Measurements of vsctl against stock agents, in one run: `python -m tests.bench`."""
