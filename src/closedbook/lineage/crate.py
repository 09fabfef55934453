"""The lineage as a Provenance Run Crate 0.5, for others' tools: https://w3id.org/ro/wfrun/provenance/0.5

The crate describes the results and links to them: results/ in it is a link to the project's, so that paths are those of the receipts
and no gigabyte is copied. `cp --dereference` or an archiver that follows links makes it whole.
"""

import argparse
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from closedbook import layout
from closedbook.lineage import published, unproved
from closedbook.lineage.history import History, Job
from closedbook.records import Document
from closedbook.training import tracking
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import versioned
from closedbook.workflow.registry import STAGES, STEPS, recipe_of

METADATA, SUMS = "ro-crate-metadata.json", "SHA256SUMS"
WFRUN = "https://w3id.org/ro/wfrun"
PROFILES = {f"{WFRUN}/process/0.5": "Process Run Crate", f"{WFRUN}/workflow/0.5": "Workflow Run Crate",
            f"{WFRUN}/provenance/0.5": "Provenance Run Crate", "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate"}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
OWN = ("Snakefile", "params.yaml", "dvc.yaml", versioned.LOCK, "requirements.lock")
"""small files of the project that the crate holds itself, beside rules/"""
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


def answer(options: argparse.Namespace) -> dict:
    """Write the crate of all that is planned. Raises UserError where something is stale, and for a folder that holds anything else."""
    project = published.project()
    _check(options.folder, project)
    history = published.history()
    open_questions = unproved.about(history, history.jobs.values())
    write(options.folder, history, project, open_questions)
    return {"crate": str(options.folder), "commit": project.commit, "jobs": len(history.jobs),
            "sha256": files.sha256_file(options.folder / METADATA), "unproved": open_questions}


def lines(answer: dict) -> list[str]:
    return [f"{answer['crate']}/{METADATA} describes {answer['jobs']:,} jobs at commit {answer['commit']}",
            f"SHA-256 {answer['sha256']}; {answer['crate']}/{SUMS} has it and those of the crate's other files",
            *(f"not proved: {line}" for line in answer["unproved"])]


def write(folder: Path, history: History, project: published.Project, open_questions: list[str]) -> None:
    """Same history, project and results, same bytes. SHA256SUMS comes last, and names each file of the crate but itself."""
    own = [*(Path(name) for name in OWN if Path(name).exists()), *sorted(Path("rules").glob("*.smk"))]
    crate = _crate(history, project, open_questions, own)
    folder.mkdir(parents=True, exist_ok=True)
    for path in own:
        (folder / path).parent.mkdir(exist_ok=True)
        shutil.copyfile(path, folder / path)
    if not (folder / layout.RESULTS).is_symlink():
        (folder / layout.RESULTS).symlink_to(os.path.relpath(layout.RESULTS, folder))
    files.write_json(folder / METADATA, crate.metadata.generate())
    sums = (f"{files.sha256_file(folder / path)}  {path}\n" for path in [METADATA, *own])
    files.write_text(folder / SUMS, "".join(sums))


def _crate(history: History, project: published.Project, open_questions: list[str], own: list[Path]):
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")  # the one that the profile extends
    crate.metadata.extra_contexts.append(TERMS)
    workflow = {"@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"], "version": project.commit,
                "conformsTo": {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}}
    for path in own:
        properties = about(str(path), files.sha256_file(path))
        if path.name == "Snakefile":
            crate.add_workflow(dest_path=path, main=True, lang="snakemake", properties={**properties, **workflow})
        else:
            crate.add_file(dest_path=path, properties=properties)
    _describe(crate, history, project, open_questions)
    Graph(crate, history).add_all()
    return crate


def _describe(crate, history: History, project: published.Project, open_questions: list[str]) -> None:
    from rocrate.model import ContextEntity

    documents = [Document.read(path) for path in history.maker if path.startswith(f"{layout.DOCUMENTS}/")]
    licences = sorted({document.license or "none stated" for document in documents})
    crate.name = f"closedbook: {len(documents)} documents and what was made of them"
    crate.description = " ".join([f"All {len(history.jobs)} jobs of commit {project.commit}, from the documents to the scores.",
                                  *(f"Not proved: {line}." for line in open_questions)])
    crate.license = f"of the documents: {', '.join(licences)}"
    crate.datePublished = project.date
    crate.root_dataset["identifier"], crate.root_dataset["version"] = project.root, project.commit
    crate.root_dataset["conformsTo"] = [
        crate.add(ContextEntity(crate, profile, {"@type": "CreativeWork", "name": name, "version": profile.rpartition("/")[2]}))
        for profile, name in PROFILES.items()]


def _check(folder: Path, project: published.Project) -> None:
    """Nothing but an earlier crate of this project may be overwritten."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: a file: give an empty or new folder (--folder)")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / METADATA).exists():
        raise UserError(f"{folder}: holds files and no crate: give an empty or new folder (--folder)")
    try:
        graph = files.read_json(folder / METADATA)["@graph"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / METADATA}: not a crate's metadata ({error}): remove the folder, or give another (--folder)") from None
    root = next((entity for entity in graph if entity["@id"] == "./"), {})
    if root.get("identifier") != project.root:
        raise UserError(f"{folder}: the crate of another project (first commit {root.get('identifier') or 'not named'}, here "
                        f"{project.root}): give another folder (--folder)")
    if (folder / layout.RESULTS).exists() and not (folder / layout.RESULTS).is_symlink():
        raise UserError(f"{folder}: a crate with results of its own, which stays as it is: give another folder (--folder)")


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
            _tell_kind(file, path)
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


def _tell_kind(file, path: str) -> None:
    document = Document.read(path)
    file["name"] = document.title
    for name, value in (("author", document.author), ("datePublished", document.year), ("license", document.license)):
        if value is not None:
            file[name] = str(value)


def _one_or_all(entities: Iterable):
    """As JSON-LD is compacted: one value stands without a list."""
    entities = list(entities)
    return entities[0] if len(entities) == 1 else entities
