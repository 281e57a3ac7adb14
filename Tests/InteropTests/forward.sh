# Two kernels with a forwarding chimney between them: 10.8.1.2 - 10.8.1.1 [chimney] 10.8.2.1 - 10.8.2.2, or
# fd08:1::2 - fd08:1::1 [chimney] fd08:2::1 - fd08:2::2. Sourced by run.sh.

# between 4|6: the addresses of a chimney between two kernels.
between() {
    if [ "$1" = 4 ]; then
        a=10.8.1.2 left=10.8.1.1 right=10.8.2.1 b=10.8.2.2 length=24 elsewhere=203.0.113.9 elsewhere_net=203.0.113.0/24
    else
        a=fd08:1::2 left=fd08:1::1 right=fd08:2::1 b=fd08:2::2 length=64 elsewhere=2001:db8:113::9
        elsewhere_net=2001:db8:113::/48
    fi
}

# join_kernels BED TAP-OR-AFPACKET: gives the kernels on both sides, namespaces BED-a and BED-b, their addresses and routes.
join_kernels() {
    if [ "$2" = tap ]; then
        # A TAP device keeps its process when it moves to another namespace.
        ip -n "$prefix-$1-r" link set ra netns "$prefix-$1-a" name ha
        ip -n "$prefix-$1-r" link set rb netns "$prefix-$1-b" name hb
    fi
    ip -n "$prefix-$1-a" link set ha up
    ip -n "$prefix-$1-b" link set hb up
    ip -n "$prefix-$1-a" addr add "$a/$length" dev ha
    ip -n "$prefix-$1-b" addr add "$b/$length" dev hb
    ip -n "$prefix-$1-a" route add default via "$left"
    ip -n "$prefix-$1-b" route add default via "$right"
    settle "$1-a" "$1-b"
}

# stream_through BED FROM TO ADDRESS: bytes from one kernel to the other's address, over their own TCP.
stream_through() {
    within "$1-$3" timeout 60 python3 "$here/stream.py" serve "$4" 5001 &
    local server=$!
    expect "$1: $stream bytes of TCP from $2 to $3 through it" 60 "the same bytes" \
        within "$1-$2" python3 "$here/stream.py" send "$4" 5001 "$stream"
    wait "$server" || true
}

# forward_bed tap|afpacket 4|6
forward_bed() {
    local bed=forward-$1 a left right b length elsewhere elsewhere_net
    [ "$2" = 4 ] || bed=forward6-$1
    between "$2"
    echo "== a router over $1, IPv$2"
    add_namespace "$bed-a" "$2"
    add_namespace "$bed-b" "$2"
    add_namespace "$bed-r"
    # Large packets come in on the left and, over TAP, have to be cut for the right.
    local driver=tap offloads=off
    if [ "$1" = afpacket ]; then
        driver=afpacket offloads=on
        veth "$bed-a" ha "$bed-r" ra
        veth "$bed-b" hb "$bed-r" rb
    fi
    cat >"$work/$bed.yaml" <<EOF
control: $work/$bed.sock
stacks:
  - name: router
    forwarding: true
    interfaces:
      - name: left
        driver: $driver
        device: ra
        addresses: [$left/$length]
        acd: false
      - name: right
        driver: $driver
        device: rb
        addresses: [$right/$length]
        acd: false
        offloads: $offloads
EOF
    start_chimney "$bed" "$bed-r" || return 0
    join_kernels "$bed" "$1"
    stream_through "$bed" a b "$b"
    stream_through "$bed" b a "$a"
    expect "$bed: ping through it 3/3" 10 " 3 received" within "$bed-a" ping -n -c 3 -i 0.2 "$b"
    expect "$bed: ping -s 20000 through it" 10 " 3 received" within "$bed-a" ping -n -c 3 -i 0.2 -s 20000 "$b"
    expect "$bed: ping -f -c $pings through it loses nothing" 120 "$pings received, 0% packet loss" \
        within "$bed-a" ping -n -q -f -c "$pings" "$b"
    if command -v traceroute >/dev/null; then
        local text
        text=$(within "$bed-a" timeout 20 traceroute -n -q 1 -w 2 "$b" 2>&1) || true
        if grep -qE "^ *1 +$left " <<<"$text" && grep -qE "^ *2 +$b " <<<"$text"; then
            pass "$bed: traceroute shows it as the first of two hops"
        else
            fail "$bed: traceroute shows it as the first of two hops" "$text"
        fi
        expect "$bed: explain --drops: TTL expired" 5 "ttlExpired" ask explain --drops --reason ttlExpired
    else
        skip "$bed: traceroute shows it" "there is no traceroute"
    fi
    expect "$bed: explain: TTL expired" 5 "ttlExpired" ask explain "$a" "$b" --ttl 1
    expect "$bed: explain: sent on" 5 "sent by right to $b" ask explain "$a" "$b"
    expect "$bed: a destination without a route is answered unreachable" 10 "[Uu]nreachable" \
        within "$bed-a" ping -n -c 1 -W 2 "$elsewhere"
    expect "$bed: explain --drops: no route" 5 "noRoute" ask explain --drops "$elsewhere"
    check "$bed: route add takes a blackhole" 5 ask route add "$elsewhere_net" --kind blackhole
    expect "$bed: explain: blackhole" 5 "routeBlackhole" ask explain "$a" "$elsewhere"
    check "$bed: route delete takes it away" 5 ask route delete "$elsewhere_net"
    expect "$bed: netstat -s: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    stop_chimney "$bed"
}
