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
        curl_checks "tcp-$1$six-$offloads" "$(((mebibytes + 3) / 4))"
        [ "$offloads" != auto ] || iperf_checks "$1" "tcp-$1$six-$offloads"
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
    expect "$1: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
}

# curl_checks NAME MEBIBYTES: downloads and uploads, their contents compared.
curl_checks() {
    if ! command -v curl >/dev/null; then
        skip "$1: curl" "there is no curl"
        return
    fi
    local bytes=$(($2 << 20)) host file=$work/pattern sum
    host=$(bracketed "$ours")
    expect "$1: curl speaks to the echo service" 10 "^hello from curl$" \
        within "$1-k" sh -c "echo hello from curl | curl -sS -m 3 --no-buffer telnet://$host:7"
    if [ ! -e "$file" ]; then
        python3 "$here/tcp.py" pattern "$bytes" "$file" >"$file.words"
        sha256sum <"$file" >"$file.sum"
    fi
    read -r sum _ <"$file.sum"
    expect "$1: curl downloads $2 MiB, contents hashed" 120 "^$sum" \
        within "$1-k" sh -c "curl -sSf -m 110 http://$host/bytes/$bytes | sha256sum"
    expect "$1: curl uploads $2 MiB, contents hashed" 120 "^$(cat "$file.words")$" \
        within "$1-k" curl -sSf -m 110 -T "$file" "http://$host/crc32"
    expect "$1: curl uploads $2 MiB in chunks" 120 "^$(cat "$file.words")$" \
        within "$1-k" sh -c "curl -sSf -m 110 -X POST -T - http://$host/crc32 <$file"
    expect "$1: curl asks twice over one connection" 10 "^200 1 200 0 $" within "$1-k" \
        curl -sS -m 5 -o /dev/null -o /dev/null -w '%{http_code} %{num_connects} ' "http://$host/" "http://$host/"
}

# What iperf3 -J has to say: no error, bytes each way that there is, and both ends counted the same but for what was under way.
iperf_agrees='def agree(a; b): a.bytes > 0 and b.bytes > 0 and ((a.bytes - b.bytes) | fabs) <= 8388608 + a.bytes / 10;
    if .error then error(.error)
    elif (.end | agree(.sum_sent; .sum_received) and (.sum_sent_bidir_reverse == null
        or agree(.sum_sent_bidir_reverse; .sum_received_bidir_reverse)))
    then .end.sum_received.bits_per_second / 1e9 else error(.end | {sum_sent, sum_received} | tostring) end'

# iperf_checks tap|afpacket NAME: tests of one second with iperf3 as the client.
iperf_checks() {
    local way ways=("" "-R" "-P 4" "--bidir")
    if ! command -v iperf3 >/dev/null || ! command -v jq >/dev/null; then
        skip "$2: iperf3" "there is no iperf3, or no jq"
        return
    fi
    [ "$1" = tap ] || ways=("")
    for way in "${ways[@]}"; do
        check "$2: iperf3${way:+ $way}: both ends count the same" 20 \
            within "$2-k" sh -c "iperf3 -c $ours -t 1 -J $way | jq -e '$iperf_agrees'"
    done
    [ "$1" = tap ] || return 0
    # A client that is slow to notice sends one block more.
    check "$2: iperf3 -n: every byte is counted" 20 within "$2-k" sh -c "iperf3 -c $ours -n 8M -J \
        | jq -e '.end.sum_sent.bytes >= 8388608 and .end.sum_received.bytes == .end.sum_sent.bytes'"
    expect "$2: iperf3 -u is refused by its name" 20 "not implemented yet" within "$2-k" iperf3 -c "$ours" -u -t 1
    expect "$2: the log says what tests moved" 5 "iperf3: .*: received [0-9]+ bytes at " cat "$work/$2.log"
}

# bracketed ADDRESS: as it stands in a URL.
bracketed() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }
