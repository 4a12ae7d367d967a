#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of a Redis that write all the time and note each acknowledgement.

    with Recording(way, config) as recording:
        ...kill, cut, drain...
    recording.outage(since)

The client is this very file, run as a program wherever WAY leads, such as into a node whose
kube-proxy it then uses. CONFIG says where to and as whom (see Client). Some threads write
keys with a running number, each as fast as answers come but for a pause:

    ACKNOWLEDGED  key  sent  answered  life of the server

Others keep sessions: they write one, read it back and write it again, and tell what a session
store must never do. A thread that has an error connects again at once. Times are those of
time.monotonic(), which is one clock for the whole machine; a server's life is its run_id, so
it is seen who answered, wherever an address led.
"""

import contextlib
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

CHUNK = 500  # keys asked for at once
SESSIONS = 20  # of each thread that keeps some
SAID_MAX = 200  # errors told of by each thread
WARM_UP = 60
# What goes wrong with a session.
GONE, STALE, BACK = "gone", "stale", "back"

# --- the client ---------------------------------------------------------------------


class Refused(RuntimeError):
    """An answer that is an error."""


class Server:
    """One connection, in the few words of RESP that are needed."""

    def __init__(self, address, timeout, tls=None, name=None):
        self.socket = socket.create_connection(address, timeout)
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                self.socket = tls.wrap_socket(self.socket, server_hostname=name)
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        words = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self._read()

    def _read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode())
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2].decode() if int(rest) >= 0 else None
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest.decode()

    def info(self, section):
        lines = [line.partition(":") for line in self.ask("INFO", section).splitlines()]
        return {name: value for name, _, value in lines}

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def connect(config):
    """To whom CONFIG leads: an address, or the primary that the Sentinels tell of."""
    timeout = config["timeout"]
    address = config.get("address") or ask_sentinels(config, timeout)
    tls = ssl.create_default_context(cadata=config["ca"]) if config.get("ca") else None
    server = Server(tuple(address), timeout, tls, config.get("name"))
    try:
        if config.get("password"):
            server.ask("AUTH", "default", config["password"])
        if not config.get("address") and server.info("replication")["role"] != "master":
            raise ConnectionError("no primary any more")
        return server
    except BaseException:
        server.close()
        raise


def ask_sentinels(config, timeout):
    """The first one that answers is the first to be asked next time."""
    for sentinel in config["sentinels"]:
        try:
            with Server(tuple(sentinel), timeout) as server:
                found = server.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", config["master"])
            config["sentinels"] = [sentinel] + [other for other in config["sentinels"] if other != sentinel]
            return found
        except (OSError, Refused):
            pass
    raise ConnectionError("no Sentinel answers")


class Writer(threading.Thread):
    """Writes a new key each time."""

    def __init__(self, client, number):
        super().__init__(daemon=True)
        self.client, self.number, self.said, self.last = client, number, 0, 0
        self.server = self.life = None

    def run(self):
        while not self.client.ending.wait(self.client.pause):
            try:
                self.server = self.server or self.begin()
                self.turn()
            except (OSError, Refused) as error:
                self.fail(error)
                self.end()

    def begin(self):
        server = connect(self.client.config)
        try:
            self.life = server.info("server")["run_id"][:8]
            return server
        except BaseException:
            server.close()
            raise

    def end(self):
        if self.server:
            self.server.close()
        self.server = None

    def turn(self):
        n = self.next_number()
        self.write(f"{self.client.label}:{self.number}:{n}", n)

    def next_number(self):
        """None is used twice, whatever became of it."""
        self.last += 1
        return self.last

    def write(self, key, value):
        sent = time.monotonic()
        self.server.ask("SET", key, value)
        self.client.say("ack", key, sent, time.monotonic(), self.life)

    def fail(self, error):
        self.said += 1
        if self.said <= SAID_MAX:
            self.client.say("error", self.number, time.monotonic(), f"{type(error).__name__}: {error}"[:200])


class Keeper(Writer):
    """Keeps sessions, each a version that only rises."""

    def __init__(self, client, number):
        super().__init__(client, number)
        self.versions = [0] * SESSIONS
        self.known = {}  # session: the version that was acknowledged last, and in whose life

    def turn(self):
        session = self.next_number() % SESSIONS
        key = f"{self.client.label}:session:{self.number}:{session}"
        self.versions[session] += 1
        self.server.ask("SET", key, self.versions[session])
        self.known[session] = self.versions[session], self.life
        self.look(key, session)

    def look(self, key, session):
        """A write without an answer may be there, and makes a version newer than what is known."""
        version, life = self.known[session]
        found = self.server.ask("GET", key)
        if found is None:
            self.tell(GONE, key)
        elif int(found) < version:
            self.tell(STALE if life == self.life else BACK, key)

    def tell(self, what, key):
        self.client.say("session", what, key, time.monotonic())


class Client:
    """CONFIG: "address" and "name" (of the certificate), or "sentinels" and "master"; "ca", "password";
    "label" of all keys; "writers" and "keepers", how many threads; "pause" and "timeout", in seconds."""

    def __init__(self, config):
        self.config, self.label, self.pause = config, config["label"], config["pause"]
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.told = 0
        kinds = [Writer] * config["writers"] + [Keeper] * config["keepers"]
        self.threads = [kind(self, number) for number, kind in enumerate(kinds)]

    def say(self, *line):
        text = json.dumps(line) + "\n"
        with self.lock:
            self.told += 1
            sys.stdout.write(text)
            sys.stdout.flush()

    def run(self):
        for thread in self.threads:
            thread.start()
        sys.stdin.read()  # whoever started us says the end by closing it, or by dying
        self.ending.set()
        for thread in self.threads:
            thread.join()
        self.say("end", self.told)


# --- the reader ---------------------------------------------------------------------


class Recording:
    """What became of the writes of one client."""

    def __init__(self, way, config):
        self.config = {"timeout": 0.5, "pause": 0.008, "writers": 4, "keepers": 1, **config}
        self.acknowledged = []  # (key, sent, answered, life)
        self.errors = []  # (thread, when, what)
        self.sessions = []  # (what, key, when)
        self.told, self.said = 0, None
        command = [*way, "/usr/bin/python3", str(pathlib.Path(__file__).resolve())]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps(self.config) + "\n")
        self.process.stdin.flush()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        kept = {"ack": self.acknowledged, "error": self.errors, "session": self.sessions}
        for text in self.process.stdout:
            kind, *line = json.loads(text)
            if kind == "end":
                self.said = line[0]
                return
            self.told += 1
            kept[kind].append(tuple(line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """No write is under way any more when this returns. A client that went with its node has said no end."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
        self.reader.join(10)
        assert self.said in (None, self.told), f"{self.said} lines told, {self.told} read"

    def wait_for_writes(self, timeout=WARM_UP):
        """Until each of the writing threads has had an answer to what it sends from now on."""
        since = time.monotonic()

        def answered():
            return {key.split(":")[1] for key, sent, _, _ in self._from(since) if sent >= since}

        self._wait(lambda: len(answered()) == self.config["writers"], timeout, "an answer to each writer")

    def wait_for_life(self, others, timeout=WARM_UP):
        """Until a server acknowledges that is none of OTHERS."""
        self._wait(lambda: self.acknowledged and self.acknowledged[-1][3] not in others, timeout, "another primary")

    def _wait(self, predicate, timeout, what):
        deadline = time.monotonic() + timeout
        while not predicate():
            assert self.process.poll() is None, f"the client ended by itself; {self.errors[-3:]}"
            assert time.monotonic() < deadline, f"gave up after {timeout} s waiting for {what}; {self.errors[-3:]}"
            time.sleep(0.02)

    def _from(self, since):
        """What was answered from then on, without looking at all that was before."""
        found = []
        for one in reversed(list(self.acknowledged)):
            if one[2] < since:
                break
            found.append(one)
        return found

    def life(self):
        """The run_id of who answered last."""
        return self.acknowledged[-1][3]

    def outage(self, since):
        """The longest time without an acknowledged write, and when it began."""
        times = [since, *sorted(answered for _, _, answered, _ in self.acknowledged if answered >= since)]
        return max(((b - a, a) for a, b in zip(times, times[1:])), default=(0, since))

    def count(self, what):
        return len({key for kind, key, _ in self.sessions if kind == what})


def lives(*recordings):
    """{life: (first answer, sending of the last write that was acknowledged)}, in the order of time."""
    found = {}
    for _, sent, answered, life in (one for r in recordings for one in r.acknowledged):
        first, last = found.get(life, (answered, sent))
        found[life] = min(first, answered), max(last, sent)
    return dict(sorted(found.items(), key=lambda item: item[1]))


def overlap(*recordings):
    """How long two servers took writes at one time: from an answer of the one to the sending of
    a write that the other acknowledged. So no delay between a server and us counts."""
    spans = list(lives(*recordings).values())
    return sum(max(0, min(a[1], b[1]) - max(a[0], b[0])) for i, a in enumerate(spans) for b in spans[i + 1 :])


def missing(config, keys, timeout=30):
    """Those of KEYS that are not there."""
    keys, found = list(keys), []
    with connect({"timeout": timeout, **config}) as server:
        for i in range(0, len(keys), CHUNK):
            some = keys[i : i + CHUNK]
            found += [key for key, value in zip(some, server.ask("MGET", *some)) if value is None]
    return found


def delete(config, keys, timeout=30):
    keys = list(keys)
    with connect({"timeout": timeout, **config}) as server:
        for i in range(0, len(keys), CHUNK):
            server.ask("UNLINK", *keys[i : i + CHUNK])


if __name__ == "__main__":
    Client(json.loads(sys.stdin.readline())).run()
