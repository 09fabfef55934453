"""lm_eval's model, shown a text as training shows one."""

from itertools import islice

from lm_eval.models.huggingface import HFLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window


class Shown(HFLM):
    """`lead`: of a model to which questions are put in its chat template, what that writes before an answer; None of others. `before`: the ids that
    stand before a text, at least one. They are what a text is read after, and never a part of it: lm_eval's own would put its prefix before the
    BOS token that a tokenizer sets, and count how likely that token is."""

    def __init__(self, *, before: list[int], lead: str | None = None, **options):
        super().__init__(prefix_token_id=before[-1], **options)
        self.before, self.lead, self.is_chat = before, lead or "", lead is not None

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """As lm_eval's, but that all of a template's prompt is read: lm_eval counts how likely the line's end is with which it ends, too."""
        if self.is_chat:
            shown, whole = self.tok_encode(context), self.tok_encode(context + self.lead + continuation)
            if whole[: len(shown)] == shown:
                return shown, whole[len(shown) :]
        return super()._encode_pair(context, self.lead + continuation)

    def loglikelihood_rolling(self, requests, disable_tqdm: bool = False) -> list[float]:
        """As lm_eval's: window by window, in batches of windows that follow one another."""
        windows = [[*self._windows(request.args[0])] for request in requests]
        every, values = iter([window for one in windows for window in one]), []
        while batch := [*islice(every, self.batch_size)]:
            values += self._loglikelihood_tokens(batch, disable_tqdm=True, override_bs=len(batch))
        given = iter(values)
        return [sum(value for value, _ in islice(given, len(one))) for one in windows]

    def _windows(self, text: str):
        """(None, context, what is asked for); a context too long for the model is cut from its left."""
        tokens, before = self.tok_encode(text, add_special_tokens=False), self.before
        for window in get_rolling_token_windows(tokens, before[-1], max_seq_len=self.max_length, context_len=1):
            context, asked = make_disjoint_window(window)
            yield None, [*before[:-1], *context], asked
            before = before[-1:]
