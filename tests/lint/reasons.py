#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each reason of a condition and of an event is told in docs/, and nothing is told there that is none.

A reason is a CamelCase word in a statement that makes a condition, a verdict, a failure or an
event, but for what the statement only compares with. reasons.py --list prints them."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The sources of reasons, and the page that tells them.
PAGES = {
    "docs/app.md": ["controller/app", "pkg/manager", "pkg/kube"],
    "docs/environment.md": ["controller/environment"],
    "docs/redis.md": ["controller/redis"],
    "docs/webhook.md": ["controller/certificates"],
}
# What the kinds have in common is told once.
COMMON = "docs/app.md"
MAKERS = (
    r"\b(stalled|reconciling|give_up|go_wrong|condition_put|plan_event|plan_event_at_once|task_fail|task_tell|tell_event)\(|"
    r"\bsay\([dt], |\bsay_event\(d, |\bkeeper_object_write\(|"
    r"\breason = |\(struct (verdict|usage)\)"
)
WORD = re.compile(r'\bSTR(?:_INIT)?\("([A-Z][A-Za-z]+)"\)')
COMPARED = re.compile(r'\bstr_eq(_c)?\([^;()]*(\([^;()]*\))?[^;()]*\)')
# Which of the server's own reasons end up in a condition (pkg/kube/reply.c).
OF_SERVER = re.compile(r'\{ KUBE_\w+, "([A-Z][A-Za-z]+)", [^}]*KUBE_STAYS \}')
# In these sections of the pages, the first cell of a row is nothing but reasons.
SECTION = re.compile(r"^## (Conditions|Events)$")
# The events of agents: those of the protocol, and what an agent says beside it.
AGENTS = {
    "pkg/failover/failover.c": re.compile(r'"([A-Z][A-Za-z]+)"'),
    "agent/member/complaint.c": re.compile(r'(?:news_say\(&m->news, \w+, |return )"([A-Z][A-Za-z]+)"'),
}
# Of a pod's trouble that may pass only the message is seen.
UNSEEN = {"NotReady", "Unschedulable"}


def found_in(text):
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    words = set(OF_SERVER.findall(text))
    for statement in text.split(";"):
        if re.search(MAKERS, statement):
            words |= set(WORD.findall(COMPARED.sub("", statement)))
    return words - UNSEEN


def reasons(folders):
    return {
        word: path.relative_to(ROOT)
        for folder in folders
        for path in sorted((ROOT / folder).glob("*.c"))
        for word in found_in(path.read_text())
    }


def reasons_of_agents():
    found = {}
    for path, pattern in AGENTS.items():
        text = (ROOT / path).read_text()
        if "failover_news_name" in text:
            text = text[text.index("const char *failover_news_name"):]
        found |= {word: path for word in pattern.findall(text)}
    return found


def told_in(page):
    """All words that the page has in backquotes, or as a row's first cell."""
    text = (ROOT / page).read_text()
    return set(re.findall(r"`([A-Z][A-Za-z]+)`", text)) | set(re.findall(r"^\| ([A-Z][A-Za-z]+) \|", text, re.M))


def listed_in(page):
    """The words of the tables of reasons alone."""
    section, words = None, set()
    for line in (ROOT / page).read_text().splitlines():
        if line.startswith("## "):
            section = SECTION.match(line)
        elif section and line.startswith("| "):
            words |= set(re.findall(r"`([A-Z][A-Za-z]+)`", line.split("|")[1]))
    return words


def main():
    bad = []
    known = {page: reasons(folders) for page, folders in PAGES.items()}
    known["docs/redis.md"] |= reasons_of_agents()
    if "--list" in sys.argv:
        print("\n".join(f"{page}: {' '.join(sorted(words))}" for page, words in known.items()))
        return 0
    everything = {word for words in known.values() for word in words}
    for page, words in known.items():
        told = told_in(page) | told_in(COMMON)
        bad += [f"{path}: {page} does not tell of {word}" for word, path in sorted(words.items()) if word not in told]
        bad += [f"{page}: nothing has the reason {word}" for word in sorted(listed_in(page) - everything)]
    print("\n".join(bad), end="\n" if bad else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
