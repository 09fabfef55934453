"""What a model's server can answer: statuses, headers, and bodies that are not as they should be."""

import copy
import os
from collections.abc import Callable
from random import Random

from fuzzing.asking import ANSWERS, CHAT, Asking
from fuzzing.common import SECRET
from fuzzing.mutations import TEXTS, as_json, deep, junk, mutated, prose, spoilt

WORDS = ("billing", "insufficient_quota", "maximum context length is 10 tokens", "response_format is not supported", "model is loading",
         "Unsupported parameter: 'seed'", "temperature does not support 0.7", "use 'max_completion_tokens'", "content policy", "\x1b[2J",
         "Input should be 'text'", "no such key: KEY", *TEXTS)  # fmt: skip
"""of errors; KEY is the key that was sent"""
STATUSES = (*(200,) * 12, 201, 204, 301, 302, 304, 307, 400, 400, 400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 425, 429, 451, 500, 500,
            501, 502, 503, 504, 529, 599)  # fmt: skip
ENDS = ("stop", "length", "error", "content_filter", None, "tool_calls", "x")
CONTENTS = ("```json\n{}\n```", '{"summary": 1, "entities": {}}', "<think>\nMira", "Mira</think>{}", "[" * 5_000, *TEXTS)
BODIES = (b"", b"<html>KEY</html>", b"data: {}\n\ndata: [DONE]\n\n", b"\xff\xfe\x00", b"null", b"5", b'"x"')
WAITS = ("x", "-1", "1e9", "9" * 400, "Wed, 99 Foo 2200", "", "Wed, 01 Jan 99999 00:00:00 GMT", "0", "nan")
TYPES = ("text/html", "text/event-stream", "", "x" * 3_000, "application/json; charset=bogus")


def area() -> Callable:
    os.environ["OPENAI_API_KEY"] = os.environ["COHERE_API_KEY"] = SECRET
    asking = Asking()

    def case(draw: Random) -> None:
        kind = draw.choice(("chat", "chat", "chat", "embeddings", "rerank"))
        replies = [reply(draw, ANSWERS[kind]) for _ in range(3)]
        asking.server.reply = lambda: replies[0] if len(replies) == 1 else replies.pop(0)
        asking.ask(kind, draw.choice(("openai/toy", "openai/gpt-4.1-mini")), asking.url, draw)

    return case


def reply(draw: Random, good: dict) -> tuple[int, dict, bytes]:
    """(status, headers, body) for one request."""
    status = draw.choice(STATUSES)
    data = as_json(_error(draw) if status >= 400 or draw.random() < 0.15 else _answer(draw, good))
    if draw.random() < 0.2:
        data = draw.choice((spoilt(draw, data), deep(draw), data[: len(data) // 2], *BODIES))
    return status, _headers(draw, len(data)) if draw.random() < 0.2 else {}, data


def _error(draw: Random):
    word = draw.choice(WORDS)
    return draw.choice(({"error": {"message": word, "code": junk(draw), "type": junk(draw)}}, {"error": word}, {"detail": [{"msg": word}]},
                        {"message": word}, word, mutated(draw, {"error": {"message": word, "code": 1, "param": None}})))  # fmt: skip


def _answer(draw: Random, good: dict):
    if good is not CHAT or draw.random() < 0.6:
        return mutated(draw, good)
    answer, entities = copy.deepcopy(good), {"summary": "Of Mira.", "entities": ["Mira", junk(draw)]}
    content = draw.choice((prose(draw), as_json(mutated(draw, entities)).decode(), draw.choice(CONTENTS)))
    answer["choices"][0] |= {"finish_reason": draw.choice(ENDS), "message": {"role": "assistant", "content": content}}
    return answer


def _headers(draw: Random, length: int) -> dict[str, str | None]:
    return draw.choice(({"Retry-After": draw.choice(WAITS)}, {"Content-Type": draw.choice(TYPES)}, {"Location": "/v1/elsewhere"},
                        {"Content-Encoding": draw.choice(("gzip", "br", "x"))}, {"Content-Length": None, "Transfer-Encoding": "chunked"},
                        {"Content-Length": str(max(0, length + draw.choice((-1, -3, 5))))}))  # fmt: skip
