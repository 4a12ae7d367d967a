#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_run.py WEBAPP: the sample app as a process, over HTTP on 127.0.0.1."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

WEBAPP = sys.argv[1]


class App:
    """A running webapp on a free port; its log, line by line."""

    def __init__(self, **env):
        env = {"PORT": "0", "DRAIN_DELAY": "0", "POD_NAME": "web-0", "APP_VERSION": "7", **env}
        sanitizers = {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
        self.process = subprocess.Popen([WEBAPP], env={**sanitizers, **env}, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.port = None
        self.port = self.log("listening")["port"]

    def log(self, message):
        """The next line of the log that says MESSAGE; lines are JSON or the test fails."""
        while True:
            line = self.process.stderr.readline()
            assert line, f"the log ended before {message!r}: {self.lines}"
            self.lines.append(line)
            entry = json.loads(line)
            if entry["msg"] == message:
                return entry

    def request(self, path, method="GET", body=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        connection.request(method, path, body=body)
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        return reply.status, text, reply.headers

    def get(self, path):
        return self.request(path)[:2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def in_background(function, *args):
    """Runs it in a thread; call the result to wait for what it returned."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)))
    thread.start()

    def result():
        thread.join()
        return results[0]

    return result


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "gave up waiting"
        time.sleep(0.01)


def test_routes():
    with App(APP_COLOR="blue", SECRET="hidden") as app:
        assert app.get("/") == (200, "Hello from web-0, version 7\n")
        assert app.get("/health/live") == (200, "ok\n")
        assert app.get("/health/ready") == (200, "ok\n")
        assert app.get("/env/APP_COLOR") == (200, "blue\n")
        assert app.get("/env/SECRET")[0] == 404
        assert app.get("/env/APP_NONE")[0] == 404
        assert app.get("/nothing")[0] == 404
        assert app.get("/slow?ms=1") == (200, "1 ms\n")
        assert app.get("/slow?ms=x")[0] == 400
        assert app.get("/burn?ms=1") == (200, "1 ms\n")
        assert app.get("/burn?ms=-1")[0] == 400
        status, _, headers = app.request("/", "POST", b"x" * 100000)
        assert (status, headers["Allow"]) == (405, "GET, HEAD")
        status, text, headers = app.request("/", "HEAD")
        assert (status, text) == (200, "") and headers["Content-Length"] == "28"


def test_metrics_count():
    with App() as app:
        for _ in range(3):
            app.get("/")
        text = app.get("/metrics")[1]
        assert 'webapp_requests_total{route="hello"} 3\n' in text
        assert 'webapp_requests_total{route="metrics"} 1\n' in text
        assert "webapp_requests_in_flight 1\n" in text
        assert "webapp_ready 1\n" in text


def test_a_slow_request_holds_up_nobody():
    with App() as app:
        connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=30)
        connection.request("GET", "/slow?ms=60000")
        wait_until(lambda: "webapp_requests_in_flight 2\n" in app.get("/metrics")[1])
        assert app.get("/health/live")[0] == 200
        connection.close()


def test_shutdown_finishes_open_requests():
    with App(DRAIN_DELAY="3600", DRAIN_TIMEOUT="60") as app:
        slow = in_background(app.request, "/slow?ms=1500")
        wait_until(lambda: "webapp_requests_in_flight 2\n" in app.get("/metrics")[1])
        app.process.send_signal(signal.SIGTERM)
        app.log("shutting down: not ready, still serving")
        # Traffic still comes in, and is served, while the endpoints forget us.
        assert app.get("/health/ready") == (503, "shutting down\n")
        status, _, headers = app.request("/")
        assert (status, headers["Connection"].lower()) == (200, "close")
        app.process.send_signal(signal.SIGTERM)
        app.log("no new connections; finishing open requests")
        try:
            app.get("/")
            raise AssertionError("it still takes connections")
        except ConnectionError:
            pass
        assert slow()[:2] == (200, "1500 ms\n")
        assert app.log("shut down")["inFlight"] == 0
        assert app.process.wait(10) == 0


def test_shutdown_gives_up_at_its_timeout():
    with App(DRAIN_TIMEOUT="1") as app:
        connection = http.client.HTTPConnection("127.0.0.1", app.port, timeout=30)
        connection.request("GET", "/slow?ms=60000")
        wait_until(lambda: "webapp_requests_in_flight 2\n" in app.get("/metrics")[1])
        app.process.send_signal(signal.SIGTERM)
        assert app.log("shut down by force")["inFlight"] == 1
        assert app.process.wait(10) == 1
        connection.close()


def test_a_second_signal_ends_the_delay():
    with App(DRAIN_DELAY="3600") as app:
        app.process.send_signal(signal.SIGTERM)
        app.log("shutting down: not ready, still serving")
        app.process.send_signal(signal.SIGTERM)
        app.log("shut down")
        assert app.process.wait(10) == 0


def test_bad_release():
    with App(FAIL_READY="1") as app:
        assert app.get("/health/ready") == (503, "not ready\n")
        assert app.get("/health/live")[0] == 200
        assert app.get("/")[0] == 200


def test_crash_loop():
    with App(EXIT_AFTER="0") as app:
        app.log("exiting because EXIT_AFTER says so")
        assert app.process.wait(10) == 1
    with App(EXIT_AFTER="3600") as app:
        app.process.send_signal(signal.SIGTERM)
        assert app.process.wait(10) == 0


def test_access_log():
    with App(ACCESS_LOG="1") as app:
        app.get('/nothing/"x"%0A')
        entry = app.log("request")
        assert (entry["method"], entry["path"], entry["status"]) == ("GET", '/nothing/"x"\n', 404)
    with App() as app:
        app.get("/")
        app.process.send_signal(signal.SIGTERM)
        app.log("shut down")
        assert not any('"request"' in line for line in app.lines)


def test_refuses_bad_settings():
    for name, value in (("PORT", "http"), ("PORT", "65536"), ("DRAIN_DELAY", "-1")):
        done = subprocess.run([WEBAPP], env={name: value}, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
        assert done.returncode == 2 and json.loads(done.stderr)["name"] == name


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    failures = 0
    for name, test in tests:
        try:
            test()
            print(f"ok {name}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failures += 1
            print(f"{__file__}:1:F:webapp:{name}:0: {type(error).__name__}: {error}", flush=True)
    # As Check's programs say it, for hack/test's count.
    percent = 100 * (len(tests) - failures) // len(tests)
    print(f"{percent}%: Checks: {len(tests)}, Failures: {failures}, Errors: 0")
    sys.exit(failures > 0)


main()
