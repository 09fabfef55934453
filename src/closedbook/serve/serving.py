"""The command closedbook serve: an address that nobody else has, and a server on it until Ctrl-C."""

import asyncio
import errno
import logging
import os
import secrets
import socket
from contextlib import suppress

from closedbook.serve.guard import is_own
from closedbook.serve.speakers import Speakers
from closedbook.util import terminal
from closedbook.util.errors import UserError

TOKEN = "CLOSEDBOOK_TOKEN"
"""the environment variable that holds the token for another address than this machine's own; without it one is made up"""
NOT_FREE = (errno.EADDRINUSE, errno.EACCES)
"""what the system says of a port; all else is said of the address"""


def serve(options) -> None:
    """Raises UserError for an address or port that can't be had, and for a run or assistant that is not here."""
    import uvicorn

    from closedbook.serve import app

    speakers = made(options.run, options)
    token = None if is_own(options.host) else os.environ.get(TOKEN) or secrets.token_urlsafe(24)
    listening = bound(options.host, options.port)
    terminal.show(f"closedbook serves {address(options.host, listening.getsockname()[1], token)} until Ctrl-C")
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    config = uvicorn.Config(app.make(speakers, token), log_config=None, access_log=False, timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def _is_news(record: logging.LogRecord) -> bool:
    """Not that an answer was broken off by Ctrl-C, which whoever pressed it knows."""
    return record.levelno >= logging.WARNING and not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def made(names: list[str], options) -> Speakers:
    if options.api_model and not options.api_base:
        raise UserError("--api-model: names models of a server: give --api-base too")
    if not options.api_base:
        return Speakers(names)
    from closedbook.serve.remote import Server

    return Speakers(names, Server(options.api_base, options.api_model))


def bound(host: str, port: int) -> socket.socket:
    """Raises UserError where it can't be had."""
    if not 0 <= port < 65536:
        raise UserError(f"--port {port}: give one from 1 to 65535, or 0 for any that is free")
    try:
        if host:  # an empty one is all of them
            return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) in NOT_FREE:
            raise UserError(f"--port {port}: can't be had on {host} ({error.strerror}): name another one, as --port {port + 1}") from None
    raise UserError(f"--host {host}: is no address of this machine: leave it out, or give one that the machine has; 0.0.0.0 is all of them")


def address(host: str, port: int, token: str | None) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/" + (f"?token={token}" if token else "")
