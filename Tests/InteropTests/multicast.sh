# Groups: the Python beds of the folder multicast, whose verdicts are counted here. Sourced by run.sh.

# multicast_bed SCRIPT [WORD...]
multicast_bed() {
    local script=$1 code=0 log=$work/$1.log
    shift
    echo "== multicast: $script $*"
    # Their namespaces have the prefix of this run, so that they go with it whatever happens.
    CHIMNEY=$CHIMNEY INTEROP_PREFIX=$prefix-$script INTEROP_WORK=$work python3 "$here/multicast/$script.py" "$@" 2>&1 \
        | tee "$log" || code=${PIPESTATUS[0]}
    passed=$((passed + $(grep -c '^pass ' "$log" || true)))
    failed=$((failed + $(grep -c '^FAIL ' "$log" || true)))
    skipped=$((skipped + $(grep -c '^skip ' "$log" || true)))
    known=$((known + $(grep -c '^known ' "$log" || true)))
    [ "$code" -eq 0 ] || fail "multicast: $script ends by itself" "exit code $code" "$(tail -n 5 "$log")"
}
