# Streams of TCP between the kernel's sockets and the services of a chimney host. Sourced by run.sh, after host.sh.

# tcp_bed tap|afpacket 4|6
tcp_bed() {
    host_words "$2"
    local six=
    [ "$2" = 4 ] || six=6
    echo "== TCP over $1, IPv$2"
    # A cable inside one machine carries open checksums, which a packet socket must at least be told of.
    local offloads faults least=off
    [ "$1" = tap ] || least=checksum
    for offloads in auto "$least"; do
        tcp_host "$1" "tcp-$1$six-$offloads" "$2" "offloads: $offloads" || return 0
        tcp_checks "tcp-$1$six-$offloads" "$mebibytes"
        stop_chimney "tcp-$1$six-$offloads"
    done
    # A line that loses one frame of a hundred and lets others be overtaken, in both directions.
    faults="faults: {loss: 0.01, reorder: 0.02, duplicate: 0.005, seed: 7}"
    tcp_host "$1" "tcp-$1$six-bad" "$2" "offloads: $least" "$faults" || return 0
    check "tcp-$1$six-bad: $bad_mebibytes MiB each way over a bad line, contents hashed" 300 \
        within "tcp-$1$six-bad-k" python3 "$here/tcp.py" echo "$ours" 7 "$bad_mebibytes"
    check "tcp-$1$six-bad: half-close" 30 within "tcp-$1$six-bad-k" python3 "$here/tcp.py" halfclose "$ours" 7
    expect "tcp-$1$six-bad: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    stop_chimney "tcp-$1$six-bad"
}

# tcp_host tap|afpacket NAME 4|6 LINE...: a chimney with these further lines of its interface, and a kernel opposite.
tcp_host() {
    local driver=$1 name=$2
    add_namespace "$name-k" "$3"
    shift 3
    if [ "$driver" = tap ]; then
        host_file "$name" "driver: tap" "device: chim0" "kernel: $theirs/$length" "$@"
        start_chimney "$name" "$name-k" || return 1
    else
        add_namespace "$name-c"
        veth "$name-k" k0 "$name-c" c0
        ip -n "$prefix-$name-k" addr add "$theirs/$length" dev k0
        host_file "$name" "driver: afpacket" "device: c0" "$@"
        start_chimney "$name" "$name-c" || return 1
    fi
    settle "$name-k"
}

# tcp_checks NAME MEBIBYTES
tcp_checks() {
    local ask_kernel=(within "$1-k" python3 "$here/tcp.py")
    check "$1: $2 MiB each way, contents hashed" 300 "${ask_kernel[@]}" echo "$ours" 7 "$2"
    check "$1: $2 MiB to discard" 120 "${ask_kernel[@]}" discard "$ours" 9 "$2"
    check "$1: 8 MiB of characters, and a reset" 60 "${ask_kernel[@]}" chargen "$ours" 19 8
    check "$1: half-close" 20 "${ask_kernel[@]}" halfclose "$ours" 7
    check "$1: 100 connections reset by the peer" 20 "${ask_kernel[@]}" reset "$ours" 7
    check "$1: a closed port refuses" 20 "${ask_kernel[@]}" refused "$ours" 4
    check "$1: 1,000 connections at once" 90 "${ask_kernel[@]}" many "$ours" 7 1000
    if command -v curl >/dev/null; then
        expect "$1: curl speaks to the echo service" 10 "^hello from curl$" \
            within "$1-k" sh -c "echo hello from curl | curl -sS -m 3 --no-buffer telnet://$(bracketed "$ours"):7"
    else
        skip "$1: curl" "there is no curl"
    fi
    expect "$1: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
}

# bracketed ADDRESS: as it stands in a URL.
bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }
