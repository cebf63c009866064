#!/bin/sh
# Put gitslo into a virtual environment of its own, from the checkout that this file lies in.
#
#     sh examples/pipelines/shell/install.sh FOLDER
#     PATH="FOLDER/bin:$PATH"
#
# What gitslo needs has the versions and the hashes of requirements/runtime.txt; gitslo itself is what is checked out.
# (Its build backend, hatchling, is fetched by pip to build it, and stays out of the environment.)
set -eu

[ "$#" -eq 1 ] || { echo "usage: install.sh FOLDER" >&2; exit 2; }
folder=$1
checkout=$(cd "$(dirname "$0")/../../.." && pwd)
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "gitslo needs Python 3.11 or later, and $python is older: name another one in PYTHON" >&2
  exit 2
}
"$python" -m venv "$folder"
pip() { "$folder/bin/python" -m pip --disable-pip-version-check --quiet install "$@"; }
pip --require-hashes --no-deps --requirement "$checkout/requirements/runtime.txt"
pip --no-deps "$checkout"
"$folder/bin/gitslo" --version
