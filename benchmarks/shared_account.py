"""How many requests a second the account takes, in the mode of this machine's own disk and in that of a file system that machines share:

    PYTHONPATH=src python benchmarks/shared_account.py [FOLDER]

FOLDER (by default a temporary one) is where the account is made, so give one on the file system that is meant.
"""

import sys
import tempfile
import time
from pathlib import Path

from closedbook import params
from closedbook.llm import account
from closedbook.util import shared

REQUESTS = 500


def rate(folder: Path, is_shared: bool) -> float:
    """Requests a second, each reserved and settled."""
    shared.is_shared = lambda _: is_shared
    limits = params.Limits.model_construct(max_calls=None, max_tokens=None, max_usd=None)
    mine = account.Account(folder, step="test", document="one", model="openai/toy")
    begun = time.perf_counter()
    for _ in range(REQUESTS):
        mine.settle(mine.reserve(0, account.Amount(100, 100, 0.01), limits), "answered", account.Amount(90, 50, 0.005))
    seconds = time.perf_counter() - begun
    mine.close()
    return REQUESTS / seconds


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else None) as place:
        for name, is_shared in (("write-ahead log", False), ("rollback journal", True)):
            print(f"{name}: {rate(Path(place) / name, is_shared):,.0f} requests a second")


if __name__ == "__main__":
    main()
