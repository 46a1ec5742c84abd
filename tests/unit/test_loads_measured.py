"""What of what was used is load: not what a reset, a gap or a server that has just come looks like."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vsctl.agents.noded import loads
from vsctl.agents.noded.loads import EVERY, GAP, WINDOW, Load, Meter, Process, Sample, grown, spent

SMBD, CLIENT, OTHER = (10, "a"), (11, "b"), (12, "c")


def steady(seconds: float, rate: int = 100, **more: int) -> Sample:
    """Return what has been used after some seconds by somebody who uses the same all the time."""
    used = round(seconds * rate)
    server = {SMBD: Process(1, seconds / 2, used)}
    return Sample(seconds, server, 4096, {"v": used}, {"d": 2 * used}, **more)


def measured(*samples: Sample) -> Load | None:
    meter = Meter()
    for each in samples:
        meter.take(each)
    return meter.load


def test_what_is_used_evenly_is_the_load() -> None:
    samples = [steady(number * EVERY, clients=2, locks=3) for number in range(20)]
    assert measured(*samples) == Load(0.5, 4096, 800.0, 200.0, 100.0, 2, 3)


def test_nothing_is_said_before_it_has_settled() -> None:
    assert measured() is None
    assert measured(steady(1e6)) is None, "what was used before somebody looked is nobody's load"
    assert measured(steady(1e6), steady(1e6 + EVERY)) is None
    assert measured(*(steady(1e6 + number * EVERY) for number in range(3))) == replace(
        Load(0.5, 4096, 800.0, 200.0, 100.0, 0, 0)
    )


def test_what_was_used_a_minute_ago_is_forgotten() -> None:
    busy = [steady(number * EVERY) for number in range(10)]
    quiet = [replace(busy[-1], when=busy[-1].when + number * EVERY) for number in range(1, 8)]
    assert measured(*busy, *quiet) == Load(0.0, 4096, 0.0, 0.0, 0.0, 0, 0)


def test_a_gap_is_no_load() -> None:
    """Somebody copies for a minute while nobody looks: nobody knows when in that minute, or whether it goes on."""
    quiet = [steady(number * EVERY, rate=0) for number in range(3)]
    later = [
        Sample(
            each.when + 1.5 * GAP, {SMBD: Process(1, each.when / 2, 0)}, 4096, {"v": 10**12}, {"d": 10**12}
        )
        for each in quiet[1:]
    ]
    found = measured(*quiet, *later)
    assert found
    assert (found.network, found.disk) == (0.0, 0.0)


def test_a_counter_that_begins_anew_is_no_load() -> None:
    samples = [steady(number * EVERY) for number in range(5)]
    again = [replace(each, when=each.when + 5 * EVERY) for each in samples]
    assert measured(*samples, *again) == Load(0.5, 4096, 800.0, 200.0, 100.0, 0, 0)


def test_a_disk_that_comes_brings_nothing_along() -> None:
    assert grown({"d": 1}, {"d": 3, "new": 10**9}) == 2
    assert grown({"d": 1, "gone": 7}, {"d": 3}) == 2
    assert grown({"d": 7}, {"d": 3}) is None


def test_a_daemon_that_was_just_started_counts_from_then_on() -> None:
    started = {SMBD: Process(1, 30.0, 10**6)}
    assert spent({}, started) == (0, 0)
    assert spent(started, {SMBD: Process(1, 31.0, 10**6 + 5)}) == (1.0, 5)


def test_a_client_whose_process_ends_is_counted_once() -> None:
    """smbd forks for each client, and what the child has used becomes its own when it has waited for it."""
    alone = {SMBD: Process(1, 5.0, 0)}
    served = {SMBD: Process(1, 6.0, 0), CLIENT: Process(10, 3.0, 1000)}
    assert spent(alone, served) == (4.0, 0), "how it begins is its own affair"
    assert spent(served, {**served, CLIENT: Process(10, 3.0, 1010)}) == (0.0, 10)
    ended = {SMBD: Process(1, 6.0 + 3.5, 0)}
    assert spent(served, ended) == (0.5, 0)
    assert spent(alone, ended) == (4.5, 0), "seen or not while it lived"


def test_who_is_no_child_of_the_server_is_not_its_load() -> None:
    """Monitors look in for a moment."""
    alone = {SMBD: Process(1, 5.0, 100)}
    visited = {**alone, OTHER: Process(1, 0.01, 50)}
    assert spent(alone, visited) == spent(visited, alone) == (0, 0)


amounts = some.integers(0, 10**9)
samples = some.lists(
    some.builds(
        Sample,
        when=some.just(0.0),
        processes=some.dictionaries(
            some.tuples(some.integers(1, 6), some.sampled_from("ab")),
            some.builds(Process, some.integers(0, 6), some.floats(0, 1e6), amounts),
            max_size=5,
        ),
        memory=amounts,
        network=some.dictionaries(some.sampled_from("vw"), amounts),
        disk=some.dictionaries(some.sampled_from("de"), amounts),
    ),
    max_size=12,
)
pauses = some.lists(some.floats(0.5, 100.0), min_size=12, max_size=12)


@pytest.mark.slow
@given(samples, pauses)
def test_nothing_is_ever_more_than_what_counters_can_have_grown_by(
    seen: list[Sample], waits: list[float]
) -> None:
    """Whatever counters do, and however irregular the looks are."""
    moment, timed = 0.0, []
    for each, wait in zip(seen, waits, strict=False):
        moment += wait
        timed.append(replace(each, when=moment))
    found = measured(*timed)
    if found is None:
        return
    pairs = [(a, b) for a, b in pairwise(timed) if b.when - a.when <= GAP]
    assert 0 <= found.disk <= max(growth(a.disk, b.disk) / (b.when - a.when) for a, b in pairs) + 1e-6
    assert (
        0
        <= found.network
        <= 8 * max(growth(a.network, b.network) / (b.when - a.when) for a, b in pairs) + 1e-6
    )
    assert found.cpu >= 0 and found.operations >= 0


def growth(before: dict[str, int], after: dict[str, int]) -> int:
    return sum(max(0, after[each] - before[each]) for each in before.keys() & after.keys())


trees = some.dictionaries(some.integers(2, 9), some.integers(0, 4), max_size=6)


@given(trees, trees, some.dictionaries(some.integers(1, 9), some.integers(0, 50)))
def test_processes_that_come_and_go_lose_and_add_nothing(
    first: dict[int, int], second: dict[int, int], used: dict[int, int]
) -> None:
    """Children of one daemon come and go, each is waited for; what it and they use between two looks is found."""
    root = (1, "x")

    def seen(alive: dict[int, int], of_root: float) -> dict[tuple[int, str], Process]:
        processes = {(each, "x"): Process(1, float(cpu), cpu) for each, cpu in alive.items()}
        return {root: Process(0, of_root, round(of_root)), **processes}

    later = {each: first.get(each, 0) + used.get(each, 0) for each in second}
    dead = sum(first[each] + used.get(each, 0) for each in first if each not in second)
    before, after = seen(first, 7.0), seen(later, 7.0 + dead)
    expected = sum(later[each] - first.get(each, 0) for each in later)
    expected += sum(used.get(each, 0) for each in first if each not in second)
    assert spent(before, after)[0] == expected


def test_small_changes_are_not_told() -> None:
    told = Load(1.0, 1 << 30, 1e9, 1e6, 1000, 100, 10)
    assert not loads.differs(told, told)
    assert not loads.differs(told, Load(1.05, (1 << 30) + 1, 1.05e9, 1.05e6, 1050, 105, 11))
    assert loads.differs(told, replace(told, cpu=1.2))
    assert loads.differs(told, replace(told, clients=50))
    assert loads.differs(None, told)
    assert loads.differs(told, None)
    assert not loads.differs(None, None)
    idle = Load(0.0, 0, 0.0, 0.0, 0.0, 0, 0)
    assert not loads.differs(idle, replace(idle, cpu=0.01, network=50_000.0, disk=50_000.0, operations=0.5))
    assert loads.differs(idle, replace(idle, locks=1))


numbers = some.floats(0, 1e12)
some_loads = some.builds(Load, numbers, amounts, numbers, numbers, numbers, amounts, amounts)


@given(some.lists(some_loads, min_size=1))
def test_what_was_told_last_is_always_nearly_right(course: list[Load]) -> None:
    told = None
    for each in course:
        if loads.differs(told, each):
            told = each
        assert told
        assert abs(told.network - each.network) <= max(100_000.0, 0.1 * max(told.network, each.network))
        assert abs(told.clients - each.clients) <= 0.1 * max(told.clients, each.clients)


@pytest.mark.parametrize(
    ("amount", "words"),
    [(0.0, "0"), (0.123456, "0.123"), (12.3456, "12.3"), (1234.5, "1234"), (2.5e10, "25000000000")],
)
def test_numbers_have_as_many_digits_as_anybody_needs(amount: float, words: str) -> None:
    assert loads.text(Load(amount, 0, 0, 0, 0, 0, 0)).split()[0] == f"cpu={words}"


def test_a_window_is_as_long_as_it_says() -> None:
    meter = Meter()
    for number in range(100):
        meter.take(steady(number * EVERY))
    assert sum(each.seconds for each in meter._steps) == WINDOW
