"""A language model on 127.0.0.1 for benchmarks: in a process of its own, faster than who asks it, and it keeps account of what came.

    python benchmarks/model_server.py      prints its address, and ends when its standard input does

It speaks OpenAI's chat protocol, answers equal requests alike, and knows no other trouble than to leave out what an answer used.
"""

import asyncio
import hashlib
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from aiohttp import web

from closedbook.llm import prompts

LETTERS_A_TOKEN = 4
WORDS = "the keeper of harbour went to council and wrote about bridge in spring while storm lamp salt river clock north captain".split()
ANSWER_WORDS = (200, 800)


class ModelServer:
    """The server as its asker sees it; use it as a context manager."""

    def __enter__(self) -> "ModelServer":
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait()

    def begin(self, latency: float, usage: bool = True) -> None:
        """Forget all counts, and answer each request after so many seconds from now on."""
        self._get(f"begin?latency={latency}&usage={int(usage)}")

    def counts(self) -> dict:
        """What came since `begin`: see Counts."""
        return self._get("counts")

    def _get(self, what: str) -> dict:
        with urllib.request.urlopen(f"{self.url}/{what}") as reply:
            return json.load(reply)


@dataclass
class Counts:
    latency: float = 0.0
    usage: bool = True
    bodies: Counter = field(default_factory=Counter)
    """how often each request came, word for word"""
    in_flight: int = 0
    most_in_flight: int = 0
    first: float = 0.0
    """when the first request came, in seconds of this machine's clock"""
    answered: list[float] = field(default_factory=list)
    """when each answer was sent"""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def came(self, body: bytes) -> None:
        self.first = self.first or time.monotonic()
        self.bodies[hashlib.sha256(body).hexdigest()] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def went(self) -> None:
        self.in_flight -= 1
        self.answered.append(time.monotonic())

    def as_dict(self) -> dict:
        """`seconds`: from the first request to the last answer; `repeated`: requests that had come before, word for word."""
        received = self.bodies.total()
        return {"received": received, "repeated": received - len(self.bodies),
                "in_flight": self.in_flight, "most_in_flight": self.most_in_flight,
                "seconds": self.answered[-1] - self.first if self.answered else 0.0, "answered": self.answered[-1000:],
                "prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}


class Model:
    def __init__(self, words: tuple[int, int] = ANSWER_WORDS):
        """`words`: the fewest and the most of an answer"""
        self.counts = Counts()
        draw = random.Random(0)
        self._texts = [" ".join(draw.choices(WORDS, k=draw.randint(*words))).capitalize() + "." for _ in range(256)]

    async def begin(self, request: web.Request) -> web.Response:
        self.counts = Counts(latency=float(request.query["latency"]), usage=request.query["usage"] == "1")
        return web.json_response({})

    async def count(self, _) -> web.Response:
        return web.json_response(self.counts.as_dict())

    async def complete(self, request: web.Request) -> web.Response:
        body = await request.read()
        counts = self.counts
        counts.came(body)
        started = asyncio.get_running_loop().time()
        try:
            reply = self.reply(counts, body)
            await asyncio.sleep(counts.latency - (asyncio.get_running_loop().time() - started))
            return web.Response(text=reply, content_type="application/json")
        finally:
            counts.went()  # whoever asked may be dead by now

    def reply(self, counts: Counts, body: bytes) -> str:
        request, digest = json.loads(body), hashlib.sha256(body).digest()
        asked = request["messages"][-1]["content"]
        text = _entity_list(asked) if "response_format" in request else f"{digest.hex()[:8]} {self._texts[digest[0]]}"
        used = {"prompt_tokens": sum(len(message["content"]) for message in request["messages"]) // LETTERS_A_TOKEN,
                "completion_tokens": min(len(text) // LETTERS_A_TOKEN, request["max_tokens"])}
        counts.prompt_tokens += used["prompt_tokens"]
        counts.completion_tokens += used["completion_tokens"]
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"usage": {**used, "total_tokens": sum(used.values())}} if counts.usage else {}
        return json.dumps({"id": "x", "object": "chat.completion", "created": 0, "model": "toy-0001", "choices": [choice], **usage})


def _entity_list(asked: str) -> str:
    """The capitalised words of the document, as many as are asked for."""
    _, fields = prompts.parse(asked)
    names = list(dict.fromkeys(word.strip(".,") for word in fields["text"].split() if word[:1].isupper() and len(word) > 4))
    return json.dumps({"summary": f"{fields['title']} is about {names[0]}.", "entities": names[: int(fields["max"])]})


async def _serve() -> None:
    model = Model()
    application = web.Application(client_max_size=2**26)
    application.add_routes([web.post("/v1/chat/completions", model.complete)])
    application.add_routes([web.get("/v1/begin", model.begin), web.get("/v1/counts", model.count)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    print(f"http://{host}:{port}/v1", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
