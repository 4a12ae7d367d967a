# SPDX-License-Identifier: Apache-2.0
"""The operator may do what it does, and nothing else.

The API server's audit log of all the tests is compared with the roles of the manifest:
a right that none of them used is one too many, and what was refused is one too few.
"""

import os

import pytest
import yaml

import keelson

pytestmark = [pytest.mark.alone, pytest.mark.last]

USER = f"system:serviceaccount:{keelson.SYSTEM}:{keelson.OPERATOR}"
ROLES = {"keelson-operator", "keelson-operator-cluster"}
# What no request asks for by itself: the API server looks for it where an owner
# reference blocks the owner's deletion (its plugin OwnerReferencesPermissionEnforcement,
# which the test cluster has: without this right no child could be made).
IMPLIED = {
    ("keelson.dev", "apps/finalizers", "update", None),
    ("keelson.dev", "environments/finalizers", "update", None),
    ("keelson.dev", "redis/finalizers", "update", None),
    # What the Role of a Redis's agents grants: who grants it must have it (RBAC's prevention of escalation).
    ("discovery.k8s.io", "endpointslices", "get", None),
    ("discovery.k8s.io", "endpointslices", "create", None),
    ("discovery.k8s.io", "endpointslices", "patch", None),
}


def granted():
    """(namespace or None, group, resource, verb, name or None) of the roles in the manifest."""
    for thing in yaml.safe_load_all(keelson.MANIFEST.read_text()):
        if thing["kind"] not in ("ClusterRole", "Role") or thing["metadata"]["name"] not in ROLES:
            continue
        for rule in thing["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for verb in rule["verbs"]:
                        for name in rule.get("resourceNames", [None]):
                            yield thing["metadata"].get("namespace"), group, resource, verb, name


def verbs(event):
    """What a request needs: an apply that makes something needs create as well, and a list that
    is streamed by a watch needs list."""
    found = [event["verb"]]
    if event["verb"] == "patch" and event["responseStatus"].get("code") == 201:
        found.append("create")
    if event["verb"] == "watch" and "sendInitialEvents=true" in event["requestURI"]:
        found.append("list")
    return found


def asked(since):
    """The operator's requests: (namespace, group, resource, verb, name), and whether it might."""
    found = set()
    for event in keelson.asked(USER):
        if event["stageTimestamp"] < since:
            continue
        what = event["objectRef"]
        resource = "/".join(filter(None, [what["resource"], what.get("subresource")]))
        for verb in verbs(event):
            found.add((what.get("namespace"), what.get("apiGroup", ""), resource, verb, what.get("name"), keelson.is_allowed(event)))
    return found


def covers(right, request):
    namespace, *what, name = right
    return list(request[1:4]) == what and namespace in (None, request[0]) and name in (None, request[4])


@pytest.mark.usefixtures("operator", "own_cluster")
def test_rights_are_those_that_are_used():
    since = os.environ.get("KEELSON_E2E_SINCE")
    if not since:
        pytest.skip("needs the requests of all tests: hack/test e2e without -k")
    rights, requests = set(granted()), asked(since)
    assert len(rights) > 60 and len(requests) > 60
    used = {right for right in rights for request in requests if request[5] and covers(right, request)}
    too_many = {right for right in rights - used if right[1:] not in IMPLIED}
    too_few = {request[:5] for request in requests if not request[5] and not any(covers(r, request) for r in rights)}
    assert not too_many, f"granted and never used: {sorted(map(str, too_many))}"
    assert not too_few, f"used and not granted: {sorted(map(str, too_few))}"
