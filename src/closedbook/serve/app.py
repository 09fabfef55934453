"""The page's server: what there is to see, read when it is asked for, and answers as they are written."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from closedbook import layout
from closedbook.serve import conversation, support, views
from closedbook.serve.guard import Guard
from closedbook.serve.speakers import Speakers
from closedbook.util.errors import UserError

PAGE = Path(__file__).parent / "page"
REPORT_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
MOST_BYTES = 1 << 20
"""of what a page may send"""


def make(speakers: Speakers, token: str | None = None) -> Starlette:
    async def models(request: Request) -> Response:
        return _json(await speakers.listed())

    async def model(request: Request) -> Response:
        """Loads it too, and opens the index of passages after that, so that the first answer need not wait for either."""
        response = _json(await speakers.ready(name := request.path_params["name"]))
        response.background = BackgroundTask(support.opened, await speakers.one(name))
        return response

    async def chat(request: Request) -> Response:
        asked = conversation.parsed(await _sent(request))
        return StreamingResponse(_lines(speakers.answer(asked)), media_type="application/x-ndjson")

    async def nearest(request: Request) -> Response:
        return _json(await support.answered(speakers, conversation.checked(support.Answered, await _sent(request))))

    return Starlette(
        routes=[
            Route("/", lambda request: FileResponse(PAGE / "index.html")),
            Route("/report", _report),
            Route("/api/models", models),
            Route("/api/models/{name}", model),
            Route("/api/chat", chat, methods=["POST"]),
            Route("/api/nearest", nearest, methods=["POST"]),
            Route("/api/lineage/state", _view(views.state)),
            Route("/api/lineage/index", _view(views.index)),
            Route("/api/lineage/entities", _view(views.entities)),
            Route("/api/lineage/documents/{identity}", _view(views.document)),
            Route("/api/lineage/passages/{strategy}/{identity}", _view(views.passages)),
            Mount("/page", StaticFiles(directory=PAGE)),
        ],
        middleware=[Middleware(Guard, token=token)],
        exception_handlers={UserError: lambda request, error: _json({"error": str(error)}, 400)},
    )  # fmt: skip


def _view(view: Callable) -> Callable:
    def shown(request: Request) -> Response:  # not a coroutine, so that Starlette runs it in a thread
        return _json(view(**request.path_params))

    return shown


def _report(request: Request) -> Response:
    """The report as it is, but that its links lead to this server, whatever its port."""
    path = layout.REPORT / "report.html"
    if not path.exists():
        raise UserError(f"{path}: is not here: dvc pull brings it, or snakemake --cores all makes it")
    page = path.read_text(encoding="utf-8").replace(f'href="http://127.0.0.1:{layout.PORT}/', 'href="/')
    return HTMLResponse(page, headers={"Content-Security-Policy": REPORT_POLICY})


def _json(value, status: int = 200) -> Response:
    """In ASCII, which holds whatever a text does, halves of characters too."""
    return Response(json.dumps(value, separators=(",", ":")), status, media_type="application/json")


async def _sent(request: Request):
    """The JSON that a page sent. A form of another page's can't say that it is JSON without this server's leave."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise UserError("send JSON, as content-type application/json")
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise UserError(f"more than {MOST_BYTES:,} bytes were sent: start a new conversation")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise UserError("what was sent is not JSON") from None


async def _lines(parts: AsyncIterator[dict]) -> AsyncIterator[str]:
    """One line of JSON for each part of an answer; what goes wrong is the last one. Where nobody listens any more, generation stops: Starlette
    then cancels this iterator, and with it `parts`."""
    try:
        async for part in parts:
            yield json.dumps(part) + "\n"
    except UserError as error:
        yield json.dumps({"error": str(error)}) + "\n"
    except Exception:
        yield json.dumps({"error": "this is a fault of closedbook's or of a library's: its terminal says more"}) + "\n"
        raise
