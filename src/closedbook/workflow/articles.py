"""The articles of the source as the jobs read them: read anew where anything that they are made from has changed since the last plan.

A plan is made some thirty times in a run of DVC's stages, and reading ten thousand documents takes a minute.
"""

from pathlib import Path
from typing import NamedTuple

from closedbook import sources
from closedbook.params import Params
from closedbook.util import files, fingerprint
from closedbook.workflow import receipts
from closedbook.workflow.receipts import WORK

FOLDER = WORK / "sources"
READ = WORK / "sources.json"
"""what the files in FOLDER were made from, and the hash of each"""


class Articles(NamedTuple):
    documents: dict[str, int | None]
    """each by its id, and the training seed whose runs alone learn it (None: every run does)"""
    texts: dict[Path, str]
    """their files"""
    made_from: str
    """the digest of all that decides them"""

    def keep(self) -> None:
        """To be called when the files are written."""
        hashes = {path.name: files.sha256_text(text) for path, text in self.texts.items()}
        files.write_json(READ, {"made_from": self.made_from, "documents": self.documents, "sha256": hashes})


def read(params: Params, anew: bool) -> Articles:
    """`anew`: as an audit must, for whoever can write to these files could make an edited source look unchanged.

    Raises UserError for whatever is wrong with the source.
    """
    made_from = _made_from(params)
    return (None if anew else _remembered(made_from)) or _read(params, made_from)


def _read(params: Params, made_from: str) -> Articles:
    found = sources.articles(params.documents, params.miniature, params.seed, params.training.seeds)
    texts = {FOLDER / f"{article.id}.json": files.canonical(article.as_dict()) + "\n" for article in found}
    return Articles({article.id: article.seed for article in found}, texts, made_from)


def _remembered(made_from: str) -> Articles | None:
    """What the last plan wrote, where it was made from the same and every file is as it was."""
    known = files.read_json(READ) if READ.is_file() else {}
    hashes = {FOLDER / name: sha256 for name, sha256 in known.get("sha256", {}).items()}
    if known.get("made_from") != made_from or not all(path.is_file() and files.sha256_file(path) == sha256 for path, sha256 in hashes.items()):
        return None
    return Articles(known["documents"], {path: path.read_text(encoding="utf-8") for path in hashes}, made_from)


def _made_from(params: Params) -> str:
    source, path, hashes = params.documents.source, Path(params.documents.path), receipts.Hashes.here()
    within = sorted(file for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    contents = {ascii(str(file)): _sha256(file, hashes) for file in within}
    hashes.save()
    code = [fingerprint.digest("closedbook.sources:articles")]
    if maker := sources.GENERATED.get(source):
        code += [fingerprint.digest(f"{maker}:rows")]
    settings = params.model_dump(include={"documents", "miniature", "seed"}) | {"seeds": params.training.seeds}
    return files.sha256_text(files.canonical([settings, contents, code, receipts.versions()]))


def _sha256(file: Path, hashes: receipts.Hashes) -> str | None:
    """None of a file that can't be read, or whose name is no text: the source says why, unless it passes it over."""
    try:
        return hashes.sha256(str(file).encode().decode())
    except (OSError, UnicodeEncodeError):
        return None
