#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All that the webhook asks of the kernel from its first moment to its last, while it is
asked for verdicts and conversions, good and bad, and its certificate changes: it starts no
process, opens no connection and writes no file. It has no token, since it has read none.

usage: test_pure.py KEELSON_V2
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

import test_webhook
from test_convert import conversion, one
from test_webhook import Case
from webhook import APP, PATIENCE, post, review

BINARY = ""
# What makes a process, or changes what outlives it; "?" where a machine may not have it.
FORBIDDEN = """execve execveat ?fork ?vfork clone ?clone3 connect ?creat ?unlink unlinkat ?rename ?renameat ?renameat2
    ?mkdir mkdirat ?rmdir ?link linkat ?symlink symlinkat truncate ftruncate fallocate ?mknod mknodat ?chmod fchmod
    fchmodat ?chown fchown fchownat ?utimensat setxattr fsetxattr mount umount2 unshare setns ptrace ?bpf ?io_uring_setup
    ?memfd_create setuid setgid setresuid setresgid kill ?pidfd_open process_vm_writev""".split()
OPENS = ["?open", "openat", "?openat2"]
LINE = re.compile(r"^\d+ +(\w+)\((.*)")


def can_trace():
    if not shutil.which("strace"):
        return False
    done = subprocess.run(["strace", "-D", "-o", os.devnull, "true"], capture_output=True, timeout=PATIENCE, check=False)
    return done.returncode == 0 and not done.stderr


@unittest.skipUnless(can_trace(), "needs strace, and the right to use it")
class Pure(Case):
    def setUp(self):
        super().setUp()
        self.log = os.path.join(self.folder, "calls")
        wrapper = os.path.join(self.folder, "traced")
        with open(wrapper, "w", encoding="utf-8") as f:
            # The tracer is a child: what is started here is the program itself. No string is told whole.
            words = ["strace", "-D", "-f", "-q", "-s", "200", "-o", self.log, "-e", "signal=none", "-e",
                     "trace=" + ",".join(FORBIDDEN + OPENS), BINARY]
            f.write(f"#!/bin/sh\nexec {shlex.join(words)} \"$@\"\n")
        os.chmod(wrapper, 0o755)
        test_webhook.BINARY = wrapper
        # Who is traced already cannot look for leaks in the same way.
        leave = mock.patch.dict(os.environ, ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
        leave.start()
        self.addCleanup(leave.stop)

    def calls(self, webhook):
        """Name and arguments of each."""
        webhook.signal(signal.SIGTERM)
        webhook.signal(signal.SIGINT)
        self.assertEqual(webhook.wait_end(), 0, webhook.lines.decode())
        end = time.monotonic() + PATIENCE
        text = ""
        while "+++ exited with" not in text and time.monotonic() < end:  # the tracer ends a little later
            time.sleep(0.05)
            with open(self.log, encoding="utf-8", errors="replace") as f:
                text = f.read()
        self.assertIn("+++ exited with 0 +++", text)
        found = [LINE.match(line) for line in text.splitlines()]
        return [(match[1], match[2]) for match in found if match]

    def test_it_starts_nothing_connects_to_nothing_and_writes_nothing(self):
        webhook = self.start()
        self.load(webhook)
        self.issue("another")  # which it reads
        webhook.wait_log("a new certificate")
        self.load(webhook)
        for page in "/metrics", "/livez", "/readyz":
            webhook.get(page)
        calls = self.calls(webhook)

        names = {name for name, _ in calls}
        self.assertEqual(names - {"execve", "open", "openat"}, set())
        self.assertEqual([name for name, _ in calls if name == "execve"], ["execve"])  # its own beginning
        opened = [arguments for name, arguments in calls if name != "execve"]
        self.assertTrue([one for one in opened if self.secret.folder in one])
        for arguments in opened:
            self.assertRegex(arguments, r'^(AT_FDCWD, )?"')
            if '"/dev/null"' not in arguments:
                self.assertRegex(arguments, r'", O_RDONLY')
                self.assertNotRegex(arguments, r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)")
            self.assertNotIn("serviceaccount", arguments)
            self.assertNotIn("kubeconfig", arguments)

    def load(self, webhook):
        failures = []

        def ask(i):
            connection = self.connect(webhook)
            requests = [
                ("/validate", review("App", APP), 200), ("/validate", review("App", {"replicas": -1}), 200),
                ("/validate", review("App", {"image": "$(touch /tmp/x); `id`", "env": [{"name": "../../etc"}]}), 200),
                ("/mutate", review("Environment", {"profile": "production"}, name="default"), 200),
                ("/convert", conversion("v1alpha2", *[one(name=f"shop-{k}") for k in range(20)]), 200),
                ("/convert", conversion("v1alpha2", one("v1alpha1", "../../etc/passwd", image="file:///etc/shadow")), 200),
                ("/convert", conversion("v9", one()), 200), ("/convert", b"{", 400), ("/validate", b"", 400),
            ]
            for k in range(10 * len(requests)):
                path, body, expected = requests[(i + k) % len(requests)]
                status, _ = post(connection, body, path)
                if status != expected:
                    failures.append((path, status))

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
