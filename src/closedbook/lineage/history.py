"""What was made from what, by the receipts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from closedbook import layout
from closedbook.util.errors import UserError
from closedbook.workflow import receipts, versioned


@dataclass(frozen=True, kw_only=True)
class Job:
    """A receipt: one job, what it read and what it wrote. Paths are relative to the project's root, hashes are SHA-256."""

    name: str
    """the receipt's path under results/receipts without .json: "runs/raw-s1" """
    recipe: dict
    inputs: dict[str, str]
    outputs: dict[str, str]
    facts: dict
    versions: dict[str, str]
    accepted: list[dict]

    @property
    def step(self) -> str:
        return self.recipe["step"]

    @property
    def place(self) -> str:
        """The stage among whose results its own are: an API model's score is one of the scores."""
        return self.name.partition("/")[0]

    @property
    def arm(self) -> str:
        """Of a run's job."""
        return layout.arm_of(self.name.partition("/")[2])

    @property
    def receipt(self) -> str:
        return str(receipts.FOLDER / f"{self.name}.json")


class History:
    """All jobs that left a receipt. `maker`: the job that wrote a path; `readers`: the jobs that read it."""

    def __init__(self, records: Mapping[str, dict]):
        """`records`: each receipt by its job's name."""
        self.jobs = {name: Job(name=name, accepted=record.get("accepted", []),
                               **{part: record[part] for part in ("recipe", "inputs", "outputs", "facts", "versions")})
                     for name, record in sorted(records.items())}
        self.maker = {path: job for job in self.jobs.values() for path in job.outputs}
        self.readers: dict[str, list[Job]] = {}
        for job in self.jobs.values():
            for path in job.inputs:
                self.readers.setdefault(path, []).append(job)

    @classmethod
    def here(cls) -> "History":
        """The checkout's own. Raises UserError where there are no results, and for a receipt that is none."""
        paths = sorted(receipts.FOLDER.rglob("*.json"))
        if not paths:
            raise UserError(f"{receipts.FOLDER}: no receipts, so where results came from is not recorded: run snakemake --cores all, or dvc pull")
        history, unread = read({str(path): path for path in paths})
        if unread:
            path, problem = next(iter(unread.items()))
            more = f"; and {len(unread) - 1} more of {len(paths)} receipts are not whole" if len(unread) > 1 else ""
            raise UserError(f"{path}: {problem}{receipts.REMEDY}{more}")
        return history

    @classmethod
    def here_if_any(cls) -> "History":
        """The same, and an empty one where there are no results."""
        return cls.here() if any(receipts.FOLDER.rglob("*.json")) else cls({})

    @classmethod
    def held(cls, held: versioned.Held, revision: str) -> "History":
        """What the receipts of a dvc.lock record. Raises UserError where it names none, and where they are not in the cache."""
        paths = [path for path in held.md5 if path.startswith(f"{receipts.FOLDER}/")]
        missing = [path for path in held.unread if path.startswith(f"{receipts.FOLDER}/")]
        missing += [path for path in paths if not held.place(path).is_file()]
        if missing:
            raise UserError(f"{revision}: {len(missing)} receipts are not in DVC's cache, or broken there, {missing[0]} among them: "
                            "dvc fetch --all-commits")
        if not paths:
            raise UserError(f"{revision}: its {versioned.LOCK} names no receipts: its results were made before receipts were kept")
        return cls({receipts.name(path): receipts.parsed(held.place(path).read_bytes(), f"{revision}:{path}") for path in paths})

    def of(self, path: str) -> Job:
        """The job that made a result. Raises UserError where no receipt names it."""
        if path not in self.maker:
            raise UserError(f"{path}: no receipt names it: it is not a result of this project, or was made before receipts were kept")
        return self.maker[path]

    def ancestors(self, jobs: Iterable[Job]) -> list[Job]:
        """The jobs themselves and all behind them, sources first."""
        found: dict[str, Job] = {}

        def visit(job: Job) -> None:
            if job.name not in found:
                for before in self.before(job):
                    visit(before)
                found[job.name] = job

        for job in jobs:
            visit(job)
        return list(found.values())

    def before(self, job: Job) -> list[Job]:
        """The jobs whose results a job read."""
        return list({self.maker[path].name: self.maker[path] for path in job.inputs if path in self.maker}.values())

    def arms_of(self, corpus: Job) -> list[str]:
        """The arms whose runs were trained on a corpus."""
        return list(dict.fromkeys(job.arm for path in corpus.outputs for job in self.readers.get(path, []) if job.step == "runs"))

    def after(self, paths: Iterable[str]) -> list[Job]:
        """All jobs, near and far, that hold something of these files."""
        found: dict[str, Job] = {}
        waiting = list(paths)
        while waiting:
            for job in self.readers.get(waiting.pop(), []):
                if job.name not in found:
                    found[job.name] = job
                    waiting += job.outputs
        return list(found.values())


def read(places: Mapping[str, Path]) -> tuple[History, dict[str, str]]:
    """What the whole ones among some receipts record, and {receipt's path: what is wrong with it} of the others; `places` says where the
    content of each lies."""
    records, unread = {}, {}
    for path, place in places.items():
        try:
            records[receipts.name(path)] = receipts.parsed(place.read_bytes(), path)
        except UserError as error:
            unread[path] = str(error).removeprefix(f"{path}: ").removesuffix(receipts.REMEDY)
    return History(records), unread
