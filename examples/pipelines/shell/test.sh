#!/bin/sh
# Judge what runs by a plan, leave files for the pipeline, and end with the verdict as the exit code.
#
#     sh examples/pipelines/shell/test.sh slo.yaml web=http://127.0.0.1:8080 [NAME=URL...]
#
# GITSLO_RESULTS   folder for junit.xml and summary.md; gitslo-results unless said
# GITSLO_EVIDENCE  file with the evidence of earlier attempts; kept by the pipeline, a run that was left undecided goes on
#
# Exit code: pass 0, fail 1, usage 2, inconclusive 3, error 4. Only 0 is a pass: do not let a pipeline go on with 3.
set -eu

[ "$#" -ge 1 ] || { echo "usage: test.sh PLAN [NAME=URL...]" >&2; exit 2; }
results=${GITSLO_RESULTS:-gitslo-results}
plan=$1
shift
for target in "$@"; do # each of them goes behind the others, with the option before it
  shift
  set -- "$@" --target "$target"
done
[ -z "${GITSLO_EVIDENCE:-}" ] || set -- "$@" --evidence "$GITSLO_EVIDENCE"
mkdir -p "$results"
exec gitslo test --junit "$results/junit.xml" --summary "$results/summary.md" "$@" -- "$plan"
