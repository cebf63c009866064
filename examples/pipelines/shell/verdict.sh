#!/bin/sh
# Ask a running gitslo whether a commit holds in an environment, wait for it, and end with the verdict as the exit code.
#
#     GITSLO_URL=https://gitslo.example.com sh examples/pipelines/shell/verdict.sh REPOSITORY ENVIRONMENT COMMIT [WAIT]
#
# GITSLO_URL        where the daemon answers
# GITSLO_API_TOKEN  its token, where it wants one
# GITSLO_RESULTS    folder for junit.xml and summary.md; gitslo-results unless said
#
# REPOSITORY is its name in the operator's file; WAIT is a duration, 20m unless said.
# Exit code: pass 0, fail 1, usage 2, inconclusive or not decided in time 3, error or no answer 4. Only 0 is a pass.
set -eu

[ "$#" -eq 3 ] || [ "$#" -eq 4 ] || { echo "usage: verdict.sh REPOSITORY ENVIRONMENT COMMIT [WAIT]" >&2; exit 2; }
results=${GITSLO_RESULTS:-gitslo-results}
repository=$1 environment=$2 commit=$3 wait=${4:-20m}
set -- --repository "$repository" --environment "$environment" --commit "$commit" --wait "$wait"
[ -z "${GITSLO_API_TOKEN:-}" ] || set -- "$@" --token-env GITSLO_API_TOKEN
mkdir -p "$results"
exec gitslo verdict --junit "$results/junit.xml" --summary "$results/summary.md" "$@"
