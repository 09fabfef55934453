"""The four things that a user can get wrong. Each area is made once a process and then called with a random.Random for a case, in an
empty folder; it prints what a user would see."""

import asyncio
import contextlib
import copy
import functools
import io
import os
import tempfile
import threading
import unicodedata
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from types import SimpleNamespace

import made_files  # tests/made_files.py
from mutations import HALF, TEXTS, as_json, deep, junk, mutated, prose, spoilt
from ruamel.yaml import YAML

from closedbook import cli, llm, params
from closedbook.entities import Answer, parse
from closedbook.ledger import Ledger
from closedbook.llm import stopping
from closedbook.llm.indexing import Embedder, Reranker
from closedbook.records import Document
from closedbook.spending import calls

ROOT = Path(__file__).parent.parent
SECRET = "canary0123456789"
SHIPPED = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
LISTED = {"question": "Who counted the ships?", "options": ["Mira", "Varn", "the council", "nobody"], "gold_label": 1, "difficult": 0,
          "question_unique_id": "q1", "document": "a.txt"}  # fmt: skip
calls.over = map  # as in one process, so that what goes wrong is seen here


def as_command(function: Callable) -> None:
    """Run a function as the command line runs a command: a user's error is printed, anything else goes on."""
    options = SimpleNamespace(command=lambda _: function())
    parser, cli._parser = cli._parser, lambda: SimpleNamespace(parse_args=lambda _: options)
    try:
        cli.main([])
    finally:
        cli._parser = parser


def _forecast(**changes) -> None:
    """Plan, as every command does, and tell what each document would be asked."""
    for name in ("src", "evals"):
        Path(name).symlink_to(ROOT / name)
    if changes:
        sections = copy.deepcopy(SHIPPED)
        sections["documents"] |= {"source": "folder", "path": "texts"}
        sections["llm"] |= {"model": "openai/toy", "api_base": "http://127.0.0.1:9/v1"}
        for name, value in changes.items():
            sections[name] = value(sections) if callable(value) else sections[name] | value
        _dump(sections)
    cli.main(["forecast"])


def _warm(*asks: Callable) -> None:
    """Load what takes seconds to load, in a folder where all is well, and ask so."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        Path("texts").mkdir()
        Path("texts/warm.md").write_text("Mira counted the ships.")
        _forecast(documents={})
        for ask in asks:
            ask()


def _dump(value) -> None:
    with open("params.yaml", "w", encoding="utf-8", errors="surrogatepass") as handle:
        YAML(typ="safe", pure=True).dump(value, handle)


# documents: a folder of files of all formats, with front matter and questions


def documents() -> Callable:
    _warm()
    return _documents


def _documents(draw: Random) -> None:
    folder = Path("texts")
    folder.mkdir()
    for number in range(draw.choice((1, 1, 1, 2, 3))):
        suffix, data = _file(draw)
        name = draw.choice(("a", "b", "Harbour of Varn", f"c{number}")) if draw.random() < 0.7 else _name(draw)
        _put(draw, folder, os.fsencode(name)[:250].decode("utf-8", "surrogateescape") + draw.choice((suffix, suffix, suffix.upper())), data)
    if draw.random() < 0.4:
        rows = [LISTED | {"question_unique_id": f"q{number}"} for number in range(draw.choice((1, 2)))]
        lines = b"\n".join(as_json(mutated(draw, row) if draw.random() < 0.7 else row) for row in rows)
        lines = draw.choice((lines, lines, lines, spoilt(draw, lines), lines.replace(b"[", deep(draw), 1)))
        _put(draw, folder, "questions.jsonl", lines)
    _forecast(documents={"limit": draw.choice((None, 1))})


def _file(draw: Random) -> tuple[str, bytes]:
    """(suffix, content), in two of three cases spoilt."""
    suffix = draw.choice((".txt", ".md", ".md", ".html", ".htm", ".xhtml", ".epub", ".docx", ".pdf"))
    data = MAKERS[suffix](draw)
    return suffix, spoilt(draw, data) if draw.random() < 0.65 else data


def _text(draw: Random) -> bytes:
    front = {"title": "The Harbour", "author": "Mira Oldan", "year": 1923, "license": "CC0", "date": "2023-02-03", "tags": ["a"]}
    head = io.StringIO()
    if draw.random() < 0.6:
        YAML(typ="safe", pure=True).dump(_encodable(mutated(draw, front)), head)
    mark = draw.choice(("---", "---", "...", "--- ", "----"))
    fields = head.getvalue() + draw.choice(("", "", "date: 2023-02-30\n", "year: !!bool maybe\n", "year: !!int x\n", "a: &a [*a]\n", "? [a]\n: b\n", "\t\n", f"a: {deep(draw).decode()}\n"))
    body = "\n\n".join(draw.choice((prose(draw), "# " + prose(draw, 5), "---", draw.choice(TEXTS))) for _ in range(5))
    text = f"---\n{fields}{mark}\n{body}" if draw.random() < 0.6 else body
    return text.encode(draw.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-16-le", "cp1252", "utf-8-sig")), "replace")


def _encodable(value):
    return {str(key): item for key, item in value.items() if HALF not in repr(item) and not isinstance(item, list)} if isinstance(value, dict) else {}


def _html(draw: Random) -> bytes:
    parts = [f"<p>{prose(draw)}</p>", "<button>", "<select><option>a", "<!--", "<table><tr><td>x", "<ruby>a<rt>b</ruby>", "<template>", "<svg>",
             "<pre>\n a</pre>", "<div>" * 3_000, "<p hidden>x</p>", "&nbsp;&#150;&bogus;", draw.choice(TEXTS)]  # fmt: skip
    charset = draw.choice(("", "<meta charset=utf-8>", "<meta charset=iso-8859-1>", "<meta charset=x-none>", "<meta charset=utf-16>"))
    head = draw.choice(("<head>{}<title>T</title></head>", "<head>{}<title>T</title>", "{}", "<head>{}<title>T"))
    body = "".join(draw.choices(parts, weights=[6, *[1] * (len(parts) - 1)], k=8))
    return f"<html>{head.format(charset)}<body>{body}</body></html>".encode(draw.choice(("utf-8", "cp1252", "utf-16")), "replace")


def _docx(draw: Random) -> bytes:
    parts = [made_files.paragraph(prose(draw)), made_files.paragraph("<w:br/>"), "<w:p><w:ins><w:r><w:t>in</w:t></w:r></w:ins></w:p>", "<w:tbl><w:tr/></w:tbl>",
             "<w:p>" * 500 + "</w:p>" * 500, "<w:sdt><w:sdtContent/></w:sdt>", "<w:altChunk/>", "<w:p><w:r><w:drawing/></w:r></w:p>", "<w:p><w:r><w:footnoteReference/></w:r></w:p>"]
    body = "".join(draw.choices(parts, weights=[6, *[1] * (len(parts) - 1)], k=6))
    return _rezipped(draw, made_files.docx(body, core=draw.choice(("", "<dc:title>T</dc:title>", "<dc:creator>\u202eM</dc:creator>"))))


def _epub(draw: Random) -> bytes:
    about = draw.choice(("", "<dc:title>T</dc:title><dc:creator>Mira Oldan</dc:creator>", "<dc:date>x</dc:date>"))
    chapters = [draw.choice((f"<p>{prose(draw)}</p>", "<p>&bogus;</p>", "", "<div>" * 500)) for _ in range(3)]
    return _rezipped(draw, made_files.epub(*chapters, about=about))


def _rezipped(draw: Random, data: bytes) -> bytes:
    """The archive with one of its parts spoilt, gone, renamed, or huge when it is unpacked."""
    import zipfile

    if draw.random() < 0.4:
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        parts = {name: zipped.read(name) for name in zipped.namelist()}
    name = draw.choice(sorted(parts))
    change = draw.choice(("spoil", "spoil", "remove", "rename", "huge"))
    part = parts.pop(name)
    if change == "rename":
        parts[draw.choice((name.upper(), f"../{name}", f"/{name}", "x"))] = part
    elif change != "remove":
        parts[name] = spoilt(draw, part) if change == "spoil" else part + b" " * 30_000_000
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        for each, content in parts.items():
            zipped.writestr(each, content)
    return out.getvalue()


def _pdf(draw: Random) -> bytes:
    lines = [(50, 550 - 14 * place, prose(draw, 8)) for place in range(draw.choice((0, 5, 20)))]
    info = draw.choice(("", "/Title (T) /Author (M)", "/Title <FEFF0041>", "/Title 5", "/Title [(a)]"))
    return made_files.pdf(*[lines] * draw.choice((1, 1, 3)), info=info, trailer=draw.choice(("", "", made_files.LOCKED, "/Prev 99999", "/Root 1 0 R")))


MAKERS = {".txt": _text, ".md": _text, ".html": _html, ".htm": _html, ".xhtml": _html, ".epub": _epub, ".docx": _docx, ".pdf": _pdf}


def _name(draw: Random) -> str:
    plain = draw.choice(("é", "e\u0301", "港口", "\u202egnp", "a\nb", "a\x1b[31mb", "-rf", " ", "con", "a" * 240, "$(ls)", "%s", "{x}", "\udcff", "a\\b", "..a", ".a",
                         "A", "a", "#", "\x7f", "\u200b"))  # fmt: skip
    return draw.choice((plain, unicodedata.normalize("NFD", plain), f"{plain} {plain}"[:200]))


def _put(draw: Random, folder: Path, name: str, data: bytes) -> None:
    """A file, or now and then what is none."""
    path, kind = folder / name, draw.random()
    if kind < 0.15 and draw.random() < 0.5:
        path = folder / draw.choice(("sub", "s\u202eub", "x.txt")) / name
    path.parent.mkdir(exist_ok=True)
    if path.exists() or path.is_symlink():
        return
    if kind < 0.93:
        path.write_bytes(data)
    elif kind < 0.95:
        path.mkdir()
    elif kind < 0.96:
        os.mkfifo(path)
    else:
        path.symlink_to(draw.choice(("nowhere", ".", "..", name, "/etc/hostname", "/")))


# params: the shipped parameters, changed


def parameters() -> Callable:
    _warm()
    return _parameters


def _parameters(draw: Random) -> None:
    Path("texts").mkdir()
    Path("texts/a.txt").write_text(prose(draw, 100))
    sections = copy.deepcopy(SHIPPED)
    sections["documents"] |= {"source": "folder", "path": "texts"}
    if draw.random() < 0.5:
        sections["llm"] |= {"model": "openai/toy", "api_base": "http://127.0.0.1:9/v1"}
    for section in draw.sample([name for name, value in sections.items() if value], 5):  # all parts alike, however large they are
        if draw.random() < 0.5:
            sections[section] = mutated(draw, sections[section])
    if draw.random() < 0.2:
        sections = mutated(draw, sections)
    out = io.StringIO()
    try:
        YAML(typ="safe", pure=True).dump(sections, out)
    except Exception:  # what YAML's writer can't say, JSON's may
        out = io.StringIO(as_json(sections).decode())
    text = out.getvalue()
    if draw.random() < 0.4:
        text = _as_text(draw, text)
    data = text.encode("utf-8", "surrogatepass")
    Path("params.yaml").write_bytes(spoilt(draw, data) if draw.random() < 0.2 else data)
    _forecast()


def _as_text(draw: Random, text: str) -> str:
    """What only the text of YAML can hold."""
    lines = text.split("\n")
    values = [place for place, line in enumerate(lines) if ": " in line] or [0]
    for _ in range(draw.choice((1, 2))):
        place = draw.choice(values)
        key = lines[place].partition(": ")[0]
        lines[place] = key + ": " + draw.choice((
            "!!python/object/apply:os.system [ls]", "!!binary aGk=", "!!binary %", "!!bool maybe", "!!int x", "!!float x", "!!timestamp 2023-02-30", "2023-02-30",
            "!!set {a}", "!!omap [a: 1]", "!!omap 1", "!x y", "*nowhere", "&a [*a]", "[", "{", "'", "0x1F", "0o17", "1_000", "1e3", ".inf", ".NaN", "~", "yes",
            "12:30:45", "|\n  a\n b", "? a", "!!str 1", "!!null x", "!!map []", "!!seq {}", "<<", "9" * 5_000, "- a", "\t", "\x00", "\ufffe", "%",
            deep(draw).decode()))  # fmt: skip
    if draw.random() < 0.2:
        lines.insert(draw.randrange(len(lines)), draw.choice(("<<: *a", "<<: {seed: 2}", "seed: 1", "---", "...", "%YAML 1.1", "%YAML 9.9", "%TAG ! x", "\ufeff")))
    return "\n".join(lines)


# server and key: a model behind a server of one's own


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
        self.reply = lambda request, key: (200, {}, b"")

    def handle_error(self, *_):
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, data = self.server.reply(body, self.headers.get("Authorization") or self.headers.get("x-api-key") or "")
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    do_GET = do_PUT = do_POST

    def log_message(self, *_):
        pass


USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": {"cached_tokens": 10}}
CHAT = {"id": "x", "object": "chat.completion", "created": 0, "model": "toy-0001", "usage": USAGE, "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": '{"summary": "Of Mira and Varn.", "entities": ["Mira", "Varn"]}'}}]}
VECTORS = {"object": "list", "model": "toy-0001", "usage": USAGE, "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]}
RATINGS = {"id": "x", "results": [{"index": 0, "relevance_score": 0.5}], "meta": {"billed_units": {"search_units": 1}}}
ANSWERS = {"chat": CHAT, "embeddings": VECTORS, "rerank": RATINGS}
WORDS_OF_SERVERS = ("billing", "insufficient_quota", "maximum context length is 10 tokens", "response_format is not supported", "Unsupported parameter: 'seed'",
                    "temperature does not support 0.7", "use 'max_completion_tokens'", "model is loading", "content policy", "\x1b[2J", "Input should be 'text'")  # fmt: skip
STATUSES = (200,) * 12 + (201, 204, 301, 302, 304, 307, 400, 400, 400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 425, 429, 451, 500, 500, 501, 502, 503, 504, 529, 599)
DOCUMENT = Document(id="varn-1", title="Varn", author=None, year=None, text="Mira Oldan lives in Varn. The Council of Varn met Mira.")


class _Asking:
    """Asks a server that can be told what to say, in one loop for all cases; waits cost no time."""

    def __init__(self):
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        self.server = _Server()
        self.runner = asyncio.Runner()
        stopping.Stop.pause = _no_pause
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        _warm(*(functools.partial(self._good, kind) for kind in ANSWERS))

    def _good(self, kind: str) -> None:
        self.server.reply = lambda request, key: (200, {}, as_json(ANSWERS[kind]))
        as_command(lambda: self.ask(kind, "openai/toy", self.url, Random(1)))

    def ask(self, kind: str, model: str, api_base: str | None, draw: Random) -> None:
        stopping._of.cache_clear()
        limits = params.Limits(**SHIPPED["limits"] | {"timeout": 3, "deadline": 6, "retries": draw.choice((0, 0, 1)), "input_usd_per_million": 1.0,
                                                      "output_usd_per_million": 2.0, "max_tokens": draw.choice((None, 10_000))})  # fmt: skip
        writer = params.Llm.model_construct(**SHIPPED["llm"] | {"model": model, "api_base": api_base})
        with Ledger("test", DOCUMENT.id) as ledger:
            self.runner.run(_asked(kind, writer, limits, ledger))
        cli.main(["spent"])
        cli.main(["ledger", "stats"])
        cli.main(["ledger", "verify"])


async def _no_pause(stop: stopping.Stop, seconds: float) -> None:
    stop.check()


async def _asked(kind: str, writer: params.Llm, limits: params.Limits, ledger: Ledger) -> None:
    about = {"limits": limits, "ledger": ledger, "document": DOCUMENT}
    try:
        if kind == "embeddings":
            found = params.Endpoint(model=writer.model, api_base=writer.api_base)
            await Embedder(model=found, section="retrieval.embedder", **about).embed(["Who is Mira?"])
        elif kind == "rerank":
            found = params.Endpoint(model=writer.model.replace("openai/", "cohere/"), api_base=writer.api_base)
            await Reranker(model=found, section="retrieval.reranker", **about).rerank("Who is Mira?", ["Mira is the keeper."])
        else:
            client = llm.Client(llm=writer, seed=1, **about)
            (_, call) = await client.ask("entities", attempts=2, check=parse, schema=Answer, max=5)
            call.as_record()
    except llm.NotAnswered as none:
        print(none)


def answers() -> Callable:
    os.environ["OPENAI_API_KEY"] = os.environ["COHERE_API_KEY"] = SECRET
    asking = _Asking()

    def case(draw: Random) -> None:
        kind = draw.choice(("chat", "chat", "chat", "embeddings", "rerank"))
        replies = [_reply(draw, ANSWERS[kind]) for _ in range(3)]
        asking.server.reply = lambda request, key: _told(replies[0] if len(replies) == 1 else replies.pop(0), key)
        as_command(lambda: asking.ask(kind, draw.choice(("openai/toy", "openai/gpt-4.1-mini")), asking.url, draw))

    return case


def _told(reply: tuple, key: str) -> tuple:
    """A server may say back the key that it got."""
    status, headers, data = reply
    return status, headers, data.replace(b"KEY", key.encode("utf-8", "replace"))


def _reply(draw: Random, good: dict) -> tuple[int, dict, bytes]:
    status, headers, kind = draw.choice(STATUSES), {}, draw.random()
    answer = mutated(draw, good) if kind < 0.6 else good
    if kind > 0.85 or status >= 400:
        word = draw.choice((*WORDS_OF_SERVERS, *TEXTS, "no such key: KEY"))
        answer = draw.choice(({"error": {"message": word, "code": junk(draw), "type": junk(draw)}}, {"error": word}, {"detail": [{"msg": word}]}, {"message": word}, word,
                              mutated(draw, {"error": {"message": word, "code": 1, "param": None}})))
    elif good is CHAT and kind > 0.6:
        answer = copy.deepcopy(good)
        answer["choices"][0]["message"]["content"] = draw.choice((
            prose(draw), *TEXTS, "```json\n{}\n```", '{"summary": 1, "entities": {}}', as_json({"summary": "S", "entities": [junk(draw), junk(draw)]}).decode(),
            as_json(mutated(draw, {"summary": "S.", "entities": ["Mira"]})).decode(), "<think>\n" + prose(draw), prose(draw) + "</think>{}", "[" * 5_000))
        answer["choices"][0]["finish_reason"] = draw.choice(("stop", "length", "error", "content_filter", None, "tool_calls", "x"))
    data = as_json(answer)
    if draw.random() < 0.1:
        data = draw.choice((b"", b"<html>KEY</html>", b"data: {}\n\ndata: [DONE]\n\n", b"\xff\xfe\x00", deep(draw), b"null", b"5", b'"x"', data[: len(data) // 2]))
    elif draw.random() < 0.1:
        data = spoilt(draw, data)
    if draw.random() < 0.2:
        headers = draw.choice(({"Retry-After": draw.choice(("x", "-1", "1e9", "9" * 400, "Wed, 99 Foo 2200", "", "Wed, 01 Jan 99999 00:00:00 GMT", "0", "nan"))},
                               {"Content-Type": draw.choice(("text/html", "text/event-stream", "", "x" * 3_000, "application/json; charset=bogus"))},
                               {"Content-Encoding": draw.choice(("gzip", "br", "x"))}, {"Location": "/v1/elsewhere"},
                               {"Content-Length": str(len(data) + draw.choice((-1, -3, 5)))}, {"Content-Length": None, "Transfer-Encoding": "chunked"}))
    return status, headers, data


NAMES = ("openai/toy", "anthropic/claude-sonnet-4-5", "mistral/mistral-small-latest", "groq/llama-3.1-8b-instant", "deepseek/deepseek-chat", "ollama/toy:1b",
         "ollama_chat/toy:1b", "huggingface/some/toy", "lemonade/toy", "hosted_vllm/toy", "azure/toy", "gemini/gemini-2.0-flash", "openrouter/some/toy", "together_ai/some/toy",
         "lm_studio/toy", "xinference/toy", "cohere/command-r", "frobnicate/toy", "openai/to y", "openai/tøy")  # fmt: skip


def key() -> Callable:
    asking = _Asking()

    def case(draw: Random) -> None:
        model, api_base = draw.choice(NAMES), asking.url
        variable = f"{model.split('/')[0].upper()}_API_KEY"
        os.environ[variable] = value = _key(draw)
        if draw.random() < 0.15:
            del os.environ[variable]
            api_base = draw.choice((asking.url, None))
        reply = _reply(draw, CHAT) if draw.random() < 0.4 else (draw.choice((200, 401, 403, 500)), {}, as_json(draw.choice((CHAT, {"error": {"message": "bad key KEY"}}))))
        asking.server.reply = lambda request, sent: _told(reply, sent)
        try:
            as_command(lambda: asking.ask("chat", model, api_base, draw))
        finally:
            os.environ.pop(variable, None)
        assert value

    return case


def _key(draw: Random) -> str:
    """A key as people paste it; what is secret in it is always the same."""
    around = ("\n", "\r\n", "\r", " ", "\t", '"', "'", "“", "”", "’", "Bearer ", "export KEY=", "\u200b", "\ufeff", "é", "港", "😀", "\udcff", "\x7f", "\x1b", "…", "sk-", "", "", "")
    return draw.choice(around) + SECRET + draw.choice((*around, "x" * 20_000)) + draw.choice(("", "", SECRET))


AREAS = {"documents": documents, "params": parameters, "key": key, "server": answers}
