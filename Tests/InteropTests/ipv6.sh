# Networks that configure their hosts: chimney as the host of radvd and dnsmasq, and the kernel as a host of chimney.
# Sourced by run.sh.

ipv6_bed() {
    echo "== networks that configure their hosts"
    if has_package radvd radvd && has_package dnsmasq dnsmasq-base; then
        automatic_host
    else
        skip "a host of radvd and dnsmasq" "they are not installed and could not be"
    fi
    advertising_router
}

# has_package COMMAND PACKAGE: installs it where it is missing.
has_package() {
    command -v "$1" >/dev/null && return
    command -v apt-get >/dev/null || return
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >"$work/apt.log" 2>&1 || {
        DEBIAN_FRONTEND=noninteractive apt-get update -qq >>"$work/apt.log" 2>&1 || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >>"$work/apt.log" 2>&1 || true
    }
    command -v "$1" >/dev/null
}

# chimney [c0] - [r0] kernel router with radvd and dnsmasq [r1] - [f0] a kernel behind it
automatic_host() {
    local bed=automatic address again
    add_namespace "$bed-c"
    add_namespace "$bed-r" 6
    add_namespace "$bed-f" 6
    veth "$bed-c" c0 "$bed-r" r0
    veth "$bed-r" r1 "$bed-f" f0
    ip -n "$prefix-$bed-r" addr add 2001:db8:a::1/64 dev r0
    ip -n "$prefix-$bed-r" addr add 10.9.0.1/24 dev r0
    ip -n "$prefix-$bed-r" addr add 2001:db8:b::1/64 dev r1
    ip -n "$prefix-$bed-r" addr add 10.10.0.1/24 dev r1
    ip -n "$prefix-$bed-f" addr add 2001:db8:b::2/64 dev f0
    ip -n "$prefix-$bed-f" addr add 10.10.0.2/24 dev f0
    ip -n "$prefix-$bed-f" -6 route add default via 2001:db8:b::1
    ip -n "$prefix-$bed-f" route add default via 10.10.0.1
    within "$bed-r" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    until_true 10 kernel_has_settled "$bed-r" || true
    start_radvd "$bed"
    ip netns exec "$prefix-$bed-r" dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=r0 --bind-interfaces \
        --dhcp-range=10.9.0.100,10.9.0.199,255.255.255.0,2m --dhcp-option=option:router,10.9.0.1 \
        --dhcp-option=option:dns-server,10.9.0.53 --dhcp-leasefile="$work/$bed.leases" --pid-file= --user=root \
        >"$work/$bed-dnsmasq.log" 2>&1 &
    pids+=("$!")
    automatic_file "$bed"
    start_chimney "$bed" "$bed-c" || return 0
    automatic_slaac "$bed"
    automatic_dhcp "$bed"
    automatic_duplicate "$bed"
    address=$(stable_address)
    stop_chimney "$bed"
    if [ -s /etc/machine-id ]; then
        start_chimney "$bed" "$bed-c" || return 0
        until_true 15 has_stable_address || true
        again=$(stable_address)
        if [ -n "$again" ] && [ "$address" = "$again" ]; then pass "$bed: it makes the same address after a new start"; else
            fail "$bed: it makes the same address after a new start" "$address and then $again"
        fi
        automatic_farewell "$bed"
        stop_chimney "$bed"
    else
        skip "$bed: it makes the same address after a new start" "there is no /etc/machine-id"
    fi
}

start_radvd() {
    cat >"$work/$1-radvd.conf" <<END
interface r0 {
    AdvSendAdvert on;
    MinRtrAdvInterval 3;
    MaxRtrAdvInterval 4;
    AdvDefaultLifetime 60;
    AdvLinkMTU 1400;
    prefix 2001:db8:a::/64 { AdvValidLifetime 600; AdvPreferredLifetime 300; };
    route 2001:db8:e::/48 { AdvRouteLifetime 600; };
    RDNSS 2001:db8:a::53 { AdvRDNSSLifetime 60; };
};
END
    ip netns exec "$prefix-$1-r" radvd --nodaemon --config="$work/$1-radvd.conf" --pidfile="$work/$1-radvd.pid" --logmethod=stderr \
        >"$work/$1-radvd.log" 2>&1 &
    radvd_pid=$!
    pids+=("$radvd_pid")
}

automatic_file() {
    cat >"$work/$1.yaml" <<END
control: $work/$1.sock
stacks:
  - name: host
    settings:
      temporary_addresses: on
    interfaces:
      - name: eth0
        driver: afpacket
        device: c0
        ipv6: automatic
        dhcp: on
    services:
      echo: 7
END
}

# The address of the prefix that stays the same.
stable_address() {
    ask ifconfig eth0 --json | python3 -c 'import json, sys
for address in json.load(sys.stdin)[0]["addresses"]:
    if address["origin"] == "automatic" and address["state"] == "usable": print(address["address"])'
}
has_stable_address() { [ -n "$(stable_address)" ]; }

automatic_slaac() {
    until_true 15 has_stable_address || true
    until_true 10 chimney_has_settled || true
    expect "$1: it makes an address of the advertised prefix" 5 "inet6 2001:db8:a:[0-9a-f:]+/64 \(automatic\) preferred" \
        ask ifconfig eth0
    expect "$1: and one that changes" 5 "inet6 2001:db8:a:[0-9a-f:]+/64 \(temporary\) preferred" ask ifconfig eth0
    expect "$1: it takes the default route" 5 "::/0 +fe80:[0-9a-f:]+ +eth0 .* automatic" ask route -6
    expect "$1: and the more specific one" 5 "2001:db8:e::/48 +fe80:[0-9a-f:]+ +eth0 .* automatic" ask route -6
    expect "$1: ndp routers shows the router" 5 "fe80:[0-9a-f:]+ +eth0" ask ndp routers
    expect "$1: ndp prefixes shows the prefix" 5 "2001:db8:a::/64" ask ndp prefixes
    expect "$1: it takes the name server" 5 "dns .*2001:db8:a::53" ask ifconfig eth0
    expect "$1: it takes the MTU of the link" 5 "MTU of 1400" ask explain 2001:db8:b::2 --size 1500
    expect "$1: chimney ping through the router 3/3" 10 "3 received" ask ping 2001:db8:b::2 -c 3 -i 0.2
    expect "$1: chimney ping to all nodes of the link" 10 "bytes from fe80:" ask ping ff02::1%eth0 -c 1
    local address
    address=$(stable_address)
    expect "$1: the kernel behind the router pings it 3/3" 10 " 3 received" \
        within "$1-f" ping -n -c 3 -i 0.2 "$address"
    # The kernel's socket is told of the smaller MTU by an error, once.
    if until_true 10 within "$1-f" python3 "$here/udp.py" echo "$address" 7; then
        pass "$1: and its UDP echo answers from the address that was asked"
    else
        fail "$1: and its UDP echo answers from the address that was asked" "$(ask explain --drops --last 5)"
    fi
    expect "$1: ndp shows the router as a neighbour" 5 "fe80:[0-9a-f:]+ +[0-9a-f:]{17} +eth0" ask ndp
}

automatic_dhcp() {
    if until_true 20 has "dhcp bound" ask ifconfig eth0; then pass "$1: dnsmasq lends it an address"; else
        fail "$1: dnsmasq lends it an address" "$(ask ifconfig eth0)" "$(tail -n 5 "$work/$1-dnsmasq.log")"
    fi
    expect "$1: ifconfig shows it and its time" 5 "inet 10.9.0.1[0-9][0-9]/24 .*dhcp\) valid 1[01][0-9] s" \
        ask ifconfig eth0
    expect "$1: it takes the router" 5 "0.0.0.0/0 +10.9.0.1 +eth0 .* automatic" ask route -4
    expect "$1: it takes the name server" 5 "dns 10.9.0.53" ask ifconfig eth0
    expect "$1: chimney ping over IPv4 through the router 3/3" 10 "3 received" ask ping 10.10.0.2 -c 3 -i 0.2
    expect "$1: dnsmasq has written the lease down" 5 "10.9.0.1[0-9][0-9]" cat "$work/$1.leases"
    check "$1: ifconfig gives the address back" 5 ask ifconfig eth0 dhcp off
    if until_true 5 no_lease "$1"; then pass "$1: and dnsmasq takes it back"; else
        fail "$1: and dnsmasq takes it back" "$(cat "$work/$1.leases")"
    fi
    if lacks 10.9.0 ask route -4; then pass "$1: and no route of it is left"; else
        fail "$1: and no route of it is left" "$(ask route -4)"
    fi
}
no_lease() { ! grep -q 10.9.0.1 "$work/$1.leases"; }

# An address that the router has already must not become ours.
automatic_duplicate() {
    check "$1: an address that another host has is added" 5 ask ifconfig eth0 add 2001:db8:a::1/64
    if until_true 5 has "2001:db8:a::1/64 \(duplicate\)" ask ifconfig eth0; then
        pass "$1: and found to be a duplicate"
    else
        fail "$1: and found to be a duplicate" "$(ask ifconfig eth0)"
    fi
    check "$1: and is taken away" 5 ask ifconfig eth0 delete 2001:db8:a::1
    expect "$1: netstat -s: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
}

# A router that says farewell is no default router from then on.
automatic_farewell() {
    expect "$1: the default route is there" 5 "::/0 " ask route -6
    kill -TERM "$radvd_pid" 2>/dev/null || true
    if until_true 5 lacks "^::/0 " ask route -6; then pass "$1: and goes when radvd says farewell"; else
        fail "$1: and goes when radvd says farewell" "$(ask route -6)"
    fi
}

# kernel [h0] - [r0] chimney [r1] - [f0] kernel
advertising_router() {
    local bed=advertise
    add_namespace "$bed-h" 6
    add_namespace "$bed-f" 6
    add_namespace "$bed-r"
    within "$bed-h" sysctl -qw net.ipv6.conf.default.accept_ra=1 net.ipv6.conf.default.autoconf=1 \
        net.ipv6.conf.default.accept_ra_rt_info_max_plen=64 2>/dev/null || true
    veth "$bed-h" h0 "$bed-r" r0
    veth "$bed-f" f0 "$bed-r" r1
    ip -n "$prefix-$bed-f" addr add 2001:db8:d::2/64 dev f0
    ip -n "$prefix-$bed-f" -6 route add default via 2001:db8:d::1
    cat >"$work/$bed.yaml" <<END
control: $work/$bed.sock
stacks:
  - name: router
    forwarding: true
    interfaces:
      - name: lan
        driver: afpacket
        device: r0
        addresses: [2001:db8:c::1/64]
        advertise:
          prefixes: [{prefix: 2001:db8:c::/64, valid: 600s, preferred: 300s}]
          interval: 4s
          mtu: 1400
          dns: [2001:db8:c::53]
          routes: [2001:db8:e::/48]
      - name: wan
        driver: afpacket
        device: r1
        addresses: [2001:db8:d::1/64]
END
    start_chimney "$bed" "$bed-r" || return 0
    settle "$bed-f"
    if until_true 15 has 2001:db8:c: ip -n "$prefix-$bed-h" -6 addr show dev h0 dynamic -tentative; then pass "$bed: the kernel makes an address of chimney's prefix"; else
        fail "$bed: the kernel makes an address of chimney's prefix" "$(ip -n "$prefix-$bed-h" -6 addr show dev h0)"
    fi
    expect "$bed: with the lifetimes that chimney tells" 5 "valid_lft (600|59[0-9])sec preferred_lft (300|29[0-9])sec" \
        ip -n "$prefix-$bed-h" -6 addr show dev h0
    expect "$bed: the kernel takes the default route" 5 "default via fe80:[0-9a-f:]+ dev h0 proto ra" \
        ip -n "$prefix-$bed-h" -6 route show
    expect "$bed: the kernel takes the MTU" 5 "^1400$" within "$bed-h" cat /proc/sys/net/ipv6/conf/h0/mtu
    expect "$bed: ping through chimney 3/3" 10 " 3 received" within "$bed-h" ping -n -c 3 -i 0.2 2001:db8:d::2
    expect "$bed: chimney's link-local address answers" 10 " 3 received" \
        within "$bed-h" ping -n -c 3 -i 0.2 "$(ip -n "$prefix-$bed-h" -6 route show default | sed -E 's/.*via ([^ ]+).*/\1/')%h0"
    expect "$bed: netstat -s: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    stop_chimney "$bed"
    if until_true 5 lacks "proto ra" ip -n "$prefix-$bed-h" -6 route show default; then pass "$bed: the default route goes when chimney says farewell"; else
        fail "$bed: the default route goes when chimney says farewell" "$(ip -n "$prefix-$bed-h" -6 route show)"
    fi
}
