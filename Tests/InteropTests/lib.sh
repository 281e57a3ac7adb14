# Functions of the kernel beds: namespaces, devices, a running chimney, checks. Sourced by run.sh.
# Everything made here is named chm-$$-*, in a folder of its own, and goes away when the script ends.

passed=0 failed=0 skipped=0 known=0
work=$(mktemp -d /tmp/chimney-interop.XXXXXX)
prefix=chm-$$
pids=()

clean_up() {
    trap - EXIT INT TERM
    local pid ns
    for pid in "${pids[@]+"${pids[@]}"}"; do
        kill -KILL "$pid" 2>/dev/null || true
        # The shell would report each death otherwise.
        wait "$pid" 2>/dev/null || true
    done
    for ns in /run/netns/"$prefix"-*; do
        [ -e "$ns" ] && ip netns del "${ns##*/}" 2>/dev/null || true
    done
    if [ "$failed" -gt 0 ] && [ -n "${INTEROP_KEEP:-}" ]; then
        echo "what was written is kept in $work"
    else
        rm -rf "$work"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Results ------------------------------------------------------------------------------------------------------------

pass() {
    passed=$((passed + 1))
    echo "pass  $1"
}
# fail NAME [DETAIL...]: the details are printed below, shortened.
fail() {
    failed=$((failed + 1))
    echo "FAIL  $1"
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" | tail -n 12 | cut -c 1-300 | sed 's/^/      | /'
}
skip() {
    skipped=$((skipped + 1))
    echo "skip  $1: $2"
}

# resolve COMMAND...: puts into the array `words` what `within` and `ask` stand for, because timeout runs no functions.
resolve() {
    case $1 in
    within) words=(ip netns exec "$prefix-$2" "${@:3}") ;;
    ask) words=("$CHIMNEY" "${@:2}" --socket "$control") ;;
    *) words=("$@") ;;
    esac
}

# check NAME SECONDS COMMAND...: passes when the command exits 0 in time; shows its words otherwise.
check() {
    local name=$1 seconds=$2 code=0 text words
    resolve "${@:3}"
    text=$(timeout --kill-after=5 "$seconds" "${words[@]}" 2>&1) || code=$?
    if [ "$code" -eq 0 ]; then pass "$name"; else
        [ "$code" -ne 124 ] || text="$text"$'\n'"it did not end within $seconds s"
        fail "$name" "exit code $code" "$text"
    fi
}

# expect NAME SECONDS PATTERN COMMAND...: passes when the words of the command hold the pattern, whatever it exits with.
expect() {
    local name=$1 seconds=$2 pattern=$3 text words
    resolve "${@:4}"
    text=$(timeout --kill-after=5 "$seconds" "${words[@]}" 2>&1) || true
    if grep -qE -- "$pattern" <<<"$text"; then pass "$name"; else fail "$name" "expected: $pattern" "$text"; fi
}

# until_true SECONDS COMMAND...: repeats the command until it exits 0.
until_true() {
    local end=$((SECONDS + $1))
    shift
    while ! "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# has, lacks PATTERN COMMAND...: whether the words of the command hold the pattern, read to their end: a pipe that is
# closed before would fail its writer, and with it the question.
has() { grep -qE -- "$1" <<<"$("${@:2}" 2>&1)"; }
lacks() { ! has "$@"; }

# Namespaces ---------------------------------------------------------------------------------------------------------

# add_namespace NAME [4|6]: its kernel speaks IPv6 only where that is the family.
add_namespace() {
    ip netns add "$prefix-$1"
    # Without the family, neighbour discovery would put frames on the wire that no check asked for.
    local off=1
    [ "${2:-4}" = 4 ] || off=0
    within "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=$off net.ipv6.conf.default.disable_ipv6=$off \
        net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0
    ip -n "$prefix-$1" link set lo up
    # The kernel limits the errors it sends and answers; the checks count every one.
    local setting
    for setting in net.ipv4.icmp_ratelimit=0 net.ipv4.ipfrag_high_thresh=67108864 net.ipv6.icmp.ratelimit=0 \
        net.ipv6.ip6frag_high_thresh=67108864; do
        within "$1" sysctl -qw "$setting" 2>/dev/null || true
    done
}
within() {
    local name=$1
    shift
    ip netns exec "$prefix-$name" "$@"
}
# veth NS1 DEV1 NS2 DEV2: a cable between two namespaces, both ends up.
veth() {
    ip -n "$prefix-$1" link add "$2" type veth peer name "$4" netns "$prefix-$3"
    ip -n "$prefix-$1" link set "$2" up
    ip -n "$prefix-$3" link set "$4" up
}

# settle NAMESPACE...: waits until every address of theirs and of chimney's was probed for.
settle() {
    local name
    for name in "$@"; do until_true 10 kernel_has_settled "$name" || true; done
    until_true 10 chimney_has_settled || true
}
kernel_has_settled() { lacks inet6 ip -n "$prefix-$1" -6 addr show tentative; }
chimney_has_settled() { lacks tentative ask ifconfig; }

# A running chimney --------------------------------------------------------------------------------------------------

# start_chimney NAME NAMESPACE: runs $work/NAME.yaml; its words go to $work/NAME.log, its process id to ${chimney_pid}.
start_chimney() {
    ip netns exec "$prefix-$2" "$CHIMNEY" up "$work/$1.yaml" >"$work/$1.log" 2>&1 &
    chimney_pid=$!
    pids+=("$chimney_pid")
    control=$work/$1.sock
    if ! until_true 20 ask netstat; then
        fail "$1: chimney up answers on its control socket" "$(cat "$work/$1.log")"
        return 1
    fi
    pass "$1: chimney up answers on its control socket"
}
# ask WORDS...: a command to the chimney started last.
ask() { timeout --kill-after=5 "${ASK_SECONDS:-20}" "$CHIMNEY" "$@" --socket "$control"; }

# stop_chimney NAME: it must end by itself with exit code 0 after SIGTERM, and take its socket with it.
stop_chimney() {
    local code=0
    kill -TERM "$chimney_pid" 2>/dev/null || true
    if ! until_true 10 is_gone "$chimney_pid"; then
        fail "$1: chimney up ends after SIGTERM" "it still runs after 10 s" "$(tail -n 5 "$work/$1.log")"
        kill -KILL "$chimney_pid" 2>/dev/null || true
        return
    fi
    wait "$chimney_pid" || code=$?
    if [ "$code" -eq 0 ] && [ ! -e "$work/$1.sock" ]; then pass "$1: chimney up ends after SIGTERM"; else
        fail "$1: chimney up ends after SIGTERM" "exit code $code" "$(tail -n 5 "$work/$1.log")"
    fi
}
is_gone() { ! kill -0 "$1" 2>/dev/null || [ "$(ps -o stat= -p "$1" | cut -c 1)" = Z ]; }
