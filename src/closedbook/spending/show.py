"""One call: what was sent, what came back, what it cost."""

import argparse
import json
import re
import time
from pathlib import Path

from closedbook.llm import ledger
from closedbook.spending import calls
from closedbook.util.errors import UserError

SHORTEST = 6
LISTED = 5


def answer(options: argparse.Namespace) -> dict:
    """The record of the one call whose key begins with options.id, and which files hold the texts that its messages have marks for.

    Raises UserError where no key begins so, where several do, and for what can't be a key.
    """
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", options.id):
        raise UserError(f"{options.id}: not the key of a call: give at least {SHORTEST} of its hexadecimal digits")
    found = [one for segment in calls.segments() for one in _lines(segment, options.id)]
    if not found:
        raise UserError(f"{options.id}: no call in {ledger.root()} has a key that begins so: each passage and entity list names its call's")
    if len(keys := sorted({record["key"] for _, _, record in found})) > 1:
        raise UserError(f"{options.id}: {len(keys)} keys begin so, as {', '.join(keys[:LISTED])}: give more of it")
    segment, number, record = found[-1]
    texts = {mark: str(ledger.root() / "texts" / f"{sha256}.txt") for mark, sha256 in _marks(record)}
    return {"file": str(segment), "line": number, "step": segment.parent.name, "document": segment.stem,
            "is_redacted": "text_sha256" in record, "texts": texts, "record": record}


def _lines(segment: Path, beginning: str):
    """(segment, line number, record) of each call whose key begins so; lines are only searched until one is found."""
    data = segment.read_bytes()
    for match in re.finditer(rb'"key": "' + beginning.encode(), data):
        begin, end = data.rfind(b"\n", 0, match.start()) + 1, data.find(b"\n", match.end())
        record = json.loads(data[begin:end]) if end != -1 else {}
        if record.get("key", "").startswith(beginning):
            yield segment, data.count(b"\n", 0, begin) + 1, record


def _marks(record: dict) -> list[tuple[str, str]]:
    found = [match for message in record.get("messages", []) for match in ledger.STORED.finditer(message["content"].encode())]
    return [(match[0].decode(), match[1].decode()) for match in found]


def _flat(record: dict) -> dict:
    """Under the ledger's own names, which people search for."""
    parts = [value if isinstance(value, dict) else {name: value} for name, value in record.items()]
    return {name: value for part in parts for name, value in part.items()}


def lines(answer: dict) -> list[str]:
    record = answer["record"]
    told = [f"{answer['file']}:{answer['line']}, {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(record['time']))} UTC", ""]
    plain = {name: value for name, value in _flat(record).items() if name not in ("messages", "text")}
    told += [f"{name:<35}{json.dumps(value, ensure_ascii=False)}" for name, value in plain.items()]
    if answer["is_redacted"]:
        return [*told, "", "its texts were struck out: what was sent and answered is gone, but for its hashes"]
    for message in record["messages"]:
        content = message["content"]
        for mark, path in answer["texts"].items():
            content = content.replace(mark, f"[document {answer['document']}'s text: {path}]")
        told += ["", f"--- {message['role']}", *content.splitlines()]
    return [*told, "", "--- answer", *record.get("text", "none").splitlines()]
