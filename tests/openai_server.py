"""A loopback server that speaks OpenAI's chat protocol, misbehaves as configured, and counts what it receives."""

import hashlib
import json
import threading
import time
from collections import Counter

from loopback import Loopback, Replies

from closedbook.llm import prompts

ANSWERS = ("none", "fenced", "not_json", "empty", "refusal", "cut", "blank", "half", "no_usage", "echo", "quote", "filtered")
"""troubles that cost what an answer costs"""


class Server(Loopback):
    """`trouble` maps the number of a request, counted from 0 as received, to a name in TROUBLES or a function like them; use it as
    a context manager."""

    def __init__(self, trouble: dict | None = None):
        super().__init__(_Handler)
        self.trouble, self.received, self.answered, self.keys = trouble or {}, 0, Counter(), set()
        self.requests: list[dict] = []
        self.bodies: Counter = Counter()
        """how often each request came, word for word"""
        self.refuses: dict[str, tuple[int, object]] = {}
        """status and body of the error that a field in a request leads to, whatever `trouble` says"""
        self.delay = 0.0
        self._answered_at: list[float | None] = []
        self.arrived = threading.Condition(self.lock)

    def repeated(self) -> int:
        """How many requests had come before, word for word."""
        return self.bodies.total() - len(self.bodies)

    def in_flight(self, seconds: float) -> int:
        """How many requests are not answered, or were in the last `seconds`: their answer may be on its way to the ledger."""
        with self.lock:
            return sum(at is None or at > time.monotonic() - seconds for at in self._answered_at)

    def came(self, body: bytes) -> int:
        """Count a request; its number."""
        with self.lock:
            self.received += 1
            self.requests.append(json.loads(body))
            self.bodies[hashlib.sha256(body).hexdigest()] += 1
            self._answered_at.append(None)
            self.arrived.notify_all()
            return self.received - 1

    def went(self, number: int) -> None:
        with self.lock:
            self._answered_at[number] = time.monotonic()


class _Handler(Replies):
    def do_POST(self):
        body = self.body()
        server = self.server
        number = server.came(body)
        with server.lock:
            server.keys.add(self.headers.get("Authorization"))
            trouble = server.trouble.get(number, "none")
            if trouble in ANSWERS and not any(field in json.loads(body) for field in server.refuses):
                server.answered[hashlib.sha256(body).hexdigest()] += 1
        refused = next((error for field, error in server.refuses.items() if field in json.loads(body)), None)
        time.sleep(server.delay)
        try:
            if refused:
                self.reply(refused[0], refused[1])
            else:
                (trouble if callable(trouble) else TROUBLES[trouble])(self, json.loads(body))
        finally:
            server.went(number)  # whoever asked may be dead by now


def answer_to(request: dict) -> str:
    """What a willing model says: a list of capitalised words, or a passage that repeats what was asked for."""
    name, fields = prompts.parse(request["messages"][-1]["content"])
    if name == "entities":
        words = dict.fromkeys(word.strip(".,;:!?\"'()") for word in fields["text"].split() if word[:1].isupper())
        names = [word for word in words if len(word) > 3][:4]
        return json.dumps({"summary": f'"{fields["title"]}" is a text about {", ".join(names)}.', "entities": names})
    if name == "ways":
        return "\n".join(f"{number}. Way {number} to study \"{fields['title']}\", sentence by sentence." for number in range(1, 11))
    asked = [fields[field] for field in ("first", "second", "third", "way", "question") if field in fields]
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:8]
    if name in ("recall", "reasons"):
        pairs = [f'Question: What is {name} {number} of "{fields["title"]}"?\nAnswer: {digest}, {fields["text"][:60]}' for number in range(1, 4)]
        return "\n\n".join(pairs)
    return f'In "{fields["title"]}", {" and ".join(asked) or "everything"} is told {name} ({digest}). ' + fields["text"][:60]


def _completion(content, finish_reason="stop", usage=True, choices=True, cached=None, **fields) -> str:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": content, **fields}}
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    counted = {"usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, **details}} if usage else {}
    whole = {"id": "x", "object": "chat.completion", "created": 0, "model": "toy-0001", "choices": [choice] if choices else [], **counted}
    return json.dumps(whole)


def says(content, finish_reason="stop", **fields):
    """A trouble in which the model says this."""
    return lambda handler, _: handler.reply(200, _completion(content, finish_reason, **fields))


def streams(pieces, seconds: float = 0.0):
    """A trouble in which an answer comes piece by piece, as events, so many seconds apart."""

    def stream(handler, _) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for piece in pieces:
            chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "toy", "choices": [
                {"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
            handler.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            handler.wfile.flush()
            time.sleep(seconds)
        handler.wfile.write(b"data: [DONE]\n\n")

    return stream


def replies(status, body, headers=()):
    """A trouble in which this body comes, of whatever form."""
    return lambda handler, _: handler.reply(status, body if isinstance(body, str) else json.dumps(body), headers)


def _error(status, message, code=None, headers=()):
    return lambda handler, _: handler.reply(status, json.dumps({"error": {"message": message, "code": code, "type": code}}), headers)


def _as_anthropic(handler, request) -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30, "output_tokens": 20}
    handler.reply(200, json.dumps({"id": "x", "type": "message", "role": "assistant", "model": request["model"], "stop_reason": "end_turn",
                                   "content": [{"type": "text", "text": "Mira is told."}], "usage": usage}))


TROUBLES = {
    "cached": lambda handler, request: handler.reply(200, _completion(answer_to(request), cached=60)),
    "cached_more": lambda handler, request: handler.reply(200, _completion(answer_to(request), cached=600)),
    "cached_less": lambda handler, request: handler.reply(200, _completion(answer_to(request), cached=-1)),
    "anthropic": _as_anthropic,
    "none": lambda handler, request: handler.reply(200, _completion(answer_to(request))),
    "fenced": lambda handler, request: handler.reply(200, _completion(f"Here it is:\n```json\n{answer_to(request)}\n```")),
    "no_usage": lambda handler, request: handler.reply(200, _completion(answer_to(request), usage=False)),
    "no_choices": lambda handler, _: handler.reply(200, _completion("", choices=False)),
    "echo": lambda handler, request: handler.reply(200, _completion(request["messages"][-1]["content"])),
    "quote": lambda handler, request: handler.reply(200, _completion(prompts.parse(request["messages"][-1]["content"])[1]["text"][:900])),
    "filter": _error(400, "invalid_request_error: against our policy", "content_policy_violation"),
    "filtered": lambda handler, _: handler.reply(200, _completion("", "content_filter")),
    "403": _error(403, "Not allowed", "permission_denied"),
    "503": _error(503, "overloaded"),
    "not_json": lambda handler, _: handler.reply(200, _completion("The entities are: several.")),
    "empty": lambda handler, _: handler.reply(200, _completion("")),
    "refusal": lambda handler, _: handler.reply(200, _completion("I'm sorry, but I can't help with that.")),
    "cut": lambda handler, _: handler.reply(200, _completion('{"summary": "half a', "length")),
    "broken": lambda handler, _: handler.reply(200, '{"id": "x", "choi'),
    "429": _error(429, "slow down", "rate_limit_exceeded", [("Retry-After", "1")]),
    "later": _error(503, "later", headers=[("Retry-After", "Wed, 01 Jan 2200 00:00:00 GMT")]),
    "quota": _error(429, "You exceeded your current quota", "insufficient_quota"),
    "500": _error(500, "it is our fault"),
    "401": lambda handler, _: _error(401, f"Incorrect API key provided: {handler.headers.get('Authorization')}", "invalid_api_key")(handler, _),
    "telling": lambda handler, _: _error(500, f"it is our fault, {handler.headers.get('Authorization')}")(handler, _),
    "404": _error(404, "The model does not exist", "model_not_found"),
    "context": _error(400, "This model's maximum context length is 10 tokens", "context_length_exceeded"),
    "credit": _error(400, "Your credit balance is too low to access the API", "invalid_request_error"),
    "blank": lambda handler, _: handler.reply(200, _completion('{"summary": "  ", "entities": ["Mira", "Varn"]}')),
    "half": lambda handler, request: handler.reply(200, _completion(answer_to(request)).replace("is told", "is \\ud83d told")),
    "no_schema": _error(400, "response_format is not supported here", "invalid_request_error"),
}
