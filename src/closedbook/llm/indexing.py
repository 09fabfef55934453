"""Vectors of texts, and how well texts answer a query: requests to models that find, in the ledger like those to models that write."""

import base64
import json
import os

import numpy as np

from closedbook import files
from closedbook.errors import UserError
from closedbook.ledger import Ledger
from closedbook.llm import library
from closedbook.llm.client import Client
from closedbook.params import Endpoint, Limits
from closedbook.records import Document

EMBED, RERANK = "embed", "rerank"
"""what the ledger calls these requests, where others have the name of their prompt"""
BATCH = 64
"""texts a request: some 16,000 tokens of chunks, which every provider takes"""


class Indexer(Client):
    """Asks about the texts of one document: its chunks, and the questions about it."""

    def __init__(self, *, model: Endpoint, limits: Limits, ledger: Ledger, document: Document):
        super().__init__(llm=model, limits=limits, ledger=ledger, document=document, seed=0)

    async def embed(self, texts: list[str]) -> tuple[list[np.ndarray], set[str]]:
        """A vector (float32) a text, and the names of the models that made them; only texts that are not in the ledger are sent.

        Raises UserError where a request brings another number of vectors than it has texts, or vectors of several lengths.
        """
        known = {}
        for record in self._ledger.answers_to(EMBED):
            if (record["model"], record["settings"]) == (self._llm.model, {"api_base": self._llm.api_base}):
                known |= _vectors(record)
        digests = [files.sha256_text(text) for text in texts]
        unknown = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in known}
        for start in range(0, len(unknown), BATCH):
            known |= _vectors(await self._embedded(list(unknown.values())[start:start + BATCH]))
        return [known[digest][0] for digest in digests], {known[digest][1] for digest in digests}

    async def _embedded(self, texts: list[str]) -> dict:
        litellm = library.litellm()

        def read(response) -> dict:
            vectors = [item["embedding"] for item in sorted(response.data, key=lambda item: item["index"])]
            if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) != 1:
                raise UserError(f"{self._llm.model}: sent {len(vectors)} vectors for {len(texts)} texts, of the lengths "
                                f"{sorted({len(vector) for vector in vectors})}: it is no model that embeds, or its server is broken")
            packed = np.array(vectors, dtype="<f4").tobytes()
            return self._answer(response, response.model, base64.b64encode(packed).decode("ascii"))

        request = self._request(EMBED, texts, [])
        return await self._once(request, lambda: self._tried(
            lambda: litellm.aembedding(model=self._llm.model, input=texts, encoding_format="float", **self._where()), read))

    async def rerank(self, query: str, texts: list[str]) -> list[float]:
        """How well each text answers a query, by the model's own measure. Raises UserError where the response does not rate them all."""
        litellm = library.litellm()

        def read(response) -> dict:
            scores = {item["index"]: item["relevance_score"] for item in response.results or []}
            if scores.keys() != set(range(len(texts))):
                raise UserError(f"{self._llm.model}: rated {len(scores)} of {len(texts)} texts: it is no model that reranks, or its server is broken")
            return self._answer(response, self._llm.model, json.dumps([scores[index] for index in range(len(texts))]))

        request = self._request(RERANK, texts, [{"role": "user", "content": query}])
        record = await self._once(request, lambda: self._tried(lambda: self._arerank(litellm, query, texts), read))
        return json.loads(record["text"])

    async def _arerank(self, litellm, query: str, texts: list[str]):
        try:
            return await litellm.arerank(model=self._llm.model, query=query, documents=texts, return_documents=False, **self._where())
        except litellm.APIConnectionError as error:
            if "Unsupported provider" in str(error):  # LiteLLM's own words, before anything is sent; not a trouble that passes
                raise UserError(f"{self._llm.model}: LiteLLM has no way to rerank with this provider: name another, as cohere or hosted_vllm") from None
            raise

    def _request(self, name: str, texts: list[str], messages: list[dict]) -> dict:
        """What the ledger holds of a request: of the texts their hashes, since documents hold their words."""
        settings, digests = {"api_base": self._llm.api_base}, [files.sha256_text(text) for text in texts]
        key = files.sha256_text(files.canonical([name, self._llm.model, settings, digests, messages]))
        return {"key": key, "model": self._llm.model, "settings": settings, "sample": 0, "attempt": 0, "prompt": name, "prompt_sha256": None,
                "texts": digests, "messages": messages}

    def _answer(self, response, model: str, text: str) -> dict:
        usage = getattr(response, "usage", None)
        return {"model_answered": model, "text": text, "refusal": None, "finish_reason": "stop",
                "usage": {"prompt_tokens": usage.prompt_tokens, "completion_tokens": 0} if usage else {}}

    def _where(self) -> dict:
        key = f"{self._llm.model.split('/')[0].upper()}_API_KEY"
        own = {"api_key": "none"} if self._llm.api_base and not os.environ.get(key) else {}  # servers of one's own ask for no key; LiteLLM does
        return {"api_base": self._llm.api_base, "timeout": self._limits.timeout, "max_retries": 0, **own}


def _vectors(record: dict) -> dict[str, tuple[np.ndarray, str]]:
    """The vectors in a record by the hashes of their texts, each with the name of the model that made it."""
    rows = np.frombuffer(base64.b64decode(record["text"]), dtype="<f4").reshape(len(record["texts"]), -1)
    return {digest: (row, record["model_answered"]) for digest, row in zip(record["texts"], rows, strict=True)}
