# SPDX-License-Identifier: Apache-2.0
"""The App's definition with the second version that exists in tests only (app_v1alpha2.h)."""

import copy
import pathlib

import yaml

APP = pathlib.Path(__file__).resolve().parents[2] / "crds" / "app.yaml"


def second_spec(first):
    """The schema of v1alpha2's spec, from that of v1alpha1's."""
    spec = copy.deepcopy(first)
    fields = spec["properties"]
    spec.pop("x-kubernetes-validations", None)  # they speak of fields that are elsewhere now
    fields["role"] = fields.pop("tier")
    fields["image"] = {"type": "object", "properties": {name: {"type": "string", "maxLength": 512}
                                                        for name in ("repository", "tag", "digest")}}
    fields["scale"] = {"type": "object", "properties": {name: fields.pop(name) for name in ("replicas", "autoscaling")}}
    fields["lifecycle"] = {"type": "object", "properties": {"drain": fields.pop("drain"),
                                                            "checks": fields.pop("healthCheck")}}
    variable = fields["env"]["items"]["properties"]
    fields["env"] = {"type": "object", "maxProperties": 256, "additionalProperties": {
        "type": "object", "properties": {"value": variable["value"], "purpose": {"type": "string"}}}}
    fields["strategy"]["properties"]["progressDeadline"]["default"] = "5m"
    del fields["revisionHistoryLimit"]
    fields["owner"] = {"type": "string"}
    return spec


def second_version(first):
    version = copy.deepcopy(first)
    version.update(name="v1alpha2", storage=False)
    version["subresources"]["scale"]["specReplicasPath"] = ".spec.scale.replicas"
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    properties["spec"] = second_spec(properties["spec"])
    return version


def two_versions(url, ca_bundle, storage="v1alpha1"):
    """As a dict; conversions are asked for at URL."""
    with open(APP, encoding="utf-8") as f:
        definition = yaml.safe_load(f)
    spec = definition["spec"]
    spec["versions"].append(second_version(spec["versions"][0]))
    for version in spec["versions"]:
        version["storage"] = version["name"] == storage
    spec["conversion"] = {"strategy": "Webhook", "webhook": {
        "conversionReviewVersions": ["v1"], "clientConfig": {"url": url, "caBundle": ca_bundle}}}
    return definition
