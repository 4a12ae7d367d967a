#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `keelson validate` takes for a thousand Apps of about 1.6 KB in one file.

    usage: validate.py KEELSON

Both times are those of the whole process. The median is told, and the least processor time,
since others on the machine can only add to that."""

import resource
import statistics
import subprocess
import sys
import tempfile
import time

DOCUMENTS = 1000
RUNS = 15

HEAD = """---
apiVersion: keelson.dev/v1alpha1
kind: App
metadata:
  name: shop-{n}
  namespace: shop
  labels: {{team: shop, tier: backend}}
spec:
  image: registry.example/shop:1.8.{n}
  port: 8080
  tier: backend
  configReload: Rollout
  revisionHistoryLimit: 10
  resources:
    requests: {{cpu: 500m, memory: 1Gi}}
    limits: {{cpu: "1", memory: 2Gi}}
  healthCheck:
    livePath: /health/live
    readyPath: /health/ready
    startupTimeout: 30s
  drain:
    delay: 5s
    timeout: 30s
  strategy:
    type: RollingUpdate
    progressDeadline: 10m
    autoRollback: true
  hosts: [shop-{n}.example.com]
  access:
    from:
      - app: web
    to:
      - host: api.stripe.com
  env:
"""
SETTING = """    - name: SETTING_{i}
      value: the value of setting number {i}
"""


def processor_time():
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of.ru_utime + of.ru_stime


def run(keelson, path):
    before, began = processor_time(), time.monotonic()
    ended = subprocess.run([keelson, "validate", "-f", path], capture_output=True, text=True, check=False)
    took, cpu = time.monotonic() - began, processor_time() - before
    if ended.returncode != 0 or f"{DOCUMENTS} fine, 0 wrong" not in ended.stdout + ended.stderr:
        sys.exit(f"validate.py: it ended with {ended.returncode}: {ended.stdout[:500]}{ended.stderr[:500]}")
    return took * 1e3, cpu * 1e3


def main():
    settings = "".join(SETTING.format(i=i) for i in range(16))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.writelines(HEAD.format(n=n) + settings for n in range(DOCUMENTS))
        file.flush()
        times, cpus = zip(*(run(sys.argv[1], file.name) for _ in range(RUNS)))
    print(f"figure validate.documents_{DOCUMENTS}.time {statistics.median(times):.0f} ms <= 200")
    print(f"figure validate.documents_{DOCUMENTS}.cpu {min(cpus):.0f} ms")


main()
