"""One process of a host's that asks and pays: `python tests/spender.py LEDGER MOUNTS NUMBER`; MOUNTS stands for the host's list of what is mounted.

It reserves two cents for each of NUMBER requests and settles one of them, under a limit that all processes together reach.
"""

import sys
from pathlib import Path

from closedbook import params
from closedbook.llm import account, flight
from closedbook.util import shared

PRICE, MOST, SLOTS, LIMIT = 0.01, 0.02, 16, 1.0


def main(ledger: Path, number: int) -> None:
    limits = params.Limits.model_construct(max_calls=None, max_tokens=None, max_usd=LIMIT, requests_per_minute=None, tokens_per_minute=None)
    mine, slots = account.Account(ledger, step="test", document="kell-1", model="openai/toy"), flight.slot_file(ledger)
    for _ in range(number):
        while (slot := slots.take(SLOTS)) is None:
            pass
        request = mine.reserve(slot, account.Amount(10, 10, MOST), limits)
        if isinstance(request, int):
            mine.settle(request, "answered", account.Amount(10, 10, PRICE))
        slots.give_back(slot)
    mine.close()


if __name__ == "__main__":
    shared.MOUNTS = Path(sys.argv[2])
    main(Path(sys.argv[1]), int(sys.argv[3]))
