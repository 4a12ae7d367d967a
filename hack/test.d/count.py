#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count.py meson|junit FILE: how many tests passed, failed and were skipped.

The first line is the three numbers; a line for each test that failed follows.
Of Check's programs each check counts; another program counts as one test.
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree

SUMMARY = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)
# ../tests/pkg/base/test_str.c:12:F:base/str:equality:0: Assertion ... failed
FAILURE = re.compile(r"^[^\s:]+:\d+:[FE]:[^:]*:([^:]*):\d+: (.*)$", re.M)


def count_program(test):
    """(passed, failed, skipped, [what failed]) of one of meson's tests."""
    name, output = test["name"], test.get("stdout", "")
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    summary = SUMMARY.search(output)
    if test["result"] == "SKIP":
        return 0, 0, 1, []
    if not summary:
        return (1, 0, 0, []) if good else (0, 1, 0, [f"{name}: {test['result'].lower()}"])
    checks, failures, errors = map(int, summary.groups())
    bad = failures + errors
    failed = [f"{name}: {check}: {why}" for check, why in FAILURE.findall(output)]
    if not good and bad == 0:  # a sanitizer's verdict at the very end, say
        return checks, 1, 0, [f"{name}: {test['result'].lower()} after its last check"]
    return checks - bad, bad, 0, failed or [f"{name}: {bad} checks"] * (bad > 0)


def count_meson(path):
    total, failed = [0, 0, 0], []
    with open(path, encoding="utf-8") as log:
        tests = [json.loads(line) for line in log if line.strip()]
    if not tests:
        raise ValueError("no test ran")
    for test in tests:
        *numbers, names = count_program(test)
        total = [a + b for a, b in zip(total, numbers)]
        failed += names
    return total, failed


def count_junit(path):
    total, failed = [0, 0, 0], []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            total[1] += 1
            failed.append(f"{case.get('classname')}.{case.get('name')}")
        elif case.find("skipped") is not None:
            total[2] += 1
        else:
            total[0] += 1
    if not any(total):
        raise ValueError("no test ran")
    return total, failed


try:
    numbers, names = {"meson": count_meson, "junit": count_junit}[sys.argv[1]](sys.argv[2])
except (OSError, ValueError, ElementTree.ParseError) as error:
    sys.exit(f"{sys.argv[2]}: {error}")
print(*numbers)
for line in names:
    print(line)
