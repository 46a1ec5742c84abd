"""Which storage does the node daemon call lost? Pure: no device, no clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stories import cast
from vsctl.agents.noded import judge, settings, storage
from vsctl.agents.noded.judge import QUIET, Record
from vsctl.agents.noded.storage import CALM, DEAD, ERRORS, LAST, SLOW, Answer, Reads
from vsctl.policy import parameters

FINE, BAD = Answer(0.001), Answer(0.002, "/dev/sdb: Input/output error")


def after(*answers: Answer) -> Reads:
    reads = Reads()
    for each in answers:
        reads = reads.begun(0.0).answered(each)
    return reads


def test_nothing_is_said_before_the_first_answer() -> None:
    assert storage.works(Reads(), 0.0) is None
    assert storage.works(Reads().begun(0.0), SLOW) is None


@given(st.lists(st.sampled_from([FINE, BAD]), min_size=1, max_size=20))
def test_a_unit_is_lost_when_most_of_the_last_reads_were_errors(answers: list[Answer]) -> None:
    errors = sum(each is BAD for each in answers[-LAST:])
    found = storage.works(after(*answers), 0.0)
    assert (found is False) == (errors >= ERRORS)
    assert (found is True) == (errors < ERRORS and answers[-1] is FINE), "one error alone is no news"


def test_one_dead_device_of_two_is_no_lost_unit() -> None:
    turns = [FINE, BAD] * 5
    assert all(storage.works(after(*turns[:length]), 0.0) is not False for length in range(10))


@given(st.floats(0, 100))
def test_slow_is_not_dead(waited: float) -> None:
    reads = after(FINE).begun(10.0)
    moment = 10.0 + waited
    works = storage.works(reads, moment)
    state = storage.state(judge.observed(Record(), works, moment), reads, moment)
    if moment - 10.0 >= DEAD:
        assert (works, state) == (False, storage.HUNG)
    elif moment - 10.0 >= SLOW:
        assert works is None, "no news: what was so stays so"
    else:
        assert works is True
    assert storage.works(reads.answered(Answer(waited)), moment) is True, "it came back"


def test_what_was_slow_is_said_for_as_long_as_it_counts() -> None:
    good = Record(works=True, good=True)
    reads = after(Answer(3.2))
    assert storage.state(good, reads, 0.0) == storage.SLOWLY
    said = storage.sentence("san1", storage.SLOWLY, reads, good, 0.0)
    assert said == "storage san1 is slow: a read takes 3.2 s"
    assert storage.state(good, after(Answer(3.2), *[FINE] * LAST), 0.0) == storage.GOOD


def test_one_that_is_slow_every_now_and_then_is_called_slow_until_it_is_calm() -> None:
    assert storage.told(storage.SLOWLY, storage.GOOD, 0.0, CALM - 1) == storage.SLOWLY
    assert storage.told(storage.FAILING, storage.GOOD, 0.0, CALM - 1) == storage.FAILING
    assert storage.told(storage.SLOWLY, storage.GOOD, 0.0, CALM) == storage.GOOD
    assert storage.told(storage.SLOWLY, storage.HUNG, 0.0, 0.0) == storage.HUNG
    assert storage.told(storage.WAITING, storage.GOOD, 0.0, 0.0) == storage.GOOD


@given(st.floats(0, DEAD - 0.001))
def test_it_is_known_when_a_read_that_does_not_come_back_loses_the_unit(waited: float) -> None:
    reads = after(FINE).begun(10.0)
    left = storage.until_dead(reads, 10.0 + waited)
    assert storage.works(reads, 10.0 + waited) is not False
    assert storage.works(reads, 10.0 + waited + left + 0.001) is False


def test_a_unit_that_comes_back_has_to_work_for_a_while() -> None:
    record = judge.observed(Record(), True, 0.0)
    record = judge.observed(record, False, 1.0)
    assert storage.attributes({"san1": record, "san2": Record(works=True, good=True)}) == [
        ("storage-san1", "0"),
        ("storage-san2", "1"),
    ]
    record = judge.observed(record, True, 2.0)
    assert storage.state(record, after(FINE), 2.0) == storage.WAITING
    assert storage.attributes({"san1": record}) == [("storage-san1", "0")]
    record = judge.observed(record, True, 2.0 + QUIET)
    assert storage.attributes({"san1": record}) == [("storage-san1", "1")]


def test_what_was_never_read_is_not_told() -> None:
    assert storage.attributes({"san1": Record()}) == []


@pytest.mark.parametrize(
    ("state", "reads", "words"),
    [
        (storage.HUNG, after(FINE).begun(0.0), "does not answer: a read has waited for 8 s"),
        (storage.LOST, after(BAD, BAD, BAD), "is lost: /dev/sdb: Input/output error"),
        (storage.FAILING, after(BAD, FINE), "does not answer every read: /dev/sdb: Input/output error"),
        (storage.WAITING, after(FINE), "answers again, and counts from 2 s on"),
        (storage.GOOD, after(FINE), "answers"),
    ],
)
def test_it_says_what_is_so(state: str, reads: Reads, words: str) -> None:
    record = Record(works=True, since=8.0, losses=(7.0,), good=False)
    assert storage.sentence("san1", state, reads, record, 8.0) == f"storage san1 {words}"


# what the cluster tells the daemon


def test_a_node_reads_what_its_servers_need_and_no_more() -> None:
    cluster = cast.cluster(
        [
            "nodes: n1 n2 n3",
            "san2: nodes=n1,n2",
            "vs1: filesystems=root,data storage=san1,san2",
            "vs2: nodes=n3",
            "vs3: after=drbd-clone",
        ]
    )
    found = settings.storage(parameters.storage(cluster))
    assert found == {
        "n1": {"san1": ("/dev/disk/by-id/vs1-root",), "san2": ("/dev/disk/by-id/vs1-data",)},
        "n2": {"san1": ("/dev/disk/by-id/vs1-root",), "san2": ("/dev/disk/by-id/vs1-data",)},
        "n3": {"san1": ("/dev/disk/by-id/vs1-root", "/dev/disk/by-id/vs2-root")},
    }


@given(st.text(min_size=1))
def test_any_name_of_a_device_arrives(name: str) -> None:
    text = f"san1 nodes=n1 {parameters.encoded('/dev/' + name)} /dev/b"
    assert settings.storage(text) == {"n1": {"san1": (f"/dev/{name}", "/dev/b")}}


@pytest.mark.parametrize("text", ["san1", "san1 /dev/a", "san1 nodes=n1"])
def test_what_is_no_storage_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        settings.storage(text)
