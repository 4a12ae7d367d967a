# SPDX-License-Identifier: Apache-2.0
"""What the benchmark puts into the cluster: Apps, what the Deployment controller
would say of them, and the writes that Keelson made, to be made once more."""

import json

from api import APPLY_PATCH, GROUPS, MERGE_PATCH, path

CHILDREN = ("serviceaccounts", "deployments", "services", "poddisruptionbudgets", "networkpolicies",
            "horizontalpodautoscalers", "ingresses", "controllerrevisions")
OPTIONAL = {
    "hosts": lambda name: [f"{name}.example.com"],
    "autoscaling": lambda name: {"minReplicas": 2, "maxReplicas": 10, "targetCPUUtilization": 70},
    "access": lambda name: {"from": [{"app": "web"}]},
}


def app(name, fields):
    """An App with all that makes children; FIELDS are those that the CRD has."""
    spec = {
        "image": "registry.example.com/team/shop:1.0.0",
        "port": 8080,
        "env": [{"name": "LOG_LEVEL", "value": "info"}, {"name": "REGION", "value": "eu1"}],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "500m", "memory": "64Mi"}},
        "healthCheck": {"livePath": "/health/live", "readyPath": "/health/ready", "startupTimeout": "30s"},
    }
    spec.update({field: make(name) for field, make in OPTIONAL.items() if field in fields})
    if "autoscaling" not in spec:
        spec["replicas"] = 2
    return {"apiVersion": "keelson.dev/v1alpha1", "kind": "App", "metadata": {"name": name}, "spec": spec}


def names(first, last):
    return [f"shop-{i:05}" for i in range(first, last)]


def create_apps(api, namespace, some, fields):
    return api.masses([("POST", path("apps", namespace), app(name, fields), "application/json") for name in some])


def create_namespace(api, name):
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})


def rolled_out(deployment):
    """The status of a Deployment whose pods are all ready, as its controller writes it."""
    replicas = deployment["spec"].get("replicas", 2)
    name = deployment["metadata"]["name"]
    at = deployment["metadata"]["creationTimestamp"]

    def condition(kind, reason, message):
        return {"type": kind, "status": "True", "reason": reason, "message": message,
                "lastUpdateTime": at, "lastTransitionTime": at}

    return {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
        "conditions": [
            condition("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
            condition("Progressing", "NewReplicaSetAvailable",
                      f'ReplicaSet "{name}-5d4f8c7b9d" has successfully progressed.'),
        ],
    }


def roll_out(api, namespace, some):
    """Plays the Deployment controller, which does not run: nothing else is to move."""
    sample = api.call("GET", path("deployments", namespace, some[0]))

    def request(name):
        sample["metadata"]["name"] = name
        return ("PATCH", path("deployments", namespace, name, "status"), {"status": rolled_out(sample)}, MERGE_PATCH)

    return api.masses([request(name) for name in some])


def children_of(api, namespace, name):
    """The App's children, {plural: object}, by who owns them."""
    found = {}
    for plural in CHILDREN:
        for item in api.call("GET", path(plural, namespace) + "?limit=500")["items"]:
            owners = item["metadata"].get("ownerReferences", [])
            if any(owner["name"] == name for owner in owners):
                found[plural] = item
    return found


# --- the floor: the same writes, without logic -----------------------------------


def prune(value, fields):
    """What of VALUE a fieldsV1 says is owned."""
    if not fields or all(key == "." for key in fields):
        return value
    if isinstance(value, list):
        return value if any(key[:2] in ("k:", "v:") for key in fields) else []
    kept = {}
    for key, inner in fields.items():
        if key.startswith("f:") and key[2:] in value:
            kept[key[2:]] = prune(value[key[2:]], inner)
    return kept


def applied(item, plural, kind, subresource=""):
    """What the operator applied of an object, as a body to be applied again: nobody else applies."""
    fields = next(entry["fieldsV1"] for entry in item["metadata"]["managedFields"]
                  if entry["operation"] == "Apply" and entry.get("subresource", "") == subresource)
    group = GROUPS[plural].removeprefix("/apis/").removeprefix("/api/")
    body = {"apiVersion": group, "kind": kind, **prune(item, fields)}
    body.setdefault("metadata", {})["name"] = item["metadata"]["name"]
    return body


KINDS = {"serviceaccounts": "ServiceAccount", "deployments": "Deployment", "services": "Service",
         "poddisruptionbudgets": "PodDisruptionBudget", "networkpolicies": "NetworkPolicy",
         "horizontalpodautoscalers": "HorizontalPodAutoscaler", "ingresses": "Ingress",
         "controllerrevisions": "ControllerRevision", "apps": "App"}


def floor_requests(api, source, name, target, some, requests):
    """The writes that making the children of an App took, for each of SOME: its
    children, then as many statuses and events as the operator wrote."""
    bodies = []
    for plural, item in children_of(api, source, name).items():
        body = applied(item, plural, KINDS[plural])
        body["metadata"]["resourceVersion"] = "1"
        bodies.append((plural, "", json.dumps(body)))
    own = api.call("GET", path("apps", source, name))
    status = json.dumps(applied(own, "apps", "App", "status"))
    per_app = {method: sum(n for key, n in requests.items() if key.startswith(method)) / len(some)
               for method in ("PATCH", "POST")}
    bodies += [("apps", "status", status)] * max(0, round(per_app["PATCH"] - len(bodies)))
    event = {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": f"{name}.floor", "namespace": source},
        "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "Created", "action": "Reconcile",
        "note": "Created " + ", ".join(f"{KINDS[plural]} {name}" for plural, subresource, _ in bodies if not subresource),
        "reportingController": "keelson.dev/operator", "reportingInstance": "bench",
        "regarding": {"apiVersion": "keelson.dev/v1alpha1", "kind": "App", "namespace": source, "name": name,
                      "uid": own["metadata"]["uid"], "resourceVersion": own["metadata"]["resourceVersion"]},
    }
    out = []
    for other in some:
        def swap(text, other=other):
            return json.loads(text.replace(name, other).replace(source, target))

        for plural, subresource, text in bodies:
            body = swap(text)
            where = path(plural, target, body["metadata"]["name"], subresource)
            out.append(("PATCH", where + "?fieldManager=keelson&force=true", body, APPLY_PATCH))
        if round(per_app["POST"]) > 0:
            out.append(("POST", path("events", target) + "?fieldManager=keelson", swap(json.dumps(event)),
                        "application/json"))
    return out, bodies
