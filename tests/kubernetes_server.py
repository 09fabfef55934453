"""An API server of Kubernetes on 127.0.0.1, as far as Snakemake's plugin needs one: it takes jobs, refuses what a real one would, and runs none."""

import json
from pathlib import Path

from loopback import Loopback, Replies

CONFIG = """apiVersion: v1
kind: Config
current-context: toy
clusters: [{{name: toy, cluster: {{server: "{url}"}}}}]
contexts: [{{name: toy, context: {{cluster: toy, user: toy}}}}]
users: [{{name: toy, user: {{token: toy}}}}]
"""


class Server(Loopback):
    """`jobs` are those that were submitted, as their JSON; when as many as are `expected` are there, all have failed."""

    def __init__(self, expected: int):
        super().__init__(Handler)
        self.jobs, self.expected = [], expected

    def config(self, path: Path) -> Path:
        path.write_text(CONFIG.format(url=f"http://127.0.0.1:{self.server_port}"))
        return path


class Handler(Replies):
    def do_POST(self):
        body = json.loads(self.body())
        if self.path.endswith("/jobs"):
            resources = body["spec"]["template"]["spec"]["containers"][0]["resources"]
            devices = {name: number for name, number in resources["requests"].items() if "/" in name}
            if any(resources.get("limits", {}).get(name) != number for name, number in devices.items()):
                return self.reply(422, {"message": "Limit must be set for non overcommitable resources"})
            self.server.jobs.append(body)
        return self.reply(201, body)

    def do_GET(self):
        failed = int(len(self.server.jobs) >= self.server.expected)
        self.reply(200, {"items": []} if "/pods" in self.path else {"status": {"failed": failed}})

    def do_DELETE(self):
        self.body()
        self.reply(200, {})
