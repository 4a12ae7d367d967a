#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count.py meson|junit FILE: how many tests passed, failed and were skipped.

The first line is the three numbers; a line for each test that failed follows.
Of Check's programs each check counts; another program counts as one test.

count.py figures FILE [JSON]: the figures that meson's benchmarks printed, as
lines for people, and into the file JSON as {"NAME": {"value": N, "unit": "U"}}; where
there is a target, with "target" and "met".
"""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree

SUMMARY = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)
# ../tests/pkg/base/test_str.c:12:F:base/str:equality:0: Assertion ... failed
FAILURE = re.compile(r"^[^\s:]+:\d+:[FE]:[^:]*:([^:]*):\d+: (.*)$", re.M)
# figure webhook.start 8.2 ms <= 20
FIGURE = re.compile(r"^figure (\S+) ([-+0-9.eE]+)(?: ([^\s<]\S*))?(?: <= ([-+0-9.eE]+))?$", re.M)


def count_program(test):
    """(passed, failed, skipped, [what failed]) of one of meson's tests."""
    name, output = test["name"].split(" / ")[-1], test.get("stdout", "")
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


def read_meson(path):
    with open(path, encoding="utf-8") as log:
        tests = [json.loads(line) for line in log if line.strip()]
    if not tests:
        raise ValueError("no test ran")
    return tests


def count_meson(path):
    total, failed = [0, 0, 0], []
    for test in read_meson(path):
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


def print_figures(path, json_path=""):
    figures = {}
    for test in read_meson(path):
        for name, value, unit, target in FIGURE.findall(test.get("stdout", "")):
            figures[name] = {"value": float(value), "unit": unit}
            verdict = ""
            if target:
                met = float(value) <= float(target)
                figures[name] |= {"target": float(target), "met": met}
                verdict = f" (at most {target}: {'met' if met else 'not met'})"
            print(f"    {name}: {value} {unit}{verdict}")
    if json_path:
        with open(json_path, "w", encoding="utf-8") as out:
            json.dump(figures, out, indent=2)
            out.write("\n")


try:
    if sys.argv[1] == "figures":
        print_figures(*sys.argv[2:])
        sys.exit(0)
    numbers, names = {"meson": count_meson, "junit": count_junit}[sys.argv[1]](sys.argv[2])
except (OSError, ValueError, ElementTree.ParseError) as error:
    sys.exit(f"{sys.argv[2]}: {error}")
print(*numbers)
for line in names:
    print(line)
