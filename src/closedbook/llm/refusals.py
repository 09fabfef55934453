"""Settings that a server was seen to refuse, so that each is left out of the requests to come, of all jobs and runs that share a ledger.

They are in a file beside the ledger, one per line. Without the file each is tried once more.
"""

import fcntl
import json
from pathlib import Path

from closedbook.llm.requests import RENAMED, SETTINGS
from closedbook.params import LanguageModel

NAME = "refused.jsonl"


class Refusals:
    """Those of one model at one server."""

    def __init__(self, folder: Path, llm: LanguageModel):
        self._path = folder / NAME
        self._whose = {"model": llm.model, "api_base": llm.api_base}

    def known(self) -> frozenset[str]:
        return self._in(self._path.read_bytes()) if self._path.exists() else frozenset()

    def learn(self, settings: frozenset[str]) -> list[str]:
        """Remember what is not known yet; returns a line for the user of each."""
        with open(self._path, "a+b") as handle:  # the lock goes with the file
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.seek(0)
            lines = handle.read()
            handle.truncate(lines.rfind(b"\n") + 1)  # of a line that a crash cut off nothing is known
            new = sorted(settings - self._in(lines))
            handle.write(b"".join(json.dumps({**self._whose, "setting": setting}).encode() + b"\n" for setting in new))
        return [self._said(setting) for setting in new]

    def _in(self, lines: bytes) -> frozenset[str]:
        whole = filter(None, map(_record, (line for line in lines.splitlines(keepends=True) if line.endswith(b"\n"))))
        return frozenset(one["setting"] for one in whole if {**one, **self._whose} == one)

    def _said(self, setting: str) -> str:
        where = f"{self._whose['model']}{' at ' + self._whose['api_base'] if self._whose['api_base'] else ''}"
        done = f"sent as {RENAMED}" if setting == "max_tokens" else "left out"
        return f"{where} takes no {setting}: {done} from now on (noted in {self._path}; without that file it is tried again)"


def _record(line: bytes) -> dict | None:
    """None of a line that says nothing, as where the file was edited: what it said is tried once more."""
    try:
        one = json.loads(line)
    except ValueError:
        return None
    return one if isinstance(one, dict) and one.get("setting") in SETTINGS else None
