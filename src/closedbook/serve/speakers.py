"""Who can be asked: the base, runs and assistants that are here, loaded when they are first asked, and models behind a server."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from closedbook import layout
from closedbook.serve.conversation import Asked
from closedbook.serve.local import Local
from closedbook.util import files
from closedbook.util.errors import UserError, did_you_mean
from closedbook.workflow import named

MOST_LOADED = 2
"""models in memory at a time: two stand side by side"""
BASE = "base"


@dataclass(frozen=True, kw_only=True)
class Speaker:
    name: str
    kind: str
    """base, run, assistant, or server"""
    corpus: str | None = None
    """what it was trained on, where that is here"""
    folder: Path | None = None


class Speakers:
    def __init__(self, names: list[str], server=None):
        """`names`: only these (all that are here); `server`: a remote.Server. Raises UserError for one that is not here."""
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # what can be asked is here
        self._names, self._server = [self.here(name).name for name in names], server
        self._loaded: dict[tuple[str, int], asyncio.Task] = {}
        """the most recently asked last"""
        self._loading = asyncio.Lock()

    def here(self, name: str) -> Speaker:
        """One of this machine's, by its name, or by that of the arm or assistant whose only one it is. Raises UserError for another name."""
        known = found()
        return known[named.run(name, known)]

    async def all(self) -> dict[str, Speaker]:
        return self._local() | (await self._server.speakers(found()) if self._server else {})

    async def one(self, name: str) -> Speaker:
        known = self._local()
        return _known(known if name in known else await self.all(), name)

    def _local(self) -> dict[str, Speaker]:
        return {name: one for name, one in found().items() if not self._names or name in self._names}

    async def listed(self) -> dict:
        """All, and the two to show where nobody chose."""
        known = await self.all()
        first, second = BASE if BASE in known else next(iter(known), BASE), taught(known)
        return {"all": [{"name": one.name, "kind": one.kind, "corpus": one.corpus} for one in known.values()],
                "shown": [first, second if second in known and second != first else "nobody"]}

    async def ready(self, name: str) -> dict:
        """What a model is, once it is loaded."""
        one = await self.one(name)
        if one.folder is None:
            return {"name": name, "has_template": True, "context": None}
        model = await self._load(one)
        return {"name": name, "has_template": model.has_template, "context": model.context}

    async def answer(self, asked: Asked) -> AsyncIterator[dict]:
        """{"notes": [...]}, then {"text"} piece by piece, then {"end", "tokens"}. Where nobody reads on, writing stops."""
        one = await self.one(asked.model)
        said = self._server.answer(asked) if one.folder is None else (await self._load(one)).answer(asked)
        async with aclosing(said):
            async for part in said:
                yield part

    async def _load(self, one: Speaker) -> Local:
        """Loaded once, whoever waits for it; the one that was asked longest ago makes room, and one that was trained again."""
        facts = layout.BASE_FACTS if one.kind == BASE else one.folder / "config.json"
        key = one.name, facts.stat().st_mtime_ns
        task = self._loaded.pop(key, None) or asyncio.create_task(self._made(one.folder))
        others = [other for other in self._loaded if other[0] != one.name]
        self._loaded = {**{other: self._loaded[other] for other in others[-(MOST_LOADED - 1) :]}, key: task}
        try:
            return await asyncio.shield(task)
        except Exception:
            self._loaded.pop(key, None)  # to be tried again
            raise

    async def _made(self, folder: Path) -> Local:
        async with self._loading:  # transformers can't be imported by two threads at once
            return await asyncio.to_thread(Local, folder)


def found() -> dict[str, Speaker]:
    """By name: the base, then runs, then assistants."""
    known = {BASE: Speaker(name=BASE, kind=BASE, folder=layout.BASE)} if layout.BASE_FACTS.exists() else {}
    for folder in _models(layout.RUNS):
        if (path := layout.run_facts(folder.name)).exists() and "refused" not in (facts := files.read_json(path)):
            known[folder.name] = Speaker(name=folder.name, kind="run", corpus=facts["corpus"], folder=folder)
    for folder in _models(layout.ASSISTANTS):
        if (facts := layout.assistant_facts(folder.name)).exists():
            run = known.get(files.read_json(facts).get("run"))
            known[folder.name] = Speaker(name=folder.name, kind="assistant", corpus=run.corpus if run else None, folder=folder)
    return known


def _models(place: Path) -> list[Path]:
    return sorted(path.parent for path in place.glob("*/config.json"))


def _known(known: dict[str, Speaker], name: str) -> Speaker:
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "nothing is trained yet: run snakemake --cores all, or dvc pull"
        raise UserError(f"{name}: no such model here: {did_you_mean(name, known, otherwise=there)}")
    return known[name]


def taught(known: dict[str, Speaker]) -> str:
    """The one to show beside the base where nobody chose: an assistant, else the run that scored best, else the base."""
    by_kind = {kind: [one.name for one in known.values() if one.kind == kind] for kind in ("assistant", "run")}
    return next(iter(by_kind["assistant"]), None) or max(by_kind["run"], key=_accuracy, default=BASE)


def _accuracy(run: str) -> float:
    path = layout.score(run)
    tasks = files.read_json(path)["tasks"] if path.exists() else {}
    return next((task["accuracy"] for task in tasks.values() if task["accuracy"] is not None), -1.0)
