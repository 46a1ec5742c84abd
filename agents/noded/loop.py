"""What happens next? Whatever comes first: something to read, or a time."""

from __future__ import annotations

import heapq
import select
import time
from collections.abc import Callable, Iterable
from itertools import count

now = time.monotonic


class Loop:
    """Calls functions when descriptors can be read and when times have come, one at a time."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._times: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self._going = True

    def watch(self, descriptor: int, act: Callable[[], None]) -> None:
        self._poll.register(descriptor, select.EPOLLIN)
        self._readers[descriptor] = act

    def unwatch(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._readers[descriptor]

    def after(self, pause: float, act: Callable[[], None]) -> None:
        """Call a function once, after some seconds."""
        heapq.heappush(self._times, (now() + pause, next(self._number), act))

    def repeat(self, pauses: Iterable[float], act: Callable[[], bool], _needs: int = -1) -> None:
        """Call a function after each pause, until it says False or an error stops it; all files stay open here."""
        rest = iter(pauses)

        def again() -> None:
            try:
                goes_on = act()
            except OSError:  # the interface is gone or down
                return
            if goes_on:
                wait()

        def wait() -> None:
            pause = next(rest, None)
            if pause is not None:
                self.after(pause, again)

        wait()

    def run(self) -> None:
        """Go on until `end`."""
        self._going = True
        while self._going:
            pause = max(0.0, self._times[0][0] - now()) if self._times else None
            for descriptor, _ in self._poll.poll(pause):
                if act := self._readers.get(descriptor):
                    act()
            # What was read comes first: an answer that has arrived must not be late because this process was.
            while self._times and self._times[0][0] <= now():
                heapq.heappop(self._times)[2]()

    def end(self) -> None:
        self._going = False
