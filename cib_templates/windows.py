"""How is a time of day written as hours and minutes?"""

from __future__ import annotations

from vsctl.policy.resources import Window

DAY = 24 * 60


def spans(window: Window) -> tuple[tuple[str, str], ...]:
    """Return the window as pairs of hours and minutes; a time is inside if both of any pair hold it.

    Pacemaker's ranges include both ends: 22:30 to 5:00 is minutes 30-59 of hour
    22, and all of hours 23 and 0-4.
    """
    if window.start < window.end:
        return _within_a_day(window.start, window.end)
    return (*_within_a_day(window.start, DAY), *_within_a_day(0, window.end))


def within(hours: str | None, minutes: str | None, hour: int, minute: int) -> bool:
    """Say whether a time is inside such a pair; None holds every hour, or every minute."""
    return _covers(hours, hour) and _covers(minutes, minute)


def _covers(span: str | None, number: int) -> bool:
    first, _, last = (span or f"{number}").partition("-")
    return int(first) <= number <= int(last or first)


def _within_a_day(start: int, end: int) -> tuple[tuple[str, str], ...]:
    found = []
    while start < end:
        hour, minute = divmod(start, 60)
        if minute or end - start < 60:
            stop = min(end, (hour + 1) * 60)
            found.append((str(hour), f"{minute}-{stop - hour * 60 - 1}"))
        else:
            stop = end - end % 60
            found.append((f"{hour}-{stop // 60 - 1}", "0-59"))
        start = stop
    return tuple(found)
