"""Which job reads what another one makes; what some targets need, and what must run."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from closedbook.workflow.registry import STAGES, Job


class Graph:
    """The jobs of a plan, which stand each after those whose results they read."""

    def __init__(self, jobs: Mapping[str, Job]):
        self.jobs = jobs
        self._maker = {str(path): job.name for job in jobs.values() for path in (*job.files.outputs.values(), *job.files.folders.values(), job.receipt)}

    @cached_property
    def before(self) -> dict[str, list[str]]:
        """{job: the jobs whose results it reads}"""
        known: dict[str, str | None] = {}
        return {name: self._makers(job, known) for name, job in self.jobs.items()}

    def _makers(self, job: Job, known: dict[str, str | None]) -> list[str]:
        found = {}
        for path in map(str, job.files.read()):
            if path not in known:
                known[path] = self.maker(path)
            if known[path]:
                found[known[path]] = None
        return list(found)

    def maker(self, path: str) -> str | None:
        """The job that makes a file, or the folder in which it lies."""
        return next((self._maker[str(place)] for place in (Path(path), *Path(path).parents) if str(place) in self._maker), None)

    def needed(self, targets: Iterable[str]) -> list[str]:
        """The jobs behind some targets, which are paths, stages or "all"; what is no job of ours is left out."""
        found, waiting = set(), [job for target in targets for job in self._of(target)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self.before[name]
        return [name for name in self.jobs if name in found]

    def _of(self, target: str) -> list[str]:
        if target == "all":
            return self._of("report")
        if target in STAGES:
            return [job.name for job in self.jobs.values() if job.place == target]
        return [name] if (name := self.maker(target)) else []

    def due(self, stale: Iterable[str]) -> set[str]:
        """The jobs that are stale, and all after them, which may be: they look when those before them are done."""
        due = set(stale)
        for name, before in self.before.items():
            if due.intersection(before):
                due.add(name)
        return due
