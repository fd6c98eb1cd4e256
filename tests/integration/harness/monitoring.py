# SPDX-License-Identifier: Apache-2.0
"""Debian's Prometheus and Alertmanager, and promtool."""
import json
import subprocess
from pathlib import Path
from urllib.parse import quote

from . import client, paths
from .process import Process, free_port, wait_until


class _Server:
    def __init__(self, scratch, name):
        self.folder = Path(scratch) / name
        self.folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _start(self, argv):
        self.process = Process(argv, self.folder / "output.log", cwd=self.folder)

        def ready():
            if not self.process.alive:
                raise AssertionError(self.process.read_output())
            try:
                return client.send(self.port, path="/-/ready", timeout=2).status == 200
            except OSError:
                return False

        wait_until(ready, 30, lambda: f"{argv[0]} is ready\n{self.process.read_output()}")
        return self

    def stop(self):
        if self.process:
            self.process.stop()
            self.process = None

    def get_json(self, path):
        return client.send(self.port, path=path).json()


class Prometheus(_Server):
    """Scrapes the given targets ("127.0.0.1:9860") every second."""

    def __init__(self, scratch, targets, rules=None):
        super().__init__(scratch, "prometheus")
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "scrape_configs": [{"job_name": "mcpauth", "static_configs": [{"targets": list(targets)}]}]}
        if rules:
            config["rule_files"] = [str(rules)]
        self.config = self.folder / "prometheus.json"  # JSON is YAML
        self.config.write_text(json.dumps(config))

    def start(self):
        return self._start([paths.need("prometheus"), f"--config.file={self.config}", f"--storage.tsdb.path={self.folder}/data",
                            f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"])

    def query(self, expression):
        """[(labels, number)]."""
        found = self.get_json("/api/v1/query?query=" + quote(expression))
        assert found["status"] == "success", found
        return [(r["metric"], float(r["value"][1])) for r in found["data"]["result"]]


class Alertmanager(_Server):
    def __init__(self, scratch):
        super().__init__(scratch, "alertmanager")
        self.config = self.folder / "alertmanager.json"
        self.config.write_text(json.dumps({"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}))

    def start(self):
        return self._start([paths.need("prometheus-alertmanager"), f"--config.file={self.config}", f"--storage.path={self.folder}/data",
                            f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", "--log.level=warn"])

    def alerts(self, name=None):
        found = self.get_json("/api/v2/alerts")
        return [a for a in found if name is None or a["labels"].get("alertname") == name]


def promtool_check(text):
    """(exit status, output) of `promtool check metrics` over this exposition; 0 and nothing said is a clean one."""
    done = subprocess.run([paths.need("promtool"), "check", "metrics"], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.returncode, done.stdout
