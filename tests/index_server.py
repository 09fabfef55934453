"""A loopback server that embeds and reads as OpenAI's protocol has it and reranks as Cohere's; it counts all requests."""

import base64
import json
import zlib
from collections import Counter

import numpy as np
from loopback import Loopback, Replies

DIMENSIONS = 32


class IndexServer(Loopback):
    """Change `dimensions`, `model` or `trouble` and it misbehaves."""

    def __init__(self):
        super().__init__(_Handler)
        self.dimensions, self.model, self.trouble = DIMENSIONS, "toy-0001", None
        self.embedded: Counter = Counter()
        """how often each text was embedded"""
        self.reranked: Counter = Counter()
        """how often each query was reranked"""
        self.prompts: list[str] = []
        self.responses = ["It is said so.\nAnswer: B"]
        """what it says to prompts, in turn"""
        self.requests = 0


def vector(text: str, dimensions: int) -> list[float]:
    """Words counted by their hash, so that texts with words in common are near each other."""
    counts = np.zeros(dimensions, dtype=np.float32)
    for word in text.lower().split():
        counts[zlib.crc32(word.strip('.,?"').encode()) % dimensions] += 1
    return counts.tolist()


class _Handler(Replies):
    def do_POST(self):
        request = json.loads(self.body())
        with self.server.lock:
            self.server.requests += 1
        kind = next(name for name in ("input", "documents", "messages") if name in request)
        self.reply(200, {"input": self.embeddings, "documents": self.reranking, "messages": self.completion}[kind](request))

    def completion(self, request: dict) -> dict:
        with self.server.lock:
            content = self.server.responses[len(self.server.prompts) % len(self.server.responses)]
            self.server.prompts.append(request["messages"][-1]["content"])
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        return {"id": "x", "object": "chat.completion", "created": 0, "model": self.server.model, "choices": [choice], "usage": usage}

    def embeddings(self, request: dict) -> dict:
        texts = request["input"]
        with self.server.lock:
            self.server.embedded.update(texts)
        vectors = [vector(text, self.server.dimensions) for text in texts]
        if request.get("encoding_format") == "base64":
            vectors = [base64.b64encode(np.array(each, dtype=np.float32).tobytes()).decode() for each in vectors]
        data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
        counted = {"usage": {"prompt_tokens": 10 * len(texts), "total_tokens": 10 * len(texts)}} if self.server.trouble != "no usage" else {}
        if self.server.trouble == "words for tokens":
            counted = {"usage": {"prompt_tokens": "many", "total_tokens": "many"}}
        wrong = {"one short": data[:-1], "no vectors": None, "words for numbers": [{**each, "embedding": ["x"]} for each in data]}
        return {"object": "list", "model": self.server.model, "data": wrong.get(self.server.trouble, data), **counted}

    def reranking(self, request: dict) -> dict:
        """Longer texts first."""
        texts = [each if isinstance(each, str) else each["text"] for each in request["documents"]]
        with self.server.lock:
            self.server.reranked[request["query"]] += 1
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        results = [{"index": index, "relevance_score": len(texts[index]) / 1e4} for index in order]
        return {"id": "x", "results": results[1:] if self.server.trouble == "one short" else results,
                "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}}
