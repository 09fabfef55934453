"""A loopback server that speaks OpenAI's Files and Batches too: its batches end as configured, in whole, in part or not at all."""

import email
import itertools
import json
import time
from dataclasses import dataclass, field

from engine import done
from openai_server import Server, _Handler


@dataclass
class Batch:
    id: str
    file: str
    looks: int = 0
    """how often somebody asked after it"""
    status: str = "validating"
    answers: list[str] = field(default_factory=list)
    """keys"""
    results: dict[str, str] = field(default_factory=dict)


class BatchServer(Server):
    """`ends`: how the first batch ends, the second and so on: "completed", or another of OpenAI's words, of which those that stop half-way
    have every second request answered; or a function from a request to its line of output. The last holds for all that follow."""

    def __init__(self, *ends, looks: int = 1):
        super().__init__()
        self.RequestHandlerClass = _Batches
        self.ends, self.looks = ends or ("completed",), looks
        self.files: dict[str, str] = {}
        self._numbers = itertools.count()
        self.batches: list[Batch] = []
        self.refusal: tuple[int, str] | None = None
        """status and message"""
        self.refuses_below = "/v1"
        """the beginning of what is refused so"""
        self.hangs_when_begun = 0.0
        """seconds between the begin of a batch and the answer that says so"""

    @property
    def asked(self) -> list[str]:
        """The key of each request of a batch, whatever became of it: batches end whether somebody looks or not."""
        return [json.loads(line)["custom_id"] for batch in self.batches for line in self.files[batch.file].splitlines()]

    @property
    def paid(self) -> list[str]:
        """The key of each answer that was paid for."""
        return [key for batch in self.batches for key in batch.answers]

    def end(self, batch: Batch) -> None:
        how = self.ends[min(self.batches.index(batch), len(self.ends) - 1)]
        requests = [json.loads(line) for line in self.files[batch.file].splitlines()]
        batch.status, output, errors = how if isinstance(how, str) else "completed", [], []
        for number, request in enumerate(reversed(requests)):
            if callable(how):
                line = how(request)
                (output if (line.get("response") or {}).get("status_code") == 200 else errors).append(line)
            elif how == "completed" or (how in ("expired", "cancelled") and number % 2):
                output.append(done(request))
            elif how == "expired":
                error = {"code": "batch_expired", "message": "too late"}
                errors.append({"custom_id": request["custom_id"], "response": None, "error": error})
        batch.answers = [line["custom_id"] for line in output]
        for name, lines in (("output", output), ("error", errors)):
            if lines:
                batch.results[name] = self.add("".join(json.dumps(line) + "\n" for line in lines))

    def add(self, content: str) -> str:
        identity = f"file-{next(self._numbers)}"
        self.files[identity] = content
        return identity


class _Batches(_Handler):
    def do_POST(self):
        if self._refused():
            return
        server = self.server
        if self.path == "/v1/files":
            body = self.body()
            parts = email.message_from_bytes(b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + body).get_payload()
            (content,) = [part.get_payload(decode=True).decode() for part in parts if part.get_filename()]
            with server.lock:
                file = server.add(content)
            self.reply(200, {"id": file, "object": "file", "bytes": len(content), "created_at": 0, "filename": "x", "purpose": "batch",
                       "status": "processed"})  # fmt: skip
        elif self.path == "/v1/batches":
            asked = json.loads(self.body())
            assert asked["endpoint"] == "/v1/chat/completions" and asked["input_file_id"] in server.files
            with server.lock:
                server.batches.append(Batch(id=f"batch-{len(server.batches)}", file=asked["input_file_id"]))
                batch = server.batches[-1]
                server.arrived.notify_all()
            time.sleep(server.hangs_when_begun)
            self.reply(200, self._shown(batch))
        else:
            super().do_POST()

    def do_GET(self):
        if self._refused():
            return
        path, server = self.path.partition("?")[0], self.server
        if path == "/v1/batches":
            return self.reply(200, {"object": "list", "data": list(map(self._shown, server.batches)), "has_more": False})
        kind, identity = path.split("/")[2:4]
        if kind == "files":
            return self.reply(200, server.files[identity]) if identity in server.files else self._unknown()
        batch = next((batch for batch in server.batches if batch.id == identity), None)
        if batch is None:
            return self._unknown()
        with server.lock:
            batch.looks += 1
            if batch.looks > server.looks and batch.status == "validating":
                server.end(batch)
            server.arrived.notify_all()
        self.reply(200, self._shown(batch))

    def _unknown(self) -> None:
        self.reply(404, {"error": {"message": "No such object", "type": "invalid_request_error", "code": None}})

    def _refused(self) -> bool:
        refusal = self.server.refusal if self.path.startswith(self.server.refuses_below) else None
        if refusal:
            self.body()
            self.reply(refusal[0], {"error": {"message": refusal[1], "type": "invalid_request_error", "code": None}})
        return refusal is not None

    def _shown(self, batch: Batch) -> dict:
        total = self.server.files[batch.file].count("\n")
        errors = {"object": "list", "data": [{"code": "bad", "message": "the file is not taken"}]} if batch.status == "failed" else None
        return {"id": batch.id, "object": "batch", "endpoint": "/v1/chat/completions", "errors": errors, "input_file_id": batch.file,
                "completion_window": "24h", "status": batch.status, "output_file_id": batch.results.get("output"),
                "error_file_id": batch.results.get("error"), "created_at": 0,
                "request_counts": {"total": total, "completed": len(batch.answers), "failed": 0}}  # fmt: skip
