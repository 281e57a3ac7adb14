#!/bin/bash
# Builds the fuzz targets and runs each for SECONDS under the address sanitizer; fails on the first that crashes.
#
#   Fuzz/run.sh SECONDS [TARGET...]
#
# Targets are the folders of Fuzz/Sources other than FuzzSupport. What they learn stays in Fuzz/.corpus; an input that
# crashes one is left in Fuzz/.crashes, and `run.sh 1 TARGET` tries those again first.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:?usage: Fuzz/run.sh SECONDS [TARGET...]}
shift
[[ $seconds =~ ^[0-9]+$ ]] || { echo "SECONDS must be a number: $seconds" >&2; exit 2; }
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for folder in Sources/*/; do
        name=$(basename "$folder")
        [ "$name" = FuzzSupport ] || targets+=("$name")
    done
fi

# A backtrace handler would take the place of libFuzzer's, which saves the input.
export SWIFT_BACKTRACE=enable=no
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1}
build=(swift build -c release -Xswiftc -sanitize=fuzzer,address)

./seeds.sh
failed=()
for target in "${targets[@]}"; do
    [ -d "Sources/$target" ] || { echo "no such target: $target (see Fuzz/Sources)" >&2; exit 2; }
    "${build[@]}" --product "$target" >&2
    # The linker names some 150 symbols of the sanitizer that are none of ours.
    swiftc -sanitize=fuzzer,address ".build/release/lib$target.a" -o ".build/release/fuzz-$target" \
        2> >(grep -v "Cannot export local symbol '__asan" >&2)
    mkdir -p ".corpus/$target" ".crashes/$target"
    log=.crashes/$target.log
    status=0
    timeout $((seconds + 60)) ".build/release/fuzz-$target" -max_total_time="$seconds" -max_len=4096 -timeout=5 -rss_limit_mb=2048 \
        -artifact_prefix=".crashes/$target/" ".corpus/$target" .crashes/"$target" >"$log" 2>&1 || status=$?
    if [ $status -eq 0 ]; then
        printf '%-14s %s\n' "$target" "$(grep -E '^Done ' "$log" | tail -1)"
    else
        printf '%-14s FAILED (%s), see Fuzz/%s\n' "$target" "$status" "$log"
        tail -20 "$log"
        failed+=("$target")
    fi
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
