#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Constant requests, and what became of each.

    with load(url, rate=100) as l:
        ...roll, drain, kill...
        l.wait_for_answers(50)
    l.assert_no_failures()

The client is this very file, run as a program: once on the host, whose way to a
Service leads through the control plane's kube-proxy, and where hack/cluster is
ours once in a node, with that node's kube-proxy. Each has its own processes and
its own connections, so that nothing a test does slows it down:

    half of its connections stay open from request to request,
    half are made for one request, and closed by the client after it.

It is an open loop: request number n is due n/rate after the start, whatever
became of those before it; connection k of K sends the numbers k, k+K, k+2K, ...,
and one that is late sends at once. Nothing is tried twice. Every request makes
one line, and the last line says how many there were: the reader counts both.

A connection that the server closed between two requests is noticed before the
next one is sent and made anew, as every HTTP client does. Closed in the very
moment of sending, it is a failure.
"""

import argparse
import collections
import contextlib
import http.client
import json
import pathlib
import select
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

WARM_UP = 30
TIMEOUT = 5  # for a connection, and for each wait for the server's words
CONNECTIONS_MAX = 200

# --- the client ---------------------------------------------------------------------


class Connection:
    """One of the client's connections, and all requests on it or its successors."""

    def __init__(self, target, keep, timeout):
        self.target, self.keep = target, keep
        self.http = http.client.HTTPConnection(target.hostname, target.port, timeout=timeout)
        self.peer = None  # what the last answer on this very connection said

    def ask(self):
        """One request; returns its outcome."""
        start = time.monotonic()
        outcome = {"at": start, "kept": self.is_open()}
        if not outcome["kept"]:
            self.close()
        else:
            outcome["peer"] = self.peer
        step = "connect"
        try:
            if not outcome["kept"]:
                self.bind()
            outcome["port"] = self.http.sock.getsockname()[1]
            if not outcome["kept"]:
                self.http.sock.connect((self.http.host, self.http.port))
            step = "send"
            self.http.request("GET", self.path(), headers={} if self.keep else {"Connection": "close"})
            step = "answer"
            reply = self.http.getresponse()
            step = "body"
            text = reply.read().decode(errors="replace").strip()
            outcome |= {"text": text} if reply.status == 200 else {"failed": "status", "why": f"{reply.status} {text}"}
            self.peer = text
        except (OSError, http.client.HTTPException) as error:
            outcome |= {"failed": kind_of(step, error), "why": f"{step}: {error!r}"}
            self.close()
        if not self.keep:
            self.close()
        outcome["took"] = time.monotonic() - start
        return outcome

    def bind(self):
        """A new socket, whose port is known before anybody answers."""
        self.http.sock = socket.socket()
        self.http.sock.settimeout(self.http.timeout)
        self.http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.http.sock.bind(("", 0))

    def path(self):
        return (self.target.path or "/") + (f"?{self.target.query}" if self.target.query else "")

    def is_open(self):
        """Whether the next request can go on the old connection: with anything to be read it cannot."""
        return self.http.sock is not None and not select.select([self.http.sock], [], [], 0)[0]

    def close(self):
        self.http.close()
        self.peer = None


def kind_of(step, error):
    if step == "connect":
        return "connect"
    if isinstance(error, TimeoutError):
        return "timeout"
    return "reset" if isinstance(error, OSError) else "protocol"


class Client:
    def __init__(self, url, rate, connections, timeout):
        self.rate, self.count = rate, connections
        target = urllib.parse.urlsplit(url)
        self.connections = [Connection(target, k % 2 == 0, timeout) for k in range(connections)]
        self.stop = threading.Event()
        self.sent = 0
        self.lock = threading.Lock()

    def warm_up(self):
        """Asks until the first answer; none of that counts. True if there was one."""
        deadline = time.monotonic() + WARM_UP
        while time.monotonic() < deadline:
            first = Connection(self.connections[0].target, False, 2).ask()
            if "failed" not in first:
                return True
            time.sleep(0.1)
        self.say({"never": first["why"]})
        return False

    def run(self):
        if not self.warm_up():
            return
        start = time.monotonic()
        threads = [threading.Thread(target=self.turn, args=(k, start)) for k in range(self.count)]
        for thread in threads:
            thread.start()
        sys.stdin.read()  # whoever started us says the end by closing it, or by dying
        self.stop.set()
        for thread in threads:
            thread.join()
        self.say({"sent": self.sent})

    def turn(self, k, start):
        number = k
        while not self.stop.wait(max(0, start + number / self.rate - time.monotonic())):
            with self.lock:
                self.sent += 1
            try:
                outcome = self.connections[k].ask()
            except Exception as error:  # a fault of ours is a failure too, never a missing line
                outcome = {"at": time.monotonic(), "took": 0, "kept": False, "failed": "client", "why": repr(error)}
            self.say({"n": number, **outcome})
            number += self.count

    def say(self, line):
        text = json.dumps(line) + "\n"
        with self.lock:
            sys.stdout.write(text)
            sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--timeout", type=float, default=TIMEOUT)
    options = parser.parse_args()
    Client(options.url, options.rate, options.connections, options.timeout).run()


# --- the reader ---------------------------------------------------------------------


class Load:
    """What the tests see of the clients. All times are time.monotonic()'s."""

    def __init__(self, url, rate, connections, prefixes, timeout):
        self.url = url
        self.answers, self.failures = [], []
        self.began = time.monotonic()
        self._lock = threading.Lock()
        self._marks = []
        self._words = {}  # each client's last line
        self._counted = collections.Counter()
        share = len(prefixes)
        self.connections = min(connections // share, CONNECTIONS_MAX)  # of each client
        command = [
            "/usr/bin/python3",
            str(pathlib.Path(__file__).resolve()),
            url,
            f"--rate={rate / share}",
            f"--connections={self.connections}",
            f"--timeout={timeout}",
        ]
        self._clients = {}
        for name, prefix in prefixes.items():
            self._clients[name] = subprocess.Popen(
                [*prefix, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        self._readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._clients]
        for reader in self._readers:
            reader.start()

    def _read(self, name):
        for text in self._clients[name].stdout:
            line = json.loads(text)
            with self._lock:
                if "n" not in line:
                    self._words[name] = line
                    continue
                line["via"] = name
                self._counted[name] += 1
                (self.failures if "failed" in line else self.answers).append(line)

    def stop(self):
        """Ends the clients. No request is under way any more when this returns, and each is counted."""
        for client in self._clients.values():
            with contextlib.suppress(BrokenPipeError):
                client.stdin.close()
        for client in self._clients.values():
            try:
                client.wait(90)  # as long as the slowest answer may take
            finally:
                client.kill()
        for reader in self._readers:
            reader.join(10)
        counted = {name: self._counted[name] for name in self._clients}
        sent = {name: self._words[name].get("sent") for name in self._clients}
        assert sent == counted, f"requests sent: {sent}, lines read: {counted}"

    def mark(self, what):
        """Notes that something begins now; failures are told together with it."""
        self._marks.append((time.monotonic(), what))

    def marks(self):
        return [f"{at - self.began:.3f} {what}" for at, what in self._marks]

    def texts(self):
        """What was answered, in the order of asking."""
        with self._lock:
            found = sorted(self.answers, key=lambda one: one["at"])
        return [one["text"] for one in found]

    def wait_for_answers(self, count=50, timeout=30):
        """Until so many more requests that begin from now on were answered, on each way."""
        now = time.monotonic()
        deadline = now + timeout
        while time.monotonic() < deadline:
            with self._lock:
                ways = collections.Counter(one["via"] for one in self.answers if one["at"] >= now)
            if all(ways[name] >= count for name in self._clients):
                return
            dead = [name for name, client in self._clients.items() if client.poll() is not None]
            assert not dead, f"the load client of {dead} ended by itself: {self._words}"
            time.sleep(0.05)
        raise AssertionError(f"gave up after {timeout} s waiting for {count} answers each; {self.summary()}")

    def wait_for_quiet(self, count, timeout=60):
        """Until every connection has had COUNT answers since its last failure, so that nothing that
        was asked before is still open; returns the end of the last failure, or 0."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with self._lock:
                done = sorted(self.answers + self.failures, key=lambda one: one["at"])
            good = {(name, k): 0 for name in self._clients for k in range(self.connections)}
            for one in done:
                k = one["via"], one["n"] % self.connections
                good[k] = 0 if "failed" in one else good[k] + 1
            if min(good.values()) >= count:
                return max((one["at"] + one["took"] for one in done if "failed" in one), default=0)
            time.sleep(0.2)
        raise AssertionError(f"requests still fail after {timeout} s; {self.summary()}\n{self.story()}")

    def summary(self):
        with self._lock:
            took = sorted(one["took"] for one in self.answers) or [0]
            kept = sum(one["kept"] for one in self.answers)
            kinds = collections.Counter(one["failed"] for one in self.failures)
            total = len(self.answers) + len(self.failures)
        return (
            f"{total} requests, {len(self.failures)} failed {dict(kinds) or ''}, {kept} on kept connections, "
            f"p50 {took[len(took) // 2] * 1000:.1f} ms, p99 {took[len(took) * 99 // 100] * 1000:.1f} ms, "
            f"longest {took[-1] * 1000:.0f} ms"
        )

    def story(self, most=40):
        """The failures and the marks, in the order of time."""
        events = [(at, f"--- {what}") for at, what in self._marks]
        for one in sorted(self.failures, key=lambda one: one["at"])[:most]:
            how = f"kept, last answer {one.get('peer')!r}" if one["kept"] else "new"
            words = f"{one['failed']} via {one['via']} ({how}, {one['took']:.3f} s, port {one.get('port')}): {one['why']}"
            events.append((one["at"], words))
        return "\n".join(f"{at - self.began:8.3f} s  {what}" for at, what in sorted(events))

    def assert_no_failures(self):
        assert self.answers and not self.failures, f"{self.summary()}\n{self.story()}"


@contextlib.contextmanager
def load(url, rate=100, connections=40, prefixes=None, timeout=TIMEOUT):
    """Asks URL RATE times a second meanwhile, over CONNECTIONS connections. PREFIXES are the ways:
    a name for each, and the words before the client's command, such as those that enter a node.
    All of them answer before this begins."""
    running = Load(url, rate, connections, prefixes or {"host": []}, timeout)
    try:
        running.wait_for_answers(1, WARM_UP + 10)
        yield running
    finally:
        running.stop()
        print(f"{url}: {running.summary()}\n{running.story()}")


def in_node(node):
    """The way from inside a node of hack/cluster, for PREFIXES."""
    return [str(pathlib.Path(__file__).resolve().parents[2] / "hack" / "cluster"), "exec", node]


if __name__ == "__main__":
    main()
