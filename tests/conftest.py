"""The lab as a fixture, its logs when a test fails, and the option that rewrites stories."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Generator, Iterator
from typing import Any

import hypothesis
import pytest

from tests.lab.lab import Lab
from tests.lab.place import CHECKOUT
from tests.turns import InPieces, turn

LOGS = CHECKOUT / "build" / "lab-logs"

# A machine that is busy proves nothing wrong.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")

# What runs in the background of a shell ignores Ctrl-C, and so would every program started here: tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write what happened into the stories; then read them"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda each: turn(each.nodeid.partition("::")[0]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> InPieces | None:
    return InPieces(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="module")
def lab_settings() -> dict[str, Any]:
    """The arguments of Lab for the tests of a module; override it there for other than the usual lab."""
    return {}


@pytest.fixture(scope="session")
def lab_name(worker_id: str) -> str:
    """What a lab of these tests is called; tests that run side by side need one each. $VSCTL_LAB begins it."""
    if os.geteuid() != 0:
        pytest.skip("a lab needs root")
    name = os.environ.get("VSCTL_LAB", "test")
    return name if worker_id == "master" else f"{name}-{worker_id}"


@pytest.fixture(scope="module")
def lab(lab_name: str, lab_settings: dict[str, Any]) -> Iterator[Lab]:
    """A lab that is up, shared by the tests of a module."""
    with Lab(**{"name": lab_name, **lab_settings}) as running:
        yield running


@pytest.fixture(autouse=True)
def _sound_lab(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give every test a whole lab, and fail one during which a filesystem was mounted on two nodes."""
    running: Lab | None = request.getfixturevalue("lab") if "lab" in request.fixturenames else None
    if running is not None:
        running.heal()
    yield
    if running is not None:
        running.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    report = yield
    running = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(running, Lab) and running.place.exists:
        where = running.collect(LOGS / re.sub(r"[^A-Za-z0-9_.-]+", "-", item.nodeid))
        report.sections.append(("lab", f"The logs of all machines are in {where.relative_to(CHECKOUT)}"))
    return report
