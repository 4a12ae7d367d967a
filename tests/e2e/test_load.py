# SPDX-License-Identifier: Apache-2.0
"""The load client itself, against a server whose every deed is known."""

import socket
import struct
import threading
import time

import pytest

from load import load

REPLY = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"


class Server:
    """Answers as BEHAVE(n) says for the n-th request, and counts: an answer's bytes, or one of

    None (reset), "hang" (never answers), "cut" (half an answer)."""

    def __init__(self, behave):
        self.behave = behave
        self.requests = self.connections = 0
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end.set()
        self.refuse()

    def refuse(self):
        """From now on nobody listens."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            while connection.recv(65536):
                with self._lock:
                    self.requests += 1
                    n = self.requests
                what = self.behave(n)
                if what == "hang":
                    self._end.wait()
                    return
                if what is None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if what == "cut":
                    connection.sendall(REPLY % (b"200 OK", 10, b"", b"12345"))
                    return
                connection.sendall(what)
                if b"close" in what:
                    return


def answer(text=b"ok", status=b"200 OK", headers=b""):
    return REPLY % (status, len(text), headers, text)


def every(count, otherwise):
    """Well behaved but for each COUNT-th request (the first one is the warm-up)."""
    return lambda n: answer() if n == 1 or n % count else otherwise


def test_every_request_is_counted_once():
    with Server(lambda n: answer(b"%d" % n)) as server:
        with load(server.url, rate=200, connections=10) as l:
            l.wait_for_answers(200)
        l.assert_no_failures()
        # The first was the warm-up.
        assert len(l.answers) == server.requests - 1
        assert {int(text) for text in l.texts()} == set(range(2, server.requests + 1))
        kept = [one for one in l.answers if one["kept"]]
        assert len(l.answers) / 2 - 10 <= len(kept) <= len(l.answers) / 2 + 10
        assert server.connections == 1 + len(l.answers) - len(kept)


def test_rate_is_kept_while_some_hang():
    with Server(every(10, "hang")) as server:
        with load(server.url, rate=100, connections=40, timeout=2) as l:
            l.wait_for_answers(500)
        numbers = [one["n"] for one in l.answers + l.failures]
        # At the end some are behind, those that have just waited for nothing.
        assert len(numbers) == len(set(numbers)) and set(range(120)) <= set(numbers)
        assert {one["failed"] for one in l.failures} == {"timeout"}
        assert len(l.failures) == server.requests // 10


@pytest.mark.parametrize(
    ("otherwise", "kind"),
    [
        (None, "reset"),
        ("cut", "protocol"),
        (b"nonsense\r\n\r\n", "protocol"),
        (answer(status=b"503 Service Unavailable"), "status"),
        (answer(status=b"404 Not Found"), "status"),
        (answer(status=b"302 Found", headers=b"Location: /\r\n"), "status"),
    ],
    ids=["reset", "cut", "nonsense", "503", "404", "302"],
)
def test_each_failure_is_counted_and_none_is_tried_again(otherwise, kind):
    with Server(every(7, otherwise)) as server:
        with load(server.url, rate=300, connections=10) as l:
            l.wait_for_answers(150)
        assert len(l.failures) == server.requests // 7
        assert len(l.answers) + len(l.failures) == server.requests - 1
        assert {one["failed"] for one in l.failures} == {kind}
        with pytest.raises(AssertionError, match=f"{len(l.failures)} failed"):
            l.assert_no_failures()


def test_connection_that_was_closed_in_time_is_no_failure():
    with Server(every(3, answer(headers=b"Connection: close\r\n"))) as server:
        with load(server.url, rate=200, connections=10) as l:
            l.wait_for_answers(150)
        l.assert_no_failures()
        assert len(l.answers) == server.requests - 1


def test_quiet_is_when_no_failure_is_under_way_any_more():
    with Server(lambda n: "hang" if 20 <= n < 40 else answer()) as server:
        with load(server.url, rate=100, connections=40, timeout=4) as l:
            l.wait_for_answers(10)
            quiet = l.wait_for_quiet(2)
            seen = len(l.failures)
        assert seen == len(l.failures) == 20
        assert quiet == max(one["at"] + one["took"] for one in l.failures)


def since(start, outcomes):
    return [one for one in outcomes if one["at"] >= start]


def test_nobody_listens():
    with Server(lambda n: answer()) as server:
        with load(server.url, rate=100, connections=10) as l:
            l.wait_for_answers(20)
            l.mark("no more listening")
            server.refuse()
            gone = time.monotonic()
            # Those that were not accepted any more are reset.
            while len(since(gone, l.failures)) < 20:
                threading.Event().wait(0.05)
        assert {one["failed"] for one in since(gone, l.failures)} == {"connect"}
        # Connections that are open are as good as ever.
        assert not any(one["kept"] for one in l.failures)
        assert l.story().index("no more listening") < l.story().index("ConnectionRefusedError")
