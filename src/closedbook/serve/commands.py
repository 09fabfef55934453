"""closedbook serve, ask and chat on the command line."""

from closedbook import layout
from closedbook.util import terminal

LOCAL = "127.0.0.1"


def add(commands) -> None:
    serve = commands.add_parser("serve", help="one local page: chat, what stands behind an answer, lineage, passages, report")
    serve.add_argument("--run", nargs="+", default=[], metavar="NAME", help="the models to talk to: base, runs, assistants (all)")
    serve.add_argument("--port", type=int, default=layout.PORT, metavar="N", help=f"({layout.PORT})")
    serve.add_argument("--host", default=LOCAL, metavar="ADDRESS", help=f"({LOCAL}) another one can be reached from outside, with a token")
    _add_server(serve)
    serve.set_defaults(command=_serve)
    ask = terminal.question(commands, "ask", "what the base and a run answer, side by side, and the passages nearest to it", "closedbook.serve.ask")
    ask.add_argument("run", metavar="RUN", help="a run, an arm that has just one, or an assistant")
    ask.add_argument("question")
    _add_settings(ask)
    chat = commands.add_parser("chat", help="a conversation in the terminal")
    chat.add_argument("name", nargs="?", metavar="NAME", help="a run, an assistant or base (an assistant, else the run that scored best)")
    _add_settings(chat)
    _add_server(chat)
    chat.set_defaults(command=_chat)


def _add_server(command) -> None:
    command.add_argument("--api-base", metavar="URL", help="the models of a server that speaks OpenAI's protocol too, as http://localhost:8000/v1")
    command.add_argument("--api-model", nargs="+", default=[], metavar="NAME", help="which of them, where the server does not list them")


def _add_settings(command) -> None:
    command.add_argument("--system", default="", metavar="TEXT", help="a system prompt")
    command.add_argument("--temperature", type=float, default=0.0, metavar="T", help="0 to 2 (0: the likeliest token each time)")
    command.add_argument("--max-tokens", type=int, default=256, metavar="N", help="of an answer (256)")
    command.add_argument("--seed", type=int, default=1, metavar="N", help="(1)")


def _serve(options) -> None:
    from closedbook.serve import serving

    serving.serve(options)


def _chat(options) -> None:
    from closedbook.serve import chat

    chat.converse(options)
