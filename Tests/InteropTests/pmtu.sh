# Paths with a narrow hop: first chimney is the router in front of it, then a host behind a kernel that is. Sourced by run.sh.

# pmtu_bed MTU 4|6
pmtu_bed() {
    local a left right b length elsewhere elsewhere_net
    between "$2"
    echo "== a hop of $1 bytes, IPv$2"
    narrow_router "pmtu$2-$1" "$1" "$2"
    narrow_path "path$2-$1" "$1" "$2"
}

# The kernel on the left must learn the MTU of the hop on the right from what chimney tells it.
narrow_router() {
    local bed=$1 mtu=$2 overhead=28
    [ "$3" = 4 ] || overhead=48
    add_namespace "$bed-a" "$3"
    add_namespace "$bed-b" "$3"
    add_namespace "$bed-r"
    cat >"$work/$bed.yaml" <<END
control: $work/$bed.sock
stacks:
  - name: router
    forwarding: true
    interfaces:
      - name: left
        driver: tap
        device: ra
        addresses: [$left/$length]
        acd: false
      - name: right
        driver: tap
        device: rb
        mtu: $mtu
        addresses: [$right/$length]
        acd: false
END
    start_chimney "$bed" "$bed-r" || return 0
    join_kernels "$bed" tap
    ip -n "$prefix-$bed-b" link set hb mtu "$mtu"
    expect "$bed: the first packet above the hop's MTU is answered with it" 10 "mtu ?= ?$mtu" \
        within "$bed-a" ping -n -c 1 -W 2 -M do -s $((1500 - overhead)) "$b"
    expect "$bed: the kernel remembers it" 5 "mtu $mtu" ip -n "$prefix-$bed-a" route get "$b"
    expect "$bed: packets as large as the hop go through" 10 " 3 received" \
        within "$bed-a" ping -n -c 3 -i 0.2 -M do -s $((mtu - overhead)) "$b"
    expect "$bed: packets of 20000 bytes go through in fragments" 10 " 3 received" \
        within "$bed-a" ping -n -c 3 -i 0.2 -s 20000 "$b"
    expect "$bed: netstat -s: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    stop_chimney "$bed"
}

# Chimney on the left must learn it from a kernel in the middle; the kernel on the right is asked and asks.
narrow_path() {
    local bed=$1 mtu=$2
    add_namespace "$bed-c"
    add_namespace "$bed-r" "$3"
    add_namespace "$bed-b" "$3"
    veth "$bed-r" ra "$bed-c" c0
    veth "$bed-r" rb "$bed-b" hb
    ip -n "$prefix-$bed-r" link set rb mtu "$mtu"
    ip -n "$prefix-$bed-b" link set hb mtu "$mtu"
    ip -n "$prefix-$bed-r" addr add "$left/$length" dev ra
    ip -n "$prefix-$bed-r" addr add "$right/$length" dev rb
    ip -n "$prefix-$bed-b" addr add "$b/$length" dev hb
    ip -n "$prefix-$bed-b" route add default via "$right"
    within "$bed-r" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    cat >"$work/$bed.yaml" <<END
control: $work/$bed.sock
stacks:
  - name: host
    interfaces:
      - name: eth0
        driver: afpacket
        device: c0
        addresses: [$a/$length]
        acd: false
    routes:
      - {to: default, via: $left}
    services:
      echo: 7
END
    start_chimney "$bed" "$bed-c" || return 0
    settle "$bed-r" "$bed-b"
    # Of IPv6 the first is lost: only its sender can cut it, and learns from the loss where.
    expect "$bed: chimney ping -s 1400 goes through once the MTU is learned" 15 " [45] received" \
        ask ping "$b" -c 5 -i 0.3 -s 1400
    expect "$bed: chimney ping -s 20000 goes through in fragments" 15 "3 received" ask ping "$b" -c 3 -i 0.2 -s 20000
    if [ "$3" = 6 ]; then
        expect "$bed: explain knows the MTU of the path" 5 "MTU of $mtu" ask explain "$b" --size 1500
    fi
    # What it answers with is as large as what it was asked with; the first answer may be lost to learning.
    if until_true 10 within "$bed-b" python3 "$here/udp.py" echo "$a" 7; then
        pass "$bed: UDP echoes of 5120 bytes go both ways"
    else
        fail "$bed: UDP echoes of 5120 bytes go both ways" "$(ask explain --drops --last 5)"
    fi
    expect "$bed: netstat -s: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    stop_chimney "$bed"
}
