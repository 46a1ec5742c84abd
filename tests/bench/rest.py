from tests.bench.table import Table


def measure(trials: int) -> Table:
    raise NotImplementedError
