#!/usr/bin/env bash
# Runs the client in Python against a ledger of its own: tests/clients/python/run.sh PATH_TO_TALLY
#
# Needs python3 with venv. What it installs, it keeps for the next run, outside the project.
set -euo pipefail

tally="$(realpath "${1:?usage: tests/clients/python/run.sh PATH_TO_TALLY}")"
cd "$(dirname "${BASH_SOURCE[0]}")"

# Another list or another Python is another environment.
name="$({ cat requirements.txt; python3 --version; } | sha256sum | cut -c1-16)"
venv="${XDG_CACHE_HOME:-$HOME/.cache}/tally/python-client-$name"
if [[ ! -e "$venv/complete" ]]; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --requirement requirements.txt
    touch "$venv/complete"
fi

# No caches of compiled modules inside the project.
export PYTHONDONTWRITEBYTECODE=1
exec "$venv/bin/python" check.py "$tally"
