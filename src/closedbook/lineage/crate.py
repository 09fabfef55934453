"""The lineage as a Provenance Run Crate 0.5, for others' tools: https://w3id.org/ro/wfrun/provenance/0.5

The crate describes the results and links to them: results/ in it is a link to the project's, so that paths are those of the receipts
and no gigabyte is copied. `cp --dereference` or an archiver that follows links makes it whole.
"""

import argparse
import os
import shutil
from pathlib import Path

from closedbook import layout
from closedbook.lineage import published, unproved
from closedbook.lineage.crate_graph import Graph, about
from closedbook.lineage.history import History
from closedbook.records import Document
from closedbook.util import files
from closedbook.util.errors import UserError

METADATA, SUMS = "ro-crate-metadata.json", "SHA256SUMS"
WFRUN = "https://w3id.org/ro/wfrun"
PROFILES = {f"{WFRUN}/process/0.5": "Process Run Crate", f"{WFRUN}/workflow/0.5": "Workflow Run Crate",
            f"{WFRUN}/provenance/0.5": "Provenance Run Crate", "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate"}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
OWN = ("Snakefile", "params.yaml", "dvc.yaml", "dvc.lock", "requirements.lock")
"""small files of the project that the crate holds itself, beside rules/"""


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
    if not (folder / "results").is_symlink():
        (folder / "results").symlink_to(os.path.relpath("results", folder))
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
    if (folder / "results").exists() and not (folder / "results").is_symlink():
        raise UserError(f"{folder}: a crate with results of its own, which stays as it is: give another folder (--folder)")
