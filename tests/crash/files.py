"""What a world's repository and its operator begin with; called by the world."""

from __future__ import annotations

ENVIRONMENTS = ("dev", "prod")

PIPELINE = """\
schema: gitslo/v1
name: shop
stages:
  - {{name: dev, path: dev}}
  - {{name: prod, path: prod, after: [dev]{prod}}}
plan: slo.yaml
sync: {{probe: {{url: "http://127.0.0.1:{port}/{{stage}}/version", json: image, reports: image}}}}
promote:
  - image: example/app
write:
  promotion: {{{write}}}
  revert: {{{write}}}
outcomes:
  fail: {{sync: {{action: revert, run: note}}, any: hold}}
revalidate: {{every: never}}
"""
MANUAL = ", write: {promotion: {mode: pull-request, merge: manual}}"

PLAN = """\
schema: gitslo/v1
targets:
  app: {{http: "http://127.0.0.1:{port}"}}
load:
  browse:
    target: app
    get: /{stage}/
    timeout: 1s
    warmup: 0s
    stages:
      - {{hold: 60/s, for: 6s}}
objectives:
  - browse.errors < {limit}%
judge: {{min_duration: 500ms, max_duration: 6s}}
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app, namespace: {stage}}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  template:
    metadata: {{labels: {{app: app}}}}
    spec:
      containers:
        - name: app
          image: example/app:{tag}  # the release
"""

OPERATOR = """\
schema: gitslo/v1
instance: {instance}
repositories:
  - name: shop
    url: {url}
    branch: main
    poll: 200ms
    forge: local{ledger}
    author: {{name: gitslo, email: gitslo@localhost}}
    allow: {{environments: ["*"], targets: ["127.0.0.1"]}}
commands:
  note: {{argv: [sh, -c, "cat >> {folder}/commands.log; echo >> {folder}/commands.log"], timeout: 10s}}
ceilings: {{rate: 500/s, duration: 1m, connections: 20, concurrent_runs: 2, pushes_per_minute: 6000}}
"""

HOOK = """\
#!/bin/sh
while read old new ref; do echo "$old $new $ref" >> "$GIT_DIR/pushes.log"; done
"""
