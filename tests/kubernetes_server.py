"""An API server of Kubernetes on 127.0.0.1, as far as Snakemake's plugin needs one: it takes jobs, refuses what a real one would, and runs none."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIG = """apiVersion: v1
kind: Config
current-context: toy
clusters: [{{name: toy, cluster: {{server: "{url}"}}}}]
contexts: [{{name: toy, context: {{cluster: toy, user: toy}}}}]
users: [{{name: toy, user: {{token: toy}}}}]
"""


class Server(ThreadingHTTPServer):
    """`jobs` are those that were submitted, as their JSON; when as many as are `expected` are there, all have failed."""

    def __init__(self, expected: int):
        super().__init__(("127.0.0.1", 0), Handler)
        self.jobs, self.expected = [], expected
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def config(self, path: Path) -> Path:
        path.write_text(CONFIG.format(url=f"http://127.0.0.1:{self.server_port}"))
        return path


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/jobs"):
            resources = body["spec"]["template"]["spec"]["containers"][0]["resources"]
            devices = {name: number for name, number in resources["requests"].items() if "/" in name}
            if any(resources.get("limits", {}).get(name) != number for name, number in devices.items()):
                return self._reply(422, {"message": "Limit must be set for non overcommitable resources"})
            self.server.jobs.append(body)
        return self._reply(201, body)

    def do_GET(self):
        failed = int(len(self.server.jobs) >= self.server.expected)
        self._reply(200, {"items": []} if "/pods" in self.path else {"status": {"failed": failed}})

    def do_DELETE(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._reply(200, {})

    def _reply(self, status: int, value: dict) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass
