"""What a run says in the terminal: a line when a stage begins, one when it is done, and how far it is meanwhile. Snakemake's own lines stay in
its log.
"""

import logging
import re
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from closedbook.util import tables, terminal
from closedbook.workflow.snakemake import Run

SECONDS, SLOWER, MOST_SECONDS = 30, 0.25, 90
"""between two lines about the same stage, where nothing can be written over: at first, as a share of what it has taken, and at most"""
BYTES, TAIL = 20_000, 20
"""of a log that are read; lines of one that are shown where no error is named"""
PLACE = re.compile(r'WorkflowError.*:$|  File ".*", line ')
BAR = re.compile(r"\|.*\|")
"""that a library draws of its progress, between the share that is done and the count"""
NOTHING = "Nothing to be done"
STOPPED = "Terminating processes on user request"
"""parts of Snakemake's messages"""
SUBMITTED = "    sbatch call:"
"""where the plugin begins to repeat a submission that Slurm did not take"""


class Failure(NamedTuple):
    """A job that did not go well."""

    logs: list[Path]
    """its own, and the cluster's of it"""
    said: str
    """why the cluster did not take it; nothing of a job that has begun"""


class Stage:
    """One stage at work."""

    def __init__(self, name: str, receipts: list[Path]):
        self.name, self._waiting, self._total, self._since = name, receipts, len(receipts), time.time()
        self.logs: dict[int, Path] = {}
        """of the jobs at work, by their numbers"""
        self.seconds, self.shown = 0.0, 0.0
        self._looked = time.monotonic()

    def look(self) -> str:
        """How far it is, as text. Time in which nothing of it was at work does not count."""
        self.pass_time()
        self._waiting = [path for path in self._waiting if not path.exists() or path.stat().st_mtime < self._since]
        made, left = self._total - len(self._waiting), len(self._waiting)
        parts = [f"{made:,} of {self._total:,}"] if self._total > 1 else []
        parts += [f"about {tables.duration(self.seconds / made * left)} left"] if made and left else []
        return "; ".join(parts + [last for log in self.logs.values() if (last := _last(log))][-1:])

    def is_due(self) -> bool:
        """Whether a line about it is to be written, where nothing can be written over."""
        return self.seconds - self.shown >= min(MOST_SECONDS, max(SECONDS, SLOWER * self.shown))

    def pass_time(self) -> None:
        now = time.monotonic()
        self.seconds += now - self._looked if self.logs else 0
        self._looked = now


class Progress(logging.Handler):
    """Stands in the place of Snakemake's own handler for the terminal."""

    def __init__(self):
        super().__init__(logging.INFO)
        self._live = sys.stderr.isatty()
        self._stages: dict[str, Stage] = {}
        self._logs: dict[int, Path] = {}
        self._failed: list[Failure] = []
        self._before: dict[Path, float | None] = {}
        """when logs that there were before were written, of jobs that may fail without a word"""
        self._stopped, self._over = False, threading.Event()

    def begin(self, run: Run, jobs: Iterable) -> None:
        """`jobs`: Snakemake's, which are to be run."""
        self._run = run
        self._logs = {job.jobid: Path(job.log[0]) for job in jobs if job.log}
        self._before = {log: _written(log) for log in self._logs.values()}
        threading.Thread(target=self._watch, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        event, message = getattr(record, "event", None), record.getMessage()
        if event == "job_started":
            for job in filter(self._logs.__contains__, record.jobs):
                self._start(job)
        elif event == "job_finished" and record.job_id in self._logs:
            self._finish(record.job_id)
        elif event == "job_error":
            has_begun = not record.rule_msg or "external_jobid" in record.aux
            self._failed.append(Failure([Path(log) for log in record.log], "" if has_begun else record.rule_msg.partition(SUBMITTED)[0].rstrip()))
        elif NOTHING in message:
            self._say(f"{NOTHING}: all that was asked for is fresh. closedbook table shows the figures.")
        elif STOPPED in message:
            self._stopped = True
        elif record.levelno >= logging.WARNING and not (self._failed or self._stopped):
            self._say(*_plain(message))

    def _start(self, job: int) -> None:
        name = _stage(self._logs[job])
        if name not in self._stages:
            due = [one for one in map(self._run.plan.jobs.get, self._run.due) if one.place == name]
            self._stages[name] = Stage(name, [one.receipt for one in due])
            self._say(f"{name}: {len(due):,} to make" if len(due) > 1 else f"{name}: begins")
        self._stages[name].pass_time()
        self._stages[name].logs[job] = self._logs[job]

    def _finish(self, job: int) -> None:
        name = _stage(self._logs.pop(job))
        stage = self._stages[name]
        stage.pass_time()
        del stage.logs[job]
        if name not in map(_stage, self._logs.values()):
            del self._stages[name]
            self._say(f"{name}: done in {tables.duration(stage.seconds)}")

    def _watch(self) -> None:
        while not self._over.wait(1):
            with self.lock:
                at_work = [stage for stage in self._stages.values() if stage.logs]
                if self._live:
                    terminal.over(" | ".join(f"{stage.name}: {stage.look()}" for stage in at_work))
                    continue
                for stage in at_work:
                    stage.pass_time()
                    if stage.is_due():
                        stage.shown = stage.seconds
                        self._say(f"{stage.name}: {stage.look() or 'at work'}")

    def end(self) -> None:
        """Say what went wrong, last and by itself."""
        self._over.set()
        if self._stopped:
            self._say("stopped: what is finished is kept; the same command goes on from there")
            return
        for told in dict.fromkeys(tuple(self._told(failure)) for failure in self._failed):
            self._say(*told)

    def _told(self, failure: Failure) -> list[str]:
        """The error that one of a job's logs names; where none does, as when the cluster ended it, the last lines of each."""
        if failure.said:
            return f"error: {failure.said}".splitlines()
        logs = [log for log in failure.logs if _written(log) not in (None, self._before.get(log))]
        named = {log: error for log in logs if (error := _error(log))}
        shown = dict(list(named.items())[:1]) or {log: _lines(log)[-TAIL:] for log in logs or failure.logs[:1]}
        return [line for log, lines in shown.items() for line in (*lines, f"all of its log: {log}")]

    def _say(self, *lines: str) -> None:
        if self._live:
            terminal.over("")
        terminal.note(*lines)


def _stage(log: Path) -> str:
    """Of a job, by its log: .closedbook/logs/STAGE/WHAT.log, or STAGE-…-SHARD.log."""
    return Path(log.parts[log.parts.index("logs") + 1]).stem.partition("-")[0]


def _plain(message: str) -> list[str]:
    """A message without the places of Snakemake's own files that it names."""
    lines = [line for line in message.splitlines() if not PLACE.match(line)]
    return [f"error: {lines[0]}", *lines[1:]] if message.startswith("WorkflowError") else lines


def _last(log: Path) -> str:
    lines = _lines(log)
    return BAR.sub("", lines[-1]) if lines else ""


def _lines(log: Path) -> list[str]:
    """The last lines of a log, of each what a terminal would show."""
    if not log.exists():
        return []
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - BYTES))
        text = file.read().decode(errors="replace")
    return [line.rstrip().split("\r")[-1] for line in text.split("\n") if line.strip()]


def _written(log: Path) -> float | None:
    return log.stat().st_mtime if log.exists() else None


def _error(log: Path) -> list[str]:
    """What a log says of the error that ended its job, from there on; nothing where it names none."""
    lines = _lines(log)
    named = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    return lines[named[-1]:] if named else []
