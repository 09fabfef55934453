"""Vectors of texts, and how well texts answer a query: requests to models that find, sent and kept like those to models that write."""

import base64
import json
import os

import numpy as np

from closedbook.llm import library
from closedbook.llm.answers import is_count
from closedbook.llm.client import Client
from closedbook.llm.ledger import ANSWERED, Ledger
from closedbook.llm.requests import Question
from closedbook.llm.sending import Sender
from closedbook.params import Endpoint, LanguageModel, Limits
from closedbook.records import Document
from closedbook.util import files
from closedbook.util.errors import UserError

BATCH = 64
"""texts a request: some 16,000 tokens of chunks, which every provider takes"""
A_SEARCH = 100
"""texts that Cohere ranks for the price of one search"""


class _Sender(Sender):
    """What requests for vectors and for ratings have in common; their messages are the texts."""

    GOES_IN_BULK = False

    def too_long(self, question: Question, sure: str | None = None) -> str | None:
        """LiteLLM's length is that of one text, not of all: only the provider knows."""
        return "a text is longer than the model takes: lower retrieval.characters" if sure else None

    def _where(self) -> dict:
        key = f"{self.llm.model.split('/')[0].upper()}_API_KEY"
        own = {"api_key": "none"} if self.llm.api_base and not os.environ.get(key) else {}  # a server of one's own needs none
        return {"model": self.llm.model, "api_base": self.llm.api_base, "timeout": self.limits.timeout, "max_retries": 0, **own}

    def _came(self, response, text: str) -> dict:
        """`text`: the response as the ledger keeps it."""
        usage = getattr(response, "usage", None)  # rerankers, paid by searches, count no tokens
        tokens, model = getattr(usage, "prompt_tokens", None), getattr(response, "model", None)
        return {"gen_ai.response.id": getattr(response, "id", None),
                "gen_ai.response.model": model if model and isinstance(model, str) else self.llm.model,
                "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.input_tokens": tokens if tokens and is_count(tokens) else None,
                "gen_ai.usage.output_tokens": 0, "text": text, "refusal": None, "response_sha256": files.sha256_text(text)}


class _Embedding(_Sender):
    async def _asking(self, settings: dict, question: Question, heard: list[str]):
        texts = [message["content"] for message in question.messages]
        response = await library.litellm().aembedding(input=texts, encoding_format="float", **self._where())
        vectors = _numbers(response.data, "embedding")
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise UserError(f"{self.section}.model {self.llm.model}: sent {_many(response.data)} vectors for {len(texts)} texts, or vectors "
                            "that are not numbers, as many in each: its server is broken, or it is no model that embeds")
        return response

    def _read(self, response) -> dict:
        return self._came(response, base64.b64encode(_numbers(response.data, "embedding").tobytes()).decode("ascii"))


class _Reranking(_Sender):
    async def _asking(self, settings: dict, question: Question, heard: list[str]):
        query, *texts = [message["content"] for message in question.messages]
        litellm = library.litellm()
        try:
            response = await litellm.arerank(query=query, documents=texts, return_documents=False, **self._where())
        except litellm.APIConnectionError as error:
            if "Unsupported provider" in str(error):  # LiteLLM's own words, before anything is sent; not a trouble that passes
                raise UserError(f"{self.section}.model {self.llm.model}: LiteLLM has no way to rerank with this provider: name "
                                "another, as cohere or hosted_vllm") from None
            raise
        ratings = _numbers(response.results, "relevance_score")
        if ratings.shape != (len(texts),):
            raise UserError(f"{self.section}.model {self.llm.model}: rated {_many(response.results)} of {len(texts)} texts, or not "
                            "with numbers: its server is broken, or it is no model that reranks")
        return response

    def _read(self, response) -> dict:
        return self._came(response, json.dumps(_numbers(response.results, "relevance_score", "f8").tolist()))


def _many(items) -> int:
    return len(items) if isinstance(items, list) else 0


def _numbers(items, name: str, kind: str = "<f4") -> np.ndarray:
    """What a server says under that name of the first text, the second and so on; empty where that is not numbers, as many for each."""
    try:
        by_index = {item["index"]: item[name] for item in items}
        numbers = np.array([by_index[index] for index in range(len(items))], dtype=kind)
    except (KeyError, TypeError, ValueError, OverflowError):
        return np.empty(0)
    return numbers if np.isfinite(numbers).all() else np.empty(0)


class _Finder(Client):
    """Asks about the texts of one document: its chunks, and the questions about it."""

    def __init__(self, *, model: Endpoint, limits: Limits, ledger: Ledger, document: Document, section: str):
        writes_nothing = LanguageModel.model_construct(model=model.model, api_base=model.api_base, temperature=0.0, max_tokens=0)
        super().__init__(llm=writes_nothing, limits=limits, ledger=ledger, document=document, seed=0, section=section)

    async def _found(self, operation: str, texts: list[str], query: str | None = None) -> dict:
        """The ledger's line of a response. It holds the query and, of the texts, hashes, since documents hold their words."""
        asked = [] if query is None else [query]
        request = {
            "gen_ai.operation.name": operation, "gen_ai.provider.name": self._llm.model.partition("/")[0],
            "gen_ai.request.model": self._llm.model, "api_base": self._llm.api_base,
            "messages_sha256": files.sha256_text(files.canonical(asked)),
            "texts": [files.sha256_text(text) for text in texts], "sample": 0, "attempt": 0,
        }  # fmt: skip
        question = Question(name=operation, messages=_messages([*asked, *texts]), sent=(*asked, *texts), sample=0, schema=None, check=str,
                            searches=-(-len(texts) // A_SEARCH) if asked else 0)
        line = await self._once({"key": files.sha256_text(files.canonical(request)), "request": request, "prompt": operation,
                                 "prompt_sha256": None, "messages": _messages(asked)}, question)
        if line["outcome"] != ANSWERED:
            raise UserError(f"document {self._document.id}: {self._section}.model {self._llm.model}: {line['reason']}")
        return line


class Embedder(_Finder):
    SENDER = _Embedding

    async def embed(self, texts: list[str]) -> tuple[list[np.ndarray], set[str]]:
        """A vector (float32) a text, and the names of the models that made them; only texts that are not in the ledger are sent."""
        known = {}
        for line in self._ledger.answers_to("embeddings"):
            if (line["request"]["gen_ai.request.model"], line["request"]["api_base"]) == (self._llm.model, self._llm.api_base):
                known |= self._vectors(line)
        digests = [files.sha256_text(text) for text in texts]
        unknown = [text for digest, text in dict(zip(digests, texts, strict=True)).items() if digest not in known]
        for start in range(0, len(unknown), BATCH):
            known |= self._vectors(await self._found("embeddings", unknown[start:start + BATCH]))
        return [known[digest][0] for digest in digests], {known[digest][1] for digest in digests}

    def _vectors(self, line: dict) -> dict[str, tuple[np.ndarray, str]]:
        """By the hashes of their texts, each with the name of the model that made it."""
        numbers, digests = np.frombuffer(base64.b64decode(line["text"]), dtype="<f4"), line["request"]["texts"]
        rows = numbers.reshape(len(digests), -1)
        return {digest: (row, line["gen_ai.response.model"]) for digest, row in zip(digests, rows, strict=True)}


class Reranker(_Finder):
    SENDER = _Reranking

    async def rerank(self, query: str, texts: list[str]) -> list[float]:
        """How well each text answers a query, by the model's own measure."""
        return json.loads((await self._found("rerank", texts, query))["text"])


def _messages(texts: list[str]) -> list[dict]:
    return [{"role": "user", "content": text} for text in texts]
