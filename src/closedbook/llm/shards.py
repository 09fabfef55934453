"""Files of many requests, and of the replies to them: a line of JSON each, as OpenAI's batch endpoint and `vllm run-batch` have them.

A request names itself by its key in the ledger, and its reply does so too, so that replies may come in any order, from any engine.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, NamedTuple

from closedbook.llm.bulk import Reply, url
from closedbook.util import files
from closedbook.util.errors import UserError

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000
"""in a file; what OpenAI takes, and no other provider takes less"""


def line(key: str, model: str, body: dict) -> bytes:
    return files.json_line({"custom_id": key, "method": "POST", "url": url(model), "body": body}).encode()


class Shards:
    """Files of requests in a folder, a new one wherever the next request has no room. One holds requests to one model only."""

    def __init__(self, folder: Path, most_requests: int = MOST_REQUESTS, most_bytes: int = MOST_BYTES):
        self._folder, self._most = folder, (most_requests, most_bytes)
        self._open: dict[str, tuple[BinaryIO, int, int]] = {}
        self._closing = ExitStack()
        self.written: dict[Path, int] = {}
        """the requests in each"""

    def __enter__(self) -> "Shards":
        return self

    def __exit__(self, *_) -> None:
        self._closing.close()

    def add(self, name: str, request: bytes) -> None:
        """`name`: what the names of files for this model begin with. Raises UserError for a request that no file has room for."""
        if len(request) > self._most[1]:
            raise UserError(f"a request of {len(request):,} bytes is longer than a file of requests may be ({self._most[1]:,}): set "
                            "llm.sections")
        handle, number, size = self._open.get(name, (None, 0, 0))
        if handle is None or number == self._most[0] or size + len(request) > self._most[1]:
            handle, number, size = self._next(name), 0, 0
        handle.write(request)
        self.written[Path(handle.name)] = number + 1
        self._open[name] = (handle, number + 1, size + len(request))

    def _next(self, name: str) -> BinaryIO:
        before = sum(path.name.startswith(f"{name}-") for path in self.written)
        return self._closing.enter_context(open(self._folder / f"{name}-{before + 1:05}.jsonl", "wb"))


class Place(NamedTuple):
    """Of a line in a file."""

    file: str
    number: int
    start: int
    length: int
    is_answer: bool
    """an error otherwise"""


UNREADABLE, CUT, DOUBLE = "not readable", "cut off", "double"


class Replies:
    """Replies by key, read from their files when they are asked for: all of them may be more than memory holds."""

    def __init__(self):
        self.places: dict[str, Place] = {}
        """of each key"""
        self._files: dict[str, tuple[BinaryIO, dict]] = {}

    def add(self, name: str, handle: BinaryIO, came_from: dict) -> Iterator[tuple[int, str, str]]:
        """Take in a file, which stays open; gives (line number, UNREADABLE, CUT or DOUBLE, what is wrong) of each line that is of no use.

        Where a key has several replies an answer counts before an error, and else the first.
        """
        self._files[name] = handle, came_from
        start = 0
        for number, text in enumerate(handle, 1):
            start, began = start + len(text), start
            try:
                read = _parsed(text)
            except ValueError as problem:
                yield number, UNREADABLE if text.endswith(b"\n") else CUT, str(problem)
                continue
            key, known = read["custom_id"], self.places.get(read["custom_id"])
            place = Place(name, number, began, len(text), _reply(read, {}).status == 200)
            if known is None or (place.is_answer and not known.is_answer):
                self.places[key] = place
            elif place.is_answer:
                yield number, DOUBLE, f"answers {key[:12]} once more: {known.file}:{known.number} counts"

    def get(self, key: str) -> Reply | None:
        if (place := self.places.get(key)) is None:
            return None
        handle, came_from = self._files[place.file]
        return _reply(json.loads(os.pread(handle.fileno(), place.length, place.start)), {**came_from, "line": place.number})


def _parsed(text: bytes) -> dict:
    """Raises ValueError for what is no line of replies."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("not a line of JSON") from None
    if not isinstance(read, dict) or not isinstance(read.get("custom_id"), str):
        raise ValueError("names no custom_id")
    if "response" not in read and "error" not in read:
        raise ValueError("holds neither a response nor an error: not a file of answers")
    return read


def _reply(read: dict, came_from: dict) -> Reply:
    """vLLM puts an error beside a response that has a status and no body; OpenAI puts what was never begun beside no response at all;
    others have the completion for a response."""
    response = read["response"] if isinstance(read.get("response"), dict) else {}
    response = {"status_code": 200, "body": response} if "choices" in response else response
    status, body = response.get("status_code"), response.get("body")
    error = read.get("error") or body or "no response"
    if type(status) is not int or not 100 <= status < 600 or (status < 400 and read.get("error")):
        return Reply(None, {"error": error}, came_from)
    is_whole = isinstance(body, dict) and body
    wrapped = error if isinstance(error, dict) and "error" in error else {"error": error}
    return Reply(status, body if is_whole else wrapped, came_from)
