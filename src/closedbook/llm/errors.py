"""What a provider's error means: ask again after a while, give up on this request, or stop; and its words without secrets."""

import os
import re
import sys
import time

LONGEST_WAIT = 600
SECONDS_BETWEEN_LINES = 30
SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)


def wait(error, tried: int) -> float:
    """Seconds: what the server asks for, else 0.5, 1, 2 … up to 30, jittered so that many requests do not come back as one."""
    headers = getattr(error, "litellm_response_headers", None) or {}
    asked = headers.get("retry-after", "")
    own = min(30, 0.5 * 2**tried) * (0.5 + time.monotonic_ns() % 1000 / 2000)
    wait = min(max(float(asked), own), LONGEST_WAIT) if re.fullmatch(r"\d+(\.\d+)?", asked) else own
    if wait > SECONDS_BETWEEN_LINES:
        print(f"the server asks to wait {wait:.0f} seconds", file=sys.stderr, flush=True)
    return wait


def scrubbed(error) -> str:
    """The error's first words without any secret of the environment."""
    text = f"{type(error).__name__}: {error}"
    for name, value in os.environ.items():
        if SECRET_NAME.search(name) and len(value) >= 6:
            text = text.replace(value, f"[{name}]")
    return re.sub(r"\b(sk|key)-[\w*-]{6,}", "[a key]", " ".join(text.split()))[:300]
