"""All requests ever sent to providers by the jobs and experiments that share a ledger, compared with the limits.

Before a request leaves, the most that it can cost is reserved, in one transaction with the look at the limits: so jobs side by side
can't overspend. When it is answered, what it did cost replaces that. A request without an answer stays as it was reserved.

The slots say which reservations may still shrink: a request in flight holds one, which the kernel frees when its process dies.
"""

import fcntl
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from closedbook.llm import flight, pace
from closedbook.llm.flight import LimitReached
from closedbook.params import Limits
from closedbook.util import shared
from closedbook.util.errors import UserError

TABLES = """
CREATE TABLE requests (id INTEGER PRIMARY KEY, day TEXT, step TEXT, document TEXT, model TEXT, outcome TEXT,
                       input_tokens INTEGER, output_tokens INTEGER, usd REAL);
CREATE TABLE served (day TEXT, step TEXT, document TEXT, model TEXT, calls INTEGER, PRIMARY KEY (day, step, document, model));
CREATE TABLE total (calls INTEGER, tokens INTEGER, usd REAL);
"""
CHANGES = (
    ("ALTER TABLE requests ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0",
     "CREATE TABLE in_flight (slot INTEGER PRIMARY KEY, request INTEGER)"),
    ("CREATE TABLE batches (submission TEXT PRIMARY KEY, file TEXT, batch TEXT)",
     "CREATE TABLE pending (request INTEGER PRIMARY KEY, key TEXT UNIQUE, submission TEXT)",
     "CREATE INDEX in_submission ON pending (submission)",
     "CREATE TABLE pace (free REAL, asked REAL, tokens REAL)", "INSERT INTO pace VALUES (0, 0, 0)"),
)  # fmt: skip
"""what each version of the tables added to those before it"""
VERSION = len(CHANGES)
OPEN = "open"
"""the outcome of a request that is in flight, or was when its job died"""
PATIENCE = 60
"""seconds to wait for other jobs' transactions, which take milliseconds"""
DIGITS = 9
"""of a dollar that are compared: sums of what is no whole number of bits differ in the last ones"""


class Amount(NamedTuple):
    input_tokens: int
    output_tokens: int
    usd: float | None
    """None where no price is known"""
    cached_tokens: int = 0
    """of the input, those that the provider had in its cache"""

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class Reached(NamedTuple):
    """Why a request may not leave now."""

    limit: str
    allowed: float
    spent: float
    for_good: bool
    """what is in flight can make no room for it"""

    def error(self) -> LimitReached:
        return LimitReached(f"limits.{self.limit}: the limit of {self.allowed:,} is reached ({self.spent:,.6g} spent, and the next request "
                            f"may need more than the rest): raise limits.{self.limit} in params.yaml, then run snakemake --cores all; what "
                            "was answered is kept")


class InBatch(NamedTuple):
    """A request that is in a batch, or is to be."""

    submission: str
    is_new: bool


class NotYet(NamedTuple):
    """A request would leave too early for the limits of a minute."""

    seconds: float


class Account:
    """The requests about one document at one step, in the account that all jobs share.

    A transaction takes a tenth of a millisecond, since the database is not flushed to disk each time (on a file system that machines share it
    is): a killed job loses nothing of it, a power cut may lose the last ones, and then the ledger's lines are there to make the account again.
    """

    def __init__(self, folder: Path, *, step: str, document: str, model: str):
        self._about = (step, document, model)
        self._database = opened(folder)
        self._slots = flight.slot_file(folder)

    def close(self) -> None:
        self._database.close()

    def reserve(self, slot: int, most: Amount, limits: Limits) -> int | Reached | NotYet:
        """The number of a request that may now leave, or why it may not; it holds a slot."""
        with transaction(self._database) as database:
            database.execute("DELETE FROM in_flight WHERE slot = ?", (slot,))  # whoever was there died
            if reached := self._reached(most, limits):
                return reached
            if early := pace.early(database, most.tokens, limits):
                return NotYet(early)
            request = self._entered(most)
            database.execute("INSERT INTO in_flight VALUES (?, ?)", (slot, request))
            return request

    def reserve_in_batch(self, key: str, submission: str, most: Amount, limits: Limits) -> InBatch | Reached:
        """Where a request is pending; in this submission if it was in none. Or why it may not be asked now."""
        with transaction(self._database) as database:
            if found := database.execute("SELECT submission FROM pending WHERE key = ?", (key,)).fetchone():
                return InBatch(found[0], is_new=False)
            if reached := self._reached(most, limits):
                return reached
            database.execute("INSERT INTO pending VALUES (?, ?, ?)", (self._entered(most), key, submission))
            return InBatch(submission, is_new=True)

    def pending(self, key: str) -> int | None:
        """The number of a request that is in a batch."""
        found = self._database.execute("SELECT request FROM pending WHERE key = ?", (key,)).fetchone()
        return found and found[0]

    def enter(self, most: Amount) -> int:
        """The number of a request that was answered elsewhere, whatever the limits."""
        with transaction(self._database):
            return self._entered(most)

    def _entered(self, most: Amount) -> int:
        self._database.execute("UPDATE total SET calls = calls + 1, tokens = tokens + ?, usd = usd + ?", (most.tokens, most.usd or 0.0))
        return _insert(self._database, (_day(time.time()), *self._about, OPEN, *most))

    def _reached(self, most: Amount, limits: Limits) -> Reached | None:
        """The limit that a request would break; of several, one that stays broken."""
        wanted = {"max_calls": 1, "max_tokens": most.tokens, "max_usd": most.usd or 0.0}
        spent = dict(zip(wanted, self._database.execute("SELECT calls, tokens, usd FROM total").fetchone()))
        beyond = {limit: spent[limit] + more - allowed for limit, more in wanted.items() if (allowed := getattr(limits, limit)) is not None}
        broken = [limit for limit, by in beyond.items() if round(by, DIGITS) > 0]
        if not broken:
            return None
        to_come_back = self._reserved()
        for_good = {limit: round(beyond[limit] - to_come_back[limit], DIGITS) > 0 for limit in broken}
        limit = max(broken, key=for_good.get)
        return Reached(limit, getattr(limits, limit), spent[limit], for_good[limit])

    def _reserved(self) -> dict[str, float]:
        """What at most those in flight will have left over; a call is spent when it is sent."""
        alive = [request for slot, request in self._database.execute("SELECT slot, request FROM in_flight") if self._slots.is_held(slot)]
        sums = f"SELECT coalesce(sum(input_tokens + output_tokens), 0), total(usd) FROM requests WHERE id IN ({','.join('?' * len(alive))})"
        return {"max_calls": 0, **dict(zip(("max_tokens", "max_usd"), self._database.execute(sums, alive).fetchone()))}

    def settle(self, request: int, outcome: str, spent: Amount) -> None:
        """What a request did cost takes the place of the most that it could."""
        with transaction(self._database) as database:
            most = Amount(*database.execute("SELECT input_tokens, output_tokens, usd FROM requests WHERE id = ?", (request,)).fetchone())
            now = (outcome, *spent, request)
            database.execute("UPDATE requests SET outcome = ?, input_tokens = ?, output_tokens = ?, usd = ?, cached_tokens = ? WHERE id = ?",
                             now)
            less = (most.tokens - spent.tokens, (most.usd or 0.0) - (spent.usd or 0.0))
            database.execute("UPDATE total SET tokens = tokens - ?, usd = usd - ?", less)
            for table in ("in_flight", "pending"):
                database.execute(f"DELETE FROM {table} WHERE request = ?", (request,))

    def serve(self) -> None:
        """Count an answer that the ledger had."""
        with transaction(self._database) as database:
            new = (_day(time.time()), *self._about)
            database.execute("INSERT INTO served VALUES (?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET calls = calls + 1", new)

    def give_back(self, tokens: int, limits: Limits) -> None:
        """A request had so many tokens less than were counted when it left."""
        if limits.tokens_per_minute:
            with transaction(self._database) as database:
                pace.give_back(database, tokens, limits)

    def hold(self, seconds: float) -> None:
        """Let no request leave before so many seconds are over."""
        with transaction(self._database) as database:
            pace.hold(database, seconds)


@contextmanager
def transaction(database: sqlite3.Connection):
    with database:  # commits, or rolls back
        database.execute("BEGIN IMMEDIATE")
        yield database


def rows(folder: Path) -> list[dict]:
    """What was asked and served: {"day" (UTC), "step", "document", "model", "outcome", "calls", "input_tokens", "cached_tokens",
    "output_tokens", "usd", "unpriced"} for each that differs in the first five, in their order.

    "outcome" is one of the ledger's, OPEN, or "served" for answers that the ledger had. Tokens and dollars are what counts against the
    limits, by the prices of that day; "unpriced" is how many of the calls have no price and so are not in "usd".
    """
    with closing(opened(folder)) as database:
        found = database.execute(
            "SELECT day, step, document, model, outcome, count(*) AS calls, sum(input_tokens) AS input_tokens, sum(cached_tokens) AS "
            "cached_tokens, sum(output_tokens) AS output_tokens, total(usd) AS usd, sum(usd IS NULL) AS unpriced FROM requests GROUP BY "
            "day, step, document, model, outcome "
            "UNION ALL SELECT day, step, document, model, 'served', calls, 0, 0, 0, 0.0, 0 FROM served ORDER BY 1, 2, 3, 4, 5"
        )  # fmt: skip
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]


def _insert(database: sqlite3.Connection, row: tuple) -> int:
    return database.execute("INSERT INTO requests VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row).lastrowid


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def opened(folder: Path) -> sqlite3.Connection:
    path = folder / "account.sqlite3"
    if not path.exists():
        _rebuild(path)
    database = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    database.execute("PRAGMA synchronous = NORMAL")
    _suit(database, path.parent)
    if _version(database) < VERSION:
        _bring_up_to_date(database)
    return database


def _suit(database: sqlite3.Connection, folder: Path) -> None:
    """Write-ahead logging needs memory that all who write share, so it is for one machine's own disk; the rollback journal needs locks alone."""
    wanted = "delete" if shared.is_shared(folder) else "wal"
    if database.execute("PRAGMA journal_mode").fetchone()[0] == wanted:
        return
    try:
        database.execute(f"PRAGMA journal_mode = {wanted}")
    except sqlite3.OperationalError as error:
        database.close()
        raise UserError(f"{folder}: the account can't be opened as its file system needs ({error}): a process has had it open since before it "
                        "lay there: end that, and run again") from None


def _version(database: sqlite3.Connection) -> int:
    return database.execute("PRAGMA user_version").fetchone()[0]


def _bring_up_to_date(database: sqlite3.Connection) -> None:
    """Tables of earlier versions become those of today; of several jobs that do this at once, one does."""
    with transaction(database):
        for change in (each for version in CHANGES[_version(database):] for each in version):
            database.execute(change)
        database.execute(f"PRAGMA user_version = {VERSION}")


def _rebuild(path: Path) -> None:
    """From what the ledger has, which is nothing at the start. It appears whole, and where two jobs do this at once, once.

    SQLite takes what lies beside it for its own, so what a lost database has left there goes first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent), tempfile.TemporaryDirectory(dir=path.parent, prefix=".tmp-") as place:
        if path.exists():
            return  # another job was quicker
        made = Path(place) / path.name
        with closing(sqlite3.connect(made, isolation_level=None)) as database:
            _suit(database, path.parent)
            database.executescript(TABLES)
            _bring_up_to_date(database)
            database.execute("BEGIN")
            for row in _recorded(path.parent):
                _insert(database, row)
            database.execute("INSERT INTO total SELECT count(*), coalesce(sum(input_tokens + output_tokens), 0), total(usd) FROM requests")
            database.execute("COMMIT")
        for beside in ("-wal", "-shm", "-journal"):
            path.with_name(path.name + beside).unlink(missing_ok=True)
        os.rename(made, path)


@contextmanager
def _alone(folder: Path):
    """No other job gets past this at the same time."""
    with open(folder / "account.lock", "w") as lock:  # a lock on the folder itself would hold on this machine alone
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _recorded(ledger: Path) -> Iterator[tuple]:
    for segment in sorted(ledger.glob("*/*.jsonl")):
        with open(segment, "rb") as lines:
            for record in (json.loads(line) for line in lines if line.endswith(b"\n")):
                if record.get("counted"):
                    yield (_day(record["time"]), segment.parent.name, segment.stem, record["request"]["gen_ai.request.model"],
                           record["outcome"], *Amount(**record["counted"]))  # fmt: skip
