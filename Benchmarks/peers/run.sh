#!/usr/bin/env bash
# Builds the peers and measures everything in one run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
make setup
make all
exec bash ../run.sh "$@"
