#!/usr/bin/env bash
# Measures Chimney, and beside it every peer that is built (see peers/README.md), in pairs within one run.
#
#   Benchmarks/run.sh [ROUNDS=5] [SECONDS=1]
#
# JSON lines go to out/bench/results.jsonl, the table of medians to the terminal and to out/bench/table.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "building the benchmarks (release)"
(cd Benchmarks && swift build -c release)
swift build -c release --product chimney
mkdir -p out/bench
exec python3 Benchmarks/measure.py "${1:-5}" "${2:-1}"
