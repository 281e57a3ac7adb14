# Two kernels with a forwarding chimney between them: 10.8.1.2 - 10.8.1.1 [chimney] 10.8.2.1 - 10.8.2.2. Sourced by run.sh.

# forward_bed tap|afpacket
forward_bed() {
    local bed=forward-$1
    echo "== a router over $1"
    add_namespace "$bed-a"
    add_namespace "$bed-b"
    add_namespace "$bed-r"
    local driver=tap
    if [ "$1" = afpacket ]; then
        driver=afpacket
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
        addresses: [10.8.1.1/24]
        acd: false
      - name: right
        driver: $driver
        device: rb
        addresses: [10.8.2.1/24]
        acd: false
EOF
    start_chimney "$bed" "$bed-r" || return 0
    if [ "$1" = tap ]; then
        # A TAP device keeps its process when it moves to another namespace.
        ip -n "$prefix-$bed-r" link set ra netns "$prefix-$bed-a" name ha
        ip -n "$prefix-$bed-r" link set rb netns "$prefix-$bed-b" name hb
    fi
    ip -n "$prefix-$bed-a" addr add 10.8.1.2/24 dev ha
    ip -n "$prefix-$bed-b" addr add 10.8.2.2/24 dev hb
    ip -n "$prefix-$bed-a" link set ha up
    ip -n "$prefix-$bed-b" link set hb up
    ip -n "$prefix-$bed-a" route add default via 10.8.1.1
    ip -n "$prefix-$bed-b" route add default via 10.8.2.1
    expect "$bed: ping through it 3/3" 10 " 3 received" within "$bed-a" ping -n -c 3 -i 0.2 10.8.2.2
    expect "$bed: ping -s 20000 through it" 10 " 3 received" within "$bed-a" ping -n -c 3 -i 0.2 -s 20000 10.8.2.2
    expect "$bed: ping -f -c $pings through it loses nothing" 120 "$pings received, 0% packet loss" \
        within "$bed-a" ping -n -q -f -c "$pings" 10.8.2.2
    if command -v traceroute >/dev/null; then
        local text
        text=$(within "$bed-a" timeout 20 traceroute -n -q 1 -w 2 10.8.2.2 2>&1) || true
        if grep -qE '^ *1 +10\.8\.1\.1 ' <<<"$text" && grep -qE '^ *2 +10\.8\.2\.2 ' <<<"$text"; then
            pass "$bed: traceroute shows it as the first of two hops"
        else
            fail "$bed: traceroute shows it as the first of two hops" "$text"
        fi
        expect "$bed: explain --drops: TTL expired" 5 "ttlExpired" ask explain --drops --reason ttlExpired
    else
        skip "$bed: traceroute shows it" "there is no traceroute"
    fi
    expect "$bed: explain: TTL expired" 5 "ttlExpired" ask explain 10.8.1.2 10.8.2.2 --ttl 1
    expect "$bed: explain: sent on" 5 "sent by right to 10.8.2.2" ask explain 10.8.1.2 10.8.2.2
    expect "$bed: a destination without a route is answered unreachable" 10 "[Uu]nreachable" \
        within "$bed-a" ping -n -c 1 -W 2 203.0.113.9
    expect "$bed: explain --drops: no route" 5 "noRoute" ask explain --drops 203.0.113.9
    check "$bed: route add takes a blackhole" 5 ask route add 203.0.113.0/24 --kind blackhole
    expect "$bed: explain: blackhole" 5 "routeBlackhole" ask explain 10.8.1.2 203.0.113.9
    check "$bed: route delete takes it away" 5 ask route delete 203.0.113.0/24
    expect "$bed: netstat -s: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    stop_chimney "$bed"
}
