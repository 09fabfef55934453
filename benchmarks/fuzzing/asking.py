"""A server that says what it is given, and the client that asks it."""

import asyncio
import functools
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

from closedbook import cli, llm, params
from closedbook.llm import flight
from closedbook.llm.indexing import Embedder, Reranker
from closedbook.llm.ledger import Ledger
from closedbook.records import Document
from closedbook.stages.entities import Answer, parse
from fuzzing.common import SHIPPED, as_command, warm
from fuzzing.mutations import as_json

USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": {"cached_tokens": 10}}
ENTITIES = '{"summary": "Of Mira and Varn.", "entities": ["Mira", "Varn"]}'
CHAT = {"id": "x", "object": "chat.completion", "created": 0, "model": "toy-0001", "usage": USAGE,
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ENTITIES}}]}  # fmt: skip
VECTORS = {"object": "list", "model": "toy-0001", "usage": USAGE, "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]}
RATINGS = {"id": "x", "results": [{"index": 0, "relevance_score": 0.5}], "meta": {"billed_units": {"search_units": 1}}}
ANSWERS = {"chat": CHAT, "embeddings": VECTORS, "rerank": RATINGS}
DOCUMENT = Document(id="varn-1", title="Varn", author=None, year=None, text="Mira Oldan lives in Varn. The Council of Varn met Mira.")
SMALL = {"timeout": 2, "deadline": 4, "input_usd_per_million": 1.0, "output_usd_per_million": 2.0}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
        self.reply = lambda: (200, {}, b"")

    def handle_error(self, *_):
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, data = self.server.reply()
        key = self.headers.get("Authorization") or self.headers.get("x-api-key") or ""
        data = data.replace(b"KEY", key.encode("utf-8", "replace"))  # a server may say back the key that it got
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    do_GET = do_PUT = do_POST

    def log_message(self, *_):
        pass


class Asking:
    """Asks a server that can be told what to say, in one loop for all cases; waits cost no time."""

    def __init__(self):
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        self.server = _Server()
        self.runner = asyncio.Runner()
        flight.Stop.pause = _no_pause
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        warm(*(functools.partial(self._good, kind) for kind in ANSWERS))

    def _good(self, kind: str) -> None:
        self.server.reply = lambda: (200, {}, as_json(ANSWERS[kind]))
        self.ask(kind, "openai/toy", self.url, Random(1))

    def ask(self, *arguments) -> None:
        """And what the ledger then holds."""
        as_command(lambda: self._ask(*arguments))
        if Path("ledger").exists():
            for question in (["spent"], ["ledger", "stats"], ["ledger", "verify"]):
                cli.main(question)

    def _ask(self, kind: str, model: str, api_base: str | None, draw: Random) -> None:
        flight._of.cache_clear()
        bounds = {"retries": draw.choice((0, 0, 1)), "max_tokens": draw.choice((None, 10_000))}
        limits = params.Limits(**SHIPPED["limits"] | SMALL | bounds)
        writer = params.Llm.model_construct(**SHIPPED["llm"] | {"model": model, "api_base": api_base})
        with Ledger("test", DOCUMENT.id) as ledger:
            self.runner.run(_asked(kind, writer, limits, ledger))


async def _no_pause(stop: flight.Stop, seconds: float) -> None:
    stop.check()


async def _asked(kind: str, writer: params.Llm, limits: params.Limits, ledger: Ledger) -> None:
    about = {"limits": limits, "ledger": ledger, "document": DOCUMENT}
    try:
        if kind == "embeddings":
            found = params.Endpoint(model=writer.model, api_base=writer.api_base)
            await Embedder(model=found, section="retrieval.embedder", **about).embed(["Who is Mira?"])
        elif kind == "rerank":
            found = params.Endpoint(model=writer.model.replace("openai/", "cohere/"), api_base=writer.api_base)
            await Reranker(model=found, section="retrieval.reranker", **about).rerank("Who is Mira?", ["Mira is the keeper."])
        else:
            client = llm.Client(llm=writer, seed=1, **about)
            (_, call) = await client.ask("entities", attempts=2, check=parse, schema=Answer, max=5)
            call.as_record()
    except llm.NotAnswered as none:
        print(none)
