#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_run.py WEBAPP: the sample app as a process, over HTTP on 127.0.0.1."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
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


def test_bad_release_is_that_of_one_version():
    with App(FAIL_READY="1", EXIT_AFTER="0", BAD_VERSION="8") as app:
        assert app.get("/health/ready") == (200, "ok\n")
    with App(FAIL_READY="1", BAD_VERSION="7") as app:
        assert app.get("/health/ready") == (503, "not ready\n")


def fnv(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return f"{h:016x}"


class Volume:
    """A folder that changes as a ConfigMap's volume does: all files at once."""

    def __init__(self, folder, **files):
        self.folder, self.age = folder, 0
        self.write(**files)

    def write(self, **files):
        self.age += 1
        data = os.path.join(self.folder, f"..{self.age}")
        os.mkdir(data)
        for name, text in files.items():
            with open(os.path.join(data, name), "w", encoding="utf-8") as file:
                file.write(text)
            if not os.path.islink(os.path.join(self.folder, name)):
                os.symlink(os.path.join("..data", name), os.path.join(self.folder, name))
        os.symlink(f"..{self.age}", os.path.join(self.folder, "..new"))
        os.rename(os.path.join(self.folder, "..new"), os.path.join(self.folder, "..data"))


def test_settings_files_are_read_again_with_a_signal():
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        volume = Volume(one, color="blue\n", limit="10")
        with open(os.path.join(two, "color"), "w", encoding="utf-8") as file:
            file.write("hidden by the first")
        with open(os.path.join(two, "key"), "w", encoding="utf-8") as file:
            file.write("x" * 65536)
        os.mkdir(os.path.join(two, "folder"))
        with App(CONFIG_DIRS=f"{one}:{two}") as app:
            expected = [f"color 4 {fnv('blue')}", f"key 65536 {fnv('x' * 65536)}", f"limit 2 {fnv('10')}"]
            assert app.get("/config")[1].splitlines() == ["loads 1", *expected]
            assert app.get("/config/color") == (200, "blue\n")
            assert app.get("/config/key") == (200, "x" * 65536 + "\n")
            assert app.get("/config/folder")[0] == 404
            volume.write(color="green", limit="11")
            assert app.get("/config/color") == (200, "blue\n")
            app.process.send_signal(signal.SIGHUP)
            app.log("settings files read")
            assert app.get("/config/color") == (200, "green\n")
            assert app.get("/config")[1].startswith("loads 2\n")
            # One that fails changes nothing.
            volume.write(color="x" * 65537, limit="12")
            app.process.send_signal(signal.SIGHUP)
            assert app.log("cannot read the settings files")["path"] == f"{one}/color"
            assert app.get("/config/limit") == (200, "11\n")
            volume.write(color="green", fail="ready")
            app.process.send_signal(signal.SIGHUP)
            app.log("settings files read")
            assert app.get("/health/ready") == (503, "not ready\n")
            volume.write(color="green", fail="no")
            app.process.send_signal(signal.SIGHUP)
            app.log("settings files read")
            assert app.get("/health/ready")[0] == 200


def test_bad_settings_files_end_it_at_the_start():
    with tempfile.TemporaryDirectory() as folder:
        Volume(folder, fail="start")
        for folders, code in ((folder, 1), (f"{folder}/none", 2)):
            env = {"PORT": "0", "CONFIG_DIRS": folders}
            done = subprocess.run([WEBAPP], env=env, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
            assert done.returncode == code, done.stderr


def test_reload_does_not_end_the_drain():
    with App(DRAIN_DELAY="3600") as app:
        app.process.send_signal(signal.SIGTERM)
        app.log("shutting down: not ready, still serving")
        app.process.send_signal(signal.SIGHUP)
        app.log("settings files read")
        assert app.get("/health/live")[0] == 200
        app.process.send_signal(signal.SIGTERM)
        app.log("shut down")


def test_start_can_take_a_while():
    start = time.monotonic()
    with App(START_DELAY="1"):
        assert time.monotonic() - start >= 1
    env = {"PORT": "0", "START_DELAY": "3600"}
    with subprocess.Popen([WEBAPP], env=env, stderr=subprocess.PIPE, text=True) as process:
        process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


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
