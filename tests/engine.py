"""An engine that answers files of requests, as vLLM and batch endpoints do."""

import json
from collections.abc import Callable
from pathlib import Path

from openai_server import answer_to

REFUSED = {"status_code": 400, "body": {"error": {"message": "Invalid: against our policy", "code": "content_policy_violation"}}}


def requests(folder: Path) -> list[dict]:
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


def completion(request: dict, **message) -> dict:
    """As a server would answer it."""
    said = {"role": "assistant", "content": message.pop("content", None) or answer_to(request["body"]), **message}
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    choice = {"index": 0, "finish_reason": "stop", "message": said}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "engine-0001", "choices": [choice], "usage": usage}


def done(request: dict, **message) -> dict:
    return {"id": "b", "custom_id": request["custom_id"], "error": None,
            "response": {"status_code": 200, "request_id": "r", "body": completion(request, **message)}}  # fmt: skip


def answer(folder: Path, output: Path, with_: Callable[[dict], dict] = done) -> Path:
    """A file of answers to all requests in a folder, in another order than they were asked."""
    output.write_text("".join(json.dumps(with_(request)) + "\n" for request in reversed(requests(folder))))
    return output
