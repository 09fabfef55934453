"""Requests and tokens a minute, of all jobs together, evenly spread: when the next request may leave is in the account's database.

Each request moves the time of the next one by its share of a minute, so no minute holds more than is allowed, and none makes up for one
that was idle. A request with more tokens than a minute may hold leaves all the same, and all wait as long as it takes.
"""

import sqlite3
import time

from closedbook.params import Limits

MINUTE = 60.0
LONGEST = 3600.0
"""seconds that a wait can be; a longer one is a clock that was set back"""


def early(database: sqlite3.Connection, tokens: int, limits: Limits) -> float:
    """The seconds by which a request would leave too early; if there are none, it leaves now, and is counted. Within a transaction."""
    now = time.time()
    free, asked, read = database.execute("SELECT free, asked, tokens FROM pace").fetchone()
    held = [free, asked if limits.requests_per_minute else 0, read if limits.tokens_per_minute else 0]
    wait = max(held) - now
    if 0 < wait < LONGEST:
        return wait
    if limits.requests_per_minute or limits.tokens_per_minute:
        database.execute("UPDATE pace SET asked = ?, tokens = ?",
                         (now + _share(1, limits.requests_per_minute), now + _share(tokens, limits.tokens_per_minute)))
    return 0.0


def give_back(database: sqlite3.Connection, tokens: int, limits: Limits) -> None:
    """What a request counted for too much. Within a transaction."""
    database.execute("UPDATE pace SET tokens = tokens - ?", (_share(tokens, limits.tokens_per_minute),))


def hold(database: sqlite3.Connection, seconds: float) -> None:
    """Let nothing leave for so long. Within a transaction."""
    database.execute("UPDATE pace SET free = max(free, ?)", (time.time() + seconds,))


def _share(number: int, per_minute: int | None) -> float:
    """Seconds that so many take."""
    return number * MINUTE / per_minute if per_minute else 0.0
