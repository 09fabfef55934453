"""The whole pipeline in a folder of its own: a copy of the project with its own parameters, run as a user runs it."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import toys
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
PROJECT = ("Snakefile", "rules", "profiles", "src", "evals", "dvc.yaml", ".dvc/config", ".dvc/.gitignore", ".dvc/plots", ".dvcignore",
           ".gitattributes", ".gitignore", "params.yaml")  # fmt: skip
QUALITY = ROOT.parent / "shared" / "quality"
TINY = {
    "llm": {"model": None},
    "entities": {"max": 6},
    "passages": {"attempts": 2, "rephrase": {"styles": ["easy", "medium"], "samples": 1},
                 "entigraph": {"order": "seeded", "singles": 0, "pairs": 4, "triplets": 0, "summary": True}},
    "corpora": {"replay": {"path": "results/base/replay.jsonl", "rate": 0.0, "held_out": 0}},
    "training": {"seeds": [1], "block_size": 64, "batch_size": 4, "checkpoint_steps": 5},
    "arms": {"entigraph": {"strategy": "entigraph", "corpus_tokens": "all", "epochs": 1}},
    "scores": {"tasks": ["quality_closed_text"], "batch_size": 16},
    "report": {"notes": []},
}  # fmt: skip
"""a pipeline of a minute: little to write and next to nothing to train"""


def copy_project(folder: Path) -> None:
    """All that building needs, and nothing that was built."""
    for name in PROJECT:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, target, **({"ignore": shutil.ignore_patterns("__pycache__")} if source.is_dir() else {}))
    (folder / ".venv").symlink_to(sys.prefix)


class Pipeline:
    """`run` gives what a command says and what stands in the logs that it wrote, and fails the test unless the exit status is as expected."""

    def __init__(self, folder: Path, **changes):
        self.folder = folder
        copy_project(folder)
        toys.base(folder / "toy", context=1024).unlink()  # a model's folder as from_pretrained takes it, with nothing of this place in it
        self.set(**{**TINY, "base": {"model": "toy"}, **changes})

    def set(self, **changes) -> None:
        """Change sections of params.yaml."""
        path = self.folder / "params.yaml"
        data = YAML(typ="safe", pure=True).load(path)
        for name, value in changes.items():
            data[name] = {**data[name], **value} if isinstance(value, dict) and name != "arms" else value
        with open(path, "w", encoding="utf-8") as handle:
            YAML(typ="safe", pure=True).dump(data, handle)

    def run(self, *command: str, status: int = 0, **environment: str) -> str:
        bare = {name: value for name, value in os.environ.items() if not name.startswith(("DVC", "PYTEST", "VIRTUAL_ENV"))}
        begun = time.time()
        done = subprocess.run(
            [str(Path(sys.prefix) / "bin" / command[0]) if command[0] in ("snakemake", "dvc", "python") else command[0], *command[1:]],
            cwd=self.folder, env={**bare, "HF_HUB_OFFLINE": "1", **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == status, f"{command} exited with {done.returncode}\n{done.stdout[-6000:]}"
        logs = [*self.folder.glob(".snakemake/log/*"), *self.folder.glob(".closedbook/logs/**/*.log")]
        return done.stdout + "".join(log.read_text() for log in logs if log.stat().st_mtime >= begun)

    def snakemake(self, *arguments: str, **options) -> str:
        return self.run("snakemake", "--cores", "2", *arguments, **options)

    def closedbook(self, *arguments: str, **options) -> str:
        return self.run("python", "-m", "closedbook", *arguments, PYTHONPATH="src", **options)

    def copy(self, folder: Path) -> "Pipeline":
        """The same pipeline, finished work and all, in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = object.__new__(Pipeline)
        other.folder = folder
        return other

    def clone(self, folder: Path) -> "Pipeline":
        """A git clone: without results, ledger and cache."""
        other = object.__new__(Pipeline)
        other.folder = folder
        self.run("git", "clone", "--quiet", str(self.folder), str(folder))
        (folder / ".venv").symlink_to(sys.prefix)
        return other

    def commit(self, message: str = "state") -> None:
        if not (self.folder / ".git").exists():
            self.run("git", "init", "--quiet")
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "--quiet", "--allow-empty", "-m", message)

    def bytes(self, *skip: str) -> dict[str, bytes]:
        """Every file under results/ by its path, except where the path begins with one of `skip`."""
        paths = sorted(path for path in (self.folder / "results").rglob("*") if path.is_file())
        named = {str(path.relative_to(self.folder)): path for path in paths}
        return {name: path.read_bytes() for name, path in named.items() if not name.startswith(skip or ("\0",))}


def jobs(output: str) -> Counter:
    """How many jobs of each rule Snakemake finished, by its output; the shards of a stage count together."""
    rules = re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", output)
    return Counter(re.sub(r"^([a-z]+)_\w*\d$", r"\1 shard", rule) for rule in rules)
