# SPDX-License-Identifier: Apache-2.0
"""The operator under test: a process, what it costs and what it says of itself."""

import atexit
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time

REQUEST = re.compile(r'^rest_client_requests_total\{.*code="([^"]*)".*method="([A-Z]+)".*\} (\d+)', re.M)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Operator:
    """Started when made. All times are seconds, all memory KiB."""

    def __init__(self, program, namespace, log, wrapper=()):
        self.peak, port = 0, free_port()
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*wrapper, program, "operator", "--listen", f"127.0.0.1:{port}", "--namespace", namespace,
             "--lease-namespace", namespace], stdout=subprocess.DEVNULL, stderr=log)
        atexit.register(self.process.kill)
        self.pid = self.process.pid
        self.web = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while True:
            try:
                self.web.connect()
                break
            except OSError:
                self.check_alive(60)
                time.sleep(0.0005)

    def check_alive(self, seconds):
        if self.process.poll() is not None or time.monotonic() - self.began > seconds:
            raise RuntimeError("the operator ended or does not get ready")

    def get(self, where):
        try:
            self.web.request("GET", where)
            reply = self.web.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):
            self.web.close()  # it does not keep idle connections for long
            self.web.request("GET", where)
            reply = self.web.getresponse()
        return reply.status, reply.read().decode()

    def cpu(self):
        """To the microsecond, of all its threads."""
        total = 0
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def memory(self, field="RssAnon"):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            kib = int(re.search(field + r":\s+(\d+)", f.read())[1])
        if field == "RssAnon":
            self.peak = max(self.peak, kib)
        return kib

    def requests(self):
        """{"PATCH 200": N, …}. The Lease alone is written by PUT."""
        counts = {}
        for code, method, n in REQUEST.findall(self.get("/metrics")[1]):
            counts[f"{method} {code}"] = counts.get(f"{method} {code}", 0) + int(n)
        return counts

    def writes(self):
        """But for the Lease."""
        return sum(n for key, n in self.requests().items() if key.split()[0] in ("PATCH", "POST", "DELETE"))

    def state(self):
        return json.loads(self.get("/debug/state")[1])

    def wait_ready(self):
        """Seconds from its start until it says that it is ready."""
        while self.get("/readyz")[0] != 200:
            self.check_alive(60)
            time.sleep(0.0005)
        return time.monotonic() - self.began

    def wait_quiet(self, objects, progress=lambda state: None, every=0.005, timeout=900):
        """Until it holds so many objects, knows nothing to do, and has not for three
        looks in a row. Returns the seconds from its start to the first of them, and
        the processor time it had used by then."""
        quiet, deadline = [], time.monotonic() + timeout
        while len(quiet) < 3:
            state = self.state()
            self.memory()
            held = sum(kind["objects"] for kind in state["cache"].values())
            idle = state["reconciling"] and not state["queue"]["ready"] + state["queue"]["active"]
            if idle and held >= objects:
                quiet.append((time.monotonic() - self.began, self.cpu()))
            else:
                quiet = []
            progress(state)
            if time.monotonic() > deadline:
                raise RuntimeError(f"the operator did not come to rest: {state}")
            time.sleep(every)
        return quiet[0]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
