"""What Snakemake is given: which jobs there are, what they read and write, and which of them must run. Read docs/freshness.md first.

Snakemake decides by times. Here it is told only of inputs that are to be made, so that times say nothing, and what must run is forced: no time
is set, and a dry run changes nothing. Jobs that work by document are cut into shards, the documents that one process works on; how many there are is
the profile's, and changes no byte. Of a shard Snakemake knows one file, however many documents it has: it compares every file with every rule.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from pathlib import Path

from closedbook.params import OWN_MODELS, Training, typed
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import earlier, generated, leftovers, registry, scored, upkeep
from closedbook.workflow import plan as planning
from closedbook.workflow.receipts import WORK
from closedbook.workflow.registry import STAGES, STEPS, Job

BASE = "base/base"
BEGUN = WORK / "run.json"
"""the shards of the run that is at work, and what of it must run: for Snakemake's own processes on other machines, which read the rules anew"""


class Run:
    """One call of Snakemake."""

    def __init__(self, targets: Collection[str], stage: str | None, shards: int, is_main: bool):
        """`stage`: the only one whose rules there are, in a DVC stage; `shards`: at most so many for each recipe.

        Raises UserError for whatever the user can mend.
        """
        if type(shards) is not int or shards < 1:
            raise UserError(f"shards: {shards}: give a whole number from 1, in profiles/default/profile.yaml or as --config shards=N")
        self._stage = stage
        if not is_main:
            self._go_on()
            return
        self._planned_after = upkeep.last_held()
        self.plan = planning.make(write=False)
        self._verdicts = upkeep.check(self.plan)
        planning.check_lengths(self.plan, self._verdicts)
        self._graph = Graph(self.plan.jobs)
        needed = self._graph.needed(targets or [stage or "all"])
        self._named = self._files_named(targets)
        self.jobs = [name for name in needed if stage in (None, self.plan.jobs[name].place)]
        self.due = self._graph.due(name for name in self.jobs if self._is_stale(name)) & set(self.jobs)
        self._after_base = {name for name in self.due if self._is_stale(BASE) and self._asks_a_provider(name)}
        if self._after_base and stage is None:
            self.due.add(BASE)
        self.shards = self._cut(shards)

    def _go_on(self) -> None:
        """Be what the run has begun as, on another machine: nothing is looked at again, and no memory of hashes is shared with that machine."""
        self.plan, begun = planning.kept(), files.read_json(BEGUN)
        self._graph, self._named = Graph(self.plan.jobs), {}
        self.shards, self.due, self._after_base = begun["shards"], set(begun["due"]), set(begun["after_base"])

    def _files_named(self, targets: Collection[str]) -> dict[str, list[str]]:
        """{job of a document: its files that the command line names}"""
        found: dict[str, list[str]] = {}
        for target in map(os.path.normpath, targets):
            name = self._graph.maker(target)
            if name and STAGES[self.plan.jobs[name].place].per_document:
                found.setdefault(name, []).append(target)
        return found

    def _is_stale(self, name: str) -> bool:
        return self._verdicts[self.plan.jobs[name].receipt] is not None

    def _asks_a_provider(self, name: str) -> bool:
        asked = STEPS[self.plan.jobs[name].stage].asks(self.recipe(name)["params"])
        return any(model not in OWN_MODELS for model in asked)

    @property
    def trainings(self) -> list[Training]:
        """The settings of what is to be trained, each once."""
        recipes = [self.recipe(name) for name in self.due if self.plan.jobs[name].stage in ("runs", "assistants")]
        settings = {files.canonical(found["params"]["training"]): found["params"] for found in recipes if "training" in found["params"]}
        return [typed(found).training for found in settings.values()]

    @property
    def on_gpus(self) -> list[str]:
        """The parameters by which what is to be done wants a GPU: ["scores.device", "training.device"]."""
        sections = [section for name in self.due for section in self.recipe(name)["params"].items()]
        return sorted({f"{name}.device" for name, settings in sections if isinstance(settings, dict) and settings.get("device") == "cuda"})

    @property
    def pays(self) -> bool:
        """Whether a provider is to be asked."""
        return any(map(self._asks_a_provider, self.due))

    def begin(self, command: str) -> None:
        """Take the lock, and write what the jobs read. Raises UserError where another run is, or has just been, at work here."""
        self._lock = upkeep.hold(command, self._planned_after)
        self._asked = generated.totals()
        planning.keep(self.plan)
        self.made_before = earlier.note([self.plan.jobs[name] for name in self.due], self.plan.recipes)
        leftovers.tell_dvc(self.plan)
        files.write_json(BEGUN, {"shards": self.shards, "due": sorted(self.due), "after_base": sorted(self._after_base)})
        for name, jobs in self.shards.items():
            files.write_json(self.shard_file(name), [job for job in jobs if job in self.due])

    def record(self) -> None:
        """Tell MLflow what was asked of language models, and how well models do, whether the run succeeded or not."""
        generated.record(self._asked, [self.plan.jobs[name] for name in self.due])
        scored.record(self.plan)

    def commit(self) -> None:
        """Record what is fresh, under the lock of this run. Raises UserError where that fails."""
        if upkeep.under(self._lock, "commit"):
            raise UserError("the results are made, but not recorded in dvc.lock: closedbook commit says why, above; mend that, and run it by hand")

    @cached_property
    def _stands_for(self) -> dict[str, str]:
        """{job that must run: the file by which Snakemake knows it}: its receipt, or that of the first one of its shard."""
        found = {name: str(self.plan.jobs[name].receipt) for name in self.due}
        for jobs in self.shards.values():
            due = [name for name in jobs if name in self.due]
            found |= {name: str(self.plan.jobs[due[0]].receipt) for name in due}
        return found

    @cached_property
    def _of_stage(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, job in self.plan.jobs.items():
            found.setdefault(job.place, []).append(name)
        return found

    @cached_property
    def forced(self) -> set[str]:
        """A file of each rule that must run."""
        return set(self._stands_for.values())

    def inputs(self, *names: str) -> list[str]:
        """What stands for the jobs that must run before some others. In a DVC stage those of the stage alone: DVC has brought the results of the
        others.

        Who asks a provider waits for a base that is not pinned too: it is looked at then, and one that can't be used would waste the call.
        """
        before = {one: None for name in names for one in self._graph.before[self._known(name)] if one in self.due}
        before |= {BASE: None} if self._after_base.intersection(names) else {}
        return list(dict.fromkeys(self._stands_for[one] for one in before))

    def outputs(self, shard: str) -> list[str]:
        """By which files Snakemake knows a shard: one that stands for it, and those that the command line names."""
        stands_for = [self._stands_for[name] for name in self.shards[shard] if name in self.due][:1]
        return list(dict.fromkeys([*stands_for, *(path for name in self.shards[shard] for path in self._named.get(name, ()))]))

    def pattern(self, stage: str, about: str) -> list[str]:
        """What a job of a stage writes, by what stands for its name, which may be a wildcard."""
        recipe = next((self.recipe(name) for name in self._of_stage.get(stage, ())), None)
        job = registry.job(f"{stage}/{about}", recipe) if recipe else None
        return [str(path) for path in (*job.files.writes, job.receipt)] if job else []

    def results(self, stage: str) -> list[str]:
        """What stands for the jobs of a stage that must run; where none must, the receipt of one of them."""
        planned = self._of_stage.get(stage, [])
        due = dict.fromkeys(self._stands_for[name] for name in planned if name in self.due)
        return list(due) or [str(self.plan.jobs[name].receipt) for name in planned[:1]]

    def recipe(self, name: str) -> dict:
        return self.plan.recipes[self.plan.jobs[self._known(name)].recipe]

    def shards_of(self, stage: str) -> dict[str, list[str]]:
        """{shard: its jobs} of a stage that works by document."""
        return {name: jobs for name, jobs in self.shards.items() if name.partition("-")[0] == stage}

    def asks(self, shard: str) -> bool:
        """Whether its jobs ask a language model."""
        recipe = self.recipe(self.shards[shard][0])
        return bool(STEPS[recipe["step"]].asks(recipe["params"]))

    def beside(self, shard: str) -> int:
        """The shards of its recipe, itself among them."""
        return sum(name.rpartition("-")[0] == shard.rpartition("-")[0] for name in self.shards)

    @staticmethod
    def shard_file(name: str) -> Path:
        return WORK / "shards" / f"{name}.json"

    def _known(self, name: str) -> str:
        if name not in self.plan.jobs:
            raise UserError(f"{name} is not planned: params.yaml says what is; closedbook fresh lists it")
        return name

    def _cut(self, number: int) -> dict[str, list[str]]:
        """Each recipe's jobs that must run, or that the command line names, dealt out in turn, so that all shards have about as much to do."""
        by_recipe: dict[str, list[str]] = {}
        for name in sorted(self.jobs, key=lambda name: name not in self.due):
            if STAGES[self.plan.jobs[name].place].per_document and (name in self.due or name in self._named):
                by_recipe.setdefault(self.plan.jobs[name].recipe, []).append(name)
        return {f"{recipe.replace('/', '-')}-{shard}": jobs[shard::number]
                for recipe, jobs in by_recipe.items() for shard in range(min(number, len(jobs)))}


class Graph:
    """The jobs of a plan, which stand each after those whose results they read."""

    def __init__(self, jobs: Mapping[str, Job]):
        self.jobs = jobs
        self._maker = {str(path): job.name for job in jobs.values() for path in (*job.files.outputs.values(), *job.files.folders.values(), job.receipt)}

    @cached_property
    def before(self) -> dict[str, list[str]]:
        """{job: the jobs whose results it reads}"""
        known: dict[str, str | None] = dict(self._maker)
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
