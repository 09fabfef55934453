"""A history as the entities of a Provenance Run Crate: files, the tools that made them, one action per job."""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from closedbook import layout
from closedbook.lineage.history import History, Job
from closedbook.records import Document
from closedbook.training import tracking
from closedbook.util import files
from closedbook.workflow.registry import STAGES, STEPS, recipe_of

DONE = "http://schema.org/CompletedActionStatus"
BIOSCHEMAS = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
KINDS = {bool: "Boolean", int: "Integer", float: "Float"}
"""of a parameter's value; a text otherwise"""
WORDS = {"questions": "questions", "receipts": "receipt"} | {name: stage.result for name, stage in STAGES.items()}
"""what a file under results/ is, by its folder"""
TYPES = {".json": "application/json", ".jsonl": "application/jsonl", ".yaml": "application/yaml", ".csv": "text/csv", ".html": "text/html",
         ".js": "text/javascript", ".css": "text/css", ".png": "image/png",
         **dict.fromkeys(("", ".smk", ".lock", ".txt"), "text/plain")}
"""media types by suffix (Python's own table differs from machine to machine); bytes otherwise"""


class Graph:
    """Adds a history to a `rocrate` crate whose main entity is the workflow. Files are described by path, size and hash, never read:
    whoever calls has checked that they are what their receipts say."""

    def __init__(self, crate, history: History):
        from rocrate.model import ContextEntity

        self.crate, self.history, self._context = crate, history, ContextEntity
        self.workflow = crate.mainEntity
        self._folders = set(filter(None, map(_own_folder, history.jobs.values())))
        self._made: dict = {}
        """entities by id: the crate's own `get` looks through all entities for what it has not (10,000 jobs took 235 s instead of 5)"""

    def add_all(self) -> None:
        for job in self.history.jobs.values():
            self._add_job(job)
        self._add_steps()
        self._add_run()

    def _add(self, identifier: str, kind: str, **properties):
        """The entity of this id, made unless it is there: values, libraries and tools are shared by many jobs."""
        if identifier not in self._made:
            self._made[identifier] = self.crate.add(self._context(self.crate, identifier, {"@type": kind, **properties}))
        return self._made[identifier]

    def _add_job(self, job: Job) -> None:
        objects = [*(self._file(path, sha256) for path, sha256 in job.inputs.items()), *self._values(job)]
        results = [self._file(path, sha256) for path, sha256 in job.outputs.items()]
        action = self._add(f"#job/{job.name}", "CreateAction", name=job.name, description=_told(job), actionStatus=DONE,
                           instrument=self._tool(job), result=_one_or_all(results),
                           subjectOf=self._file(job.receipt, files.sha256_file(job.receipt)))
        if objects:
            action["object"] = _one_or_all(objects)

    def _file(self, path: str, sha256: str):
        """A result, or what was read and is no result: that one is named by its hash, and is not part of the crate."""
        if not path.startswith(f"{layout.RESULTS}/"):
            return self._add(f"#source/{quote(path)}", "CreativeWork", name=path, sha256=sha256)
        if path in self._made:
            return self._made[path]
        folder = Path(path).parts[1]
        file = self._made[path] = self.crate.add_file(dest_path=path, properties={**about(path, sha256), "additionalType": WORDS[folder]})
        if folder == "documents":
            _describe(file, path)
        for place in self._folders.intersection(Path(path).parents):
            self._folder(place).append_to("hasPart", file)
        return file

    def _folder(self, place: Path):
        """The folder that is one result: a corpus, a run, the base, the report."""
        if str(place) not in self._made:
            properties = {"name": str(place), "additionalType": WORDS[place.parts[1]]}
            self._made[str(place)] = self.crate.add_dataset(dest_path=place, properties=properties)
        return self._made[str(place)]

    def _values(self, job: Job) -> list:
        """Parameters, prompts and other assets of a job's recipe; each value is one entity, whichever jobs share it."""
        recipe = job.recipe
        named = tracking.flat(recipe["params"]) + ([("documents", recipe["documents"])] if "documents" in recipe else [])
        named += [(f"{part}.{name}", digest) for part in ("prompts", "assets") for name, digest in recipe[part].items()
                  if name not in job.inputs]
        return [self._value(name, value) for name, value in named]

    def _value(self, name: str, value):
        text = files.canonical(value)
        identifier = f"#value/{quote(name)}/{files.sha256_text(text)[:16]}"
        if identifier in self._made:
            return self._made[identifier]
        parameter = self._parameter(name)
        shown = value if isinstance(value, (bool, int, float, str)) else text
        entity = self._add(identifier, "PropertyValue", name=name, value=shown, exampleOfWork=parameter)
        parameter.append_to("workExample", entity, compact=True)
        if (kind := KINDS.get(type(value), "Text")) not in parameter.get("additionalType", []):
            parameter.append_to("additionalType", kind, compact=True)
        return entity

    def _parameter(self, name: str):
        identifier = f"#parameter/{quote(name)}"
        if identifier not in self._made:
            self.workflow.append_to("input", self._add(identifier, "FormalParameter", name=name, conformsTo={"@id": BIOSCHEMAS}))
        return self._made[identifier]

    def _tool(self, job: Job):
        """A step as it was when it ran: its code, with the libraries of then."""
        libraries = [self._add(f"#library/{quote(name)}/{quote(version)}", "SoftwareApplication", name=name, softwareVersion=version)
                     for name, version in job.versions.items()]
        told = files.sha256_text(files.canonical([job.recipe["code"], job.versions]))
        return self._add(f"#tool/{job.step}/{told[:16]}", "SoftwareApplication", name=f"closedbook {job.step}",
                         softwareVersion=job.recipe["code"], softwareRequirements=_one_or_all(libraries))

    def _add_steps(self) -> None:
        """A step of the workflow for each step that ran, done by whatever tools did it."""
        tools = [entity for entity in self.crate.get_by_type("SoftwareApplication") if entity.id.startswith("#tool/")]
        self.workflow["hasPart"] = tools
        for number, step in enumerate(step for step in STEPS if any(tool.id.startswith(f"#tool/{step}/") for tool in tools)):
            mine = [tool for tool in tools if tool.id.startswith(f"#tool/{step}/")]
            self.workflow.append_to("step", self._add(f"#step/{step}", "HowToStep", name=step, position=str(number + 1),
                                                      workExample=_one_or_all(mine)))

    def _add_run(self) -> None:
        """The run of the pipeline: what went in from outside, what came out at its end, and the jobs that Snakemake called."""
        history = self.history
        sources = {path: sha256 for job in history.jobs.values() for path, sha256 in job.inputs.items() if path not in history.maker}
        last = {path: sha256 for job in history.jobs.values() for path, sha256 in job.outputs.items() if path not in history.readers}
        action = self._add("#run", "CreateAction", name="the pipeline", description="all jobs, from the documents to the report",
                           actionStatus=DONE, instrument=self.workflow,
                           object=[*(self._file(*one) for one in sources.items()), *self.crate.get_by_type("PropertyValue")],
                           result=[self._file(*one) for one in last.items()])
        controls = [self._add(f"#control/{job.name}", "ControlAction", name=job.name, actionStatus=DONE,
                              instrument=self._made[f"#step/{job.step}"], object=self._made[f"#job/{job.name}"])
                    for job in history.jobs.values()]
        engine = self._add("#snakemake", "SoftwareApplication", name="Snakemake", url="https://snakemake.readthedocs.io")
        self._add("#organisation", "OrganizeAction", name="Snakemake's run of the pipeline", actionStatus=DONE, instrument=engine,
                  object=_one_or_all(controls), result=action)
        self.crate.root_dataset["mentions"] = [action, *(self._made[f"#job/{name}"] for name in history.jobs)]


def _own_folder(job: Job) -> Path | None:
    """The folder that is a job's one result, if it wrote one."""
    folder = layout.RESULTS / recipe_of(job.name)
    is_one = not STEPS[job.step].per_document and any(Path(path).is_relative_to(folder) for path in job.outputs)
    return folder if is_one else None


def about(path: str, sha256: str) -> dict:
    """What is said of any file."""
    kind = TYPES.get(Path(path).suffix, "application/octet-stream")
    return {"name": path, "sha256": sha256, "contentSize": str(os.path.getsize(path)), "encodingFormat": kind}


def _told(job: Job) -> str:
    """What a receipt says of a job in words, and under which excuse an older result was kept."""
    facts = [f"{name}: {files.canonical(value)}" for name, value in job.facts.items()]
    return "; ".join([f"step {job.step}", *facts, *(f"kept over a change of code: {one['why']}" for one in job.accepted)])


def _describe(file, path: str) -> None:
    document = Document.read(path)
    file["name"] = document.title
    for name, value in (("author", document.author), ("datePublished", document.year), ("license", document.license)):
        if value is not None:
            file[name] = str(value)


def _one_or_all(entities: Iterable):
    """As JSON-LD is compacted: one value stands without a list."""
    entities = list(entities)
    return entities[0] if len(entities) == 1 else entities
