# Signed segments between the kernel's sockets and chimney (RFC 2385; TCP_MD5SIG, TCP_MD5SIG_EXT). Sourced by run.sh, after
# tcp.sh.

# signatures_bed 4|6
signatures_bed() {
    host_words "$1"
    local bed=signed$1 other
    if [ "$1" = 4 ]; then other=10.7.0.9; else other=fd07::9; fi
    echo "== signed segments, IPv$1"
    add_namespace "$bed-k" "$1"
    if ! kernel_signs "$bed-k"; then
        skip "$bed" "this kernel has no TCP_MD5SIG"
        return 0
    fi
    printf 'the right word\n' >"$work/$bed.key"
    cat >"$work/$bed.yaml" <<END
control: $work/$bed.sock
stacks:
  - name: red
    interfaces:
      - name: eth0
        driver: tap
        device: chim0
        kernel: $theirs/$length
        addresses: [$ours/$length]
        acd: false
    tcp:
      services: [echo, discard, chargen]
      signatures:
        - {peers: $theirs, key_file: $work/$bed.key}
END
    start_chimney "$bed" "$bed-k" || return 0
    ip -n "$prefix-$bed-k" addr add "$other/$length" dev chim0
    settle "$bed-k"
    kernel_asks "$bed" "$other"
    expect "$bed: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    stop_chimney "$bed"
    chimney_asks "$bed" "$1"
}

# What a kernel counts of signatures, each counter behind its name.
md5_counters='awk "/^TcpExt:/ && !seen { split(\$0, name); seen = 1; next }
    /^TcpExt:/ { for (i = 2; i <= NF; i++) if (name[i] ~ /^TCPMD5/) printf \"%s %s \", name[i], \$i }" /proc/net/netstat'

kernel_signs() {
    within "$1" python3 -c 'import socket; socket.socket().setsockopt(6, 14, b"\2" + bytes(129) + b"\1" + bytes(85))' 2>/dev/null
}

# kernel_asks BED ANOTHER-ADDRESS: the kernel connects to services of chimney's.
kernel_asks() {
    local with_key=(within "$1-k" env "CHIMNEY_KEY=the right word" CHIMNEY_SOURCE="$theirs" python3 "$here/tcp.py")
    local with_another=(within "$1-k" env "CHIMNEY_KEY=a wrong word" CHIMNEY_SOURCE="$theirs" python3 "$here/tcp.py")
    local without=(within "$1-k" env CHIMNEY_SOURCE="$theirs" python3 "$here/tcp.py")
    check "$1: 8 MiB each way, contents hashed" 120 "${with_key[@]}" echo "$ours" 7 8
    check "$1: 8 MiB to discard" 60 "${with_key[@]}" discard "$ours" 9 8
    check "$1: 8 MiB of characters, and a reset" 60 "${with_key[@]}" chargen "$ours" 19 8
    check "$1: half-close" 20 "${with_key[@]}" halfclose "$ours" 7
    check "$1: 100 connections reset by the peer" 20 "${with_key[@]}" reset "$ours" 7
    check "$1: a closed port refuses, signed" 20 "${with_key[@]}" refused "$ours" 4
    "${with_key[@]}" hold "$ours" 7 10 &
    pids+=("$!")
    if until_true 8 has "signed with md5" ask sockstat -t; then pass "$1: sockstat tells that it is signed"; else
        fail "$1: sockstat tells that it is signed" "$(ask sockstat -t)"
    fi
    if lacks "Signature(Wrong|Missing|Unexpected)" ask netstat -s; then pass "$1: chimney refused nothing so far"; else
        fail "$1: chimney refused nothing so far" "$(ask netstat -s)"
    fi
    expect "$1: the kernel refused nothing of chimney's" 5 "^TCPMD5NotFound 0 TCPMD5Unexpected 0 TCPMD5Failure 0 $" \
        within "$1-k" sh -c "$md5_counters"
    check "$1: with a wrong key nobody answers" 20 "${with_another[@]}" silent "$ours" 7
    expect "$1: and chimney tells why" 5 "[1-9][0-9]* tcpSignatureWrong" ask netstat -s
    check "$1: without a key nobody answers" 20 "${without[@]}" silent "$ours" 7
    expect "$1: and chimney tells why" 5 "[1-9][0-9]* tcpSignatureMissing" ask netstat -s
    check "$1: from an address without a key nobody answers who is asked with one" 20 within "$1-k" \
        env "CHIMNEY_KEY=the right word" CHIMNEY_SOURCE="$2" python3 "$here/tcp.py" silent "$ours" 7
    expect "$1: and chimney tells why" 5 "[1-9][0-9]* tcpSignatureUnexpected" ask netstat -s
    check "$1: from there all goes on without" 20 within "$1-k" \
        env CHIMNEY_SOURCE="$2" python3 "$here/tcp.py" halfclose "$ours" 7
    expect "$1: explain names the last of them" 5 "there is no key for its sender" ask explain --drops --last 20
}

# chimney_asks BED 4|6: chimney, in a process of the bed's own, connects to the kernel.
chimney_asks() {
    local library=${CHIMNEYC:-$(dirname "$CHIMNEY")/libchimneyc.so} bed=$1-c
    if [ ! -e "$library" ]; then
        skip "$1: chimney connects to the kernel" "there is no $library"
        return 0
    fi
    add_namespace "$bed" "$2"
    caller_asks "$bed" "the right word" "chimney connects, and 4 MiB go each way, contents hashed" 4
    caller_asks "$bed" "a wrong word" "with a wrong key chimney is not answered" silent
    expect "$bed: for the kernel finds the key wrong" 5 "TCPMD5Failure [1-9]" within "$bed" sh -c "$md5_counters"
    caller_asks "$bed" "" "without a key chimney is not answered" silent
    expect "$bed: for the kernel wants a signature" 5 "TCPMD5NotFound [1-9]" within "$bed" sh -c "$md5_counters"
}

# caller_asks BED KEY NAME WHAT...: a kernel that wants the right word, and a chimney with a key that asks it.
caller_asks() {
    local bed=$1 key=$2 name=$3 server caller
    within "$bed" env "CHIMNEY_KEY=the right word" python3 "$here/tcp.py" serve "$theirs" 7 >"$work/$bed.log" 2>&1 &
    server=$!
    within "$bed" env "CHIMNEY_KEY=$key" timeout 70 \
        python3 "$here/caller.py" "$library" ct0 "$ours/$length" "$theirs" 7 "$4" >"$work/$bed-caller.log" 2>&1 &
    caller=$!
    pids+=("$server" "$caller")
    until_true 10 ip -n "$prefix-$bed" addr add "$theirs/$length" dev ct0 nodad || true
    ip -n "$prefix-$bed" link set ct0 up
    if wait "$caller"; then pass "$bed: $name"; else
        fail "$bed: $name" "$(cat "$work/$bed-caller.log" "$work/$bed.log")"
    fi
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
}
