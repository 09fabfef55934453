"""Models behind a server that speaks OpenAI's protocol: vLLM, `transformers serve` and others.

A conversation is no job: what is said is in no ledger, and counts under no limit. The key, where a server needs one, is OPENAI_API_KEY; it
goes to that server alone, and an error's words are shown without it.
"""

from collections.abc import AsyncIterator
from pathlib import Path

from closedbook.llm import errors
from closedbook.serve.conversation import Asked
from closedbook.serve.speakers import Speaker
from closedbook.util.errors import UserError

NO_KEY = "none"
"""sent where OPENAI_API_KEY is not set: the client insists on one"""
OPTIONAL = ("seed", "temperature", "max_tokens")
"""settings that a server may refuse; they are left out then, and that is said"""


class Server:
    def __init__(self, address: str, names: list[str]):
        """`names`: of its models, where it does not list them itself."""
        import os

        from openai import AsyncOpenAI

        self.address, self._names = address, names
        self._client = AsyncOpenAI(base_url=address, api_key=os.environ.get("OPENAI_API_KEY") or NO_KEY, max_retries=0)

    async def speakers(self, known: dict[str, Speaker]) -> dict[str, Speaker]:
        """Its models, each as server:NAME; one that is called as a run here, or by its folder, was trained on what that was."""
        names = self._names or await self._listed()
        here = {**known, **{str(one.folder): one for one in known.values()}}
        return {f"server:{name}": Speaker(name=f"server:{name}", kind="server", corpus=_corpus(name, here)) for name in names}

    async def answer(self, asked: Asked) -> AsyncIterator[dict]:
        """As Local.answer. The server itself puts the conversation into its model's template."""
        messages = [turn.model_dump() for turn in asked.turns]
        settings = {name: getattr(asked, name) for name in OPTIONAL}
        if asked.system:
            messages.insert(0, {"role": "system", "content": asked.system})
        stream, refused = await self._stream(asked.model.removeprefix("server:"), messages, settings)
        yield {"notes": [f"The server takes no {name}: it was left out." for name in refused]}
        number, reason = 0, None
        async with stream:
            try:
                async for chunk in stream:
                    for choice in chunk.choices:
                        reason = choice.finish_reason or reason
                        if choice.delta.content:
                            number += 1
                            yield {"text": choice.delta.content}
            except Exception as error:
                raise self._explained(error) from None
        yield {"end": "length" if reason == "length" else "ended", "tokens": number}

    async def _stream(self, model: str, messages: list[dict], settings: dict) -> tuple:
        refused = []
        while True:
            try:
                return await self._client.chat.completions.create(model=model, messages=messages, stream=True, **settings), refused
            except Exception as error:
                trouble = errors.sorted_out(error, frozenset(settings), None)
                setting = errors.SETTING_REFUSED.get(trouble.kind)
                if setting not in settings:
                    raise self._explained(error) from None
                del settings[setting]
                refused.append(setting)

    async def _listed(self) -> list[str]:
        try:
            return [model.id async for model in self._client.models.list()]
        except Exception as error:
            raise UserError(f"{self._explained(error)}; where it does not list its models, name them with --api-model") from None

    def _explained(self, error: Exception) -> UserError:
        return UserError(f"the server at {self.address} gives no answer ({errors.scrubbed(error)})")


def _corpus(name: str, here: dict[str, Speaker]) -> str | None:
    one = here.get(str(Path(name))) or here.get(Path(name).name)
    return one.corpus if one else None
