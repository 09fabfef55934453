"""A model behind an API as lm-evaluation-harness sees one: it responds to prompts, and knows no log-likelihoods."""

from collections import Counter, defaultdict

from lm_eval.api.model import LM

from closedbook import llm
from closedbook.llm import ledger as ledgers
from closedbook.params import ApiModel as Settings
from closedbook.params import LanguageModel, Limits
from closedbook.records import Document

PROMPT = "reader"
"""what the ledger calls such a request, in earlier versions too"""


class ApiModel(LM):
    """Asks through the ledger and under the limits, each document's questions in a segment of its own."""

    is_chat = False
    """a prompt is its user's turn, and its server's template is around it"""

    def __init__(self, name: str, settings: Settings, limits: Limits, documents: dict[str, Document], seed: int):
        super().__init__()
        self._settings, self._limits, self._documents, self._seed = settings, limits, documents, seed
        self._step, self._section = f"{ledgers.API_MODELS}{name}", f"api_models.{name}"
        self.is_postponed = False
        """whether some responses are stand-ins, because their answers come in bulk: then no score may be kept"""

    def generate_until(self, requests: list, disable_tqdm: bool = False) -> list[str]:
        """A response to each of lm_eval's requests, which are all of one task; equal ones get samples of their own."""
        settings, seen, groups = requests[0].args[1], Counter(), defaultdict(list)
        asked = LanguageModel(model=self._settings.model, api_base=self._settings.api_base, temperature=settings["temperature"],
                    max_tokens=settings["max_gen_toks"])
        for place, request in enumerate(requests):
            prompt = request.args[0]
            groups[request.doc["document"]].append((place, prompt, seen[prompt]))
            seen[prompt] += 1

        async def of_one(ledger, document: str) -> dict[int, str]:
            client = llm.Client(llm=asked, limits=self._limits, ledger=ledger, document=self._documents[document], seed=self._seed,
                                section=self._section)
            places, prompts, samples = zip(*groups[document])
            asked_for = [_response(client, prompt, sample, settings["until"]) for prompt, sample in zip(prompts, samples)]
            return dict(zip(places, await llm.gather(asked_for), strict=True))

        of_all = {}
        try:
            for of_document in llm.in_segments(self._step, list(groups), of_one):
                of_all |= of_document
        except llm.Postponed:  # what the tasks after this one ask is noted too
            self.is_postponed = True
            return [""] * len(requests)
        return [of_all[place] for place in range(len(requests))]

    def loglikelihood(self, requests, disable_tqdm: bool = False):
        raise NotImplementedError("planning refuses tasks that need this")

    loglikelihood_rolling = loglikelihood


async def _response(client: llm.Client, prompt: str, sample: int, stops: list[str]) -> str:
    """The model's words up to a stop, or in brackets why there are none: an invalid response, kept as one."""
    try:
        text, _ = await client.converse(PROMPT, [{"role": "user", "content": prompt}], attempts=1, check=str, sample=sample)
    except llm.NotAnswered as problem:
        return f"[{problem}]"
    for stop in stops:
        text = text.partition(stop)[0]
    return text
