"""The scripted author as a provider of LiteLLM, so that the model miniature/author is asked like any other; nothing leaves the process."""

PROVIDER = "miniature"


def register() -> None:
    """Make the provider known to LiteLLM; a second call changes nothing."""
    import litellm

    if not any(entry["provider"] == PROVIDER for entry in litellm.custom_provider_map):
        litellm.custom_provider_map.append({"provider": PROVIDER, "custom_handler": _handler()})
        litellm.utils.custom_llm_setup()


def version() -> str:
    """The author's version: what, beside the model's name, determines its answers."""
    from closedbook.miniature import author

    return author.version()


def _handler():
    import litellm

    from closedbook.miniature import author

    class Author(litellm.CustomLLM):
        def completion(self, model: str, messages: list, optional_params: dict, model_response, **_):
            if model != "author":
                raise litellm.NotFoundError(f"no model {PROVIDER}/{model}, only {PROVIDER}/author", model=model, llm_provider=PROVIDER)
            prompt = messages[-1]["content"]
            text = author.answer(prompt, optional_params.get("seed", 0))
            model_response.model = f"author-{author.version()}"
            model_response.choices[0].message.content = text
            model_response.choices[0].finish_reason = "stop"
            model_response.usage = _usage(" ".join(message["content"] for message in messages), text)
            return model_response

        async def acompletion(self, *arguments, **options):
            return self.completion(*arguments, **options)

    return Author()


def _usage(prompt: str, text: str):
    """Counts of words between spaces: the author has no tokens."""
    from litellm import Usage

    asked, answered = len(prompt.split()), len(text.split())
    return Usage(prompt_tokens=asked, completion_tokens=answered, total_tokens=asked + answered)
