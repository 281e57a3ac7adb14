# A chimney host opposite a kernel host: 10.7.0.2 and 10.7.0.1, or fd07::2 and fd07::1. Sourced by run.sh.

# host_bed tap|afpacket 4|6
host_bed() {
    local bed=$1
    [ "$2" = 4 ] || bed=${1}6
    echo "== a host over $1, IPv$2"
    host_words "$2"
    add_namespace "$bed-k" "$2"
    if [ "$1" = tap ]; then host_tap "$bed"; else host_veth "$bed"; fi || return 0
    settle "$bed-k"
    lose_a_fragment "$bed"
    host_pings "$bed"
    host_udp "$bed"
    host_capture "$bed"
    host_mac "$bed"
    host_explain "$bed"
    host_device_gone "$bed"
    stop_chimney "$bed"
}

# tun_bed 4|6: the same over a device without link addresses and neighbours.
tun_bed() {
    local bed=tun
    [ "$1" = 4 ] || bed=tun6
    echo "== a host over tun, IPv$1"
    host_words "$1"
    add_namespace "$bed-k" "$1"
    host_file "$bed" "driver: tun" "device: chim0" "kernel: $theirs/$length"
    start_chimney "$bed" "$bed-k" || return 0
    settle "$bed-k"
    host_pings "$bed"
    host_udp "$bed"
    expect "$bed: netstat -s: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    stop_chimney "$bed"
}

# host_words 4|6: what the checks say in a family.
host_words() {
    if [ "$1" = 4 ]; then
        ours=10.7.0.2 theirs=10.7.0.1 length=24 absent=10.7.0.77 elsewhere=203.0.113.9 strange=10.99.0.1
        inet=inet ours_as_peer=10.7.0.2: size_max=65507
        echoes_only=(icmp) icmp=icmp echo_types='icmp.type == 0 || icmp.type == 8'
        fields=(-T fields -e ip.src -e ip.dst -e icmp.type -e icmp.seq -e frame.len)
        crafted=(udp-checksum:udpChecksumBad ip-checksum:ipChecksumBad not-ours:addressNotOurs
            truncated:ipTotalLengthWrong)
    else
        ours=fd07::2 theirs=fd07::1 length=64 absent=fd07::77 elsewhere=2001:db8:113::9 strange=fd99::1
        inet=inet6 ours_as_peer='\[fd07::2\]:' size_max=65527
        echoes_only=('icmp6 and (ip6[40] == 128 or ip6[40] == 129)') icmp=icmp6
        echo_types='icmpv6.type == 128 || icmpv6.type == 129'
        fields=(-T fields -e ipv6.src -e ipv6.dst -e icmpv6.type -e icmpv6.echo.sequence_number -e frame.len)
        crafted=(udp-checksum:udpChecksumBad not-ours:addressNotOurs truncated:ipTotalLengthWrong
            solicitation:ndpHopLimit)
    fi
}

# The TAP device is chimney's, and chimney gives the kernel its side of it.
host_tap() {
    host_file "$1" "driver: tap" "device: chim0" "kernel: $theirs/$length"
    kernel_device=chim0 own_device=chim0 device_namespace=$1-k
    start_chimney "$1" "$1-k" || return 1
    expect "$1: the kernel's side of the device has its address" 5 "$inet $theirs/$length" \
        ip -n "$prefix-$1-k" addr show dev chim0
}
# Chimney has one end of a cable in its own namespace, where the kernel has no address.
host_veth() {
    add_namespace "$1-c"
    veth "$1-k" k0 "$1-c" c0
    ip -n "$prefix-$1-k" addr add "$theirs/$length" dev k0
    host_file "$1" "driver: afpacket" "device: c0"
    kernel_device=k0 own_device=c0 device_namespace=$1-c
    start_chimney "$1" "$1-c"
}
# host_file NAME DRIVER-LINE...
host_file() {
    local name=$1 line
    shift
    {
        echo "control: $work/$name.sock"
        echo "stacks:"
        echo "  - name: red"
        echo "    interfaces:"
        echo "      - name: eth0"
        for line in "$@"; do echo "        $line"; done
        echo "        addresses: [$ours/$length]"
        echo "        acd: false"
        echo "    tcp: {services: [echo, discard, chargen, http, iperf3], service_connections: 2000}"
        echo "    services:"
        echo "      echo: 7"
        echo "      discard: 9"
        echo "      chargen: 19"
    } >"$work/$name.yaml"
}

host_pings() {
    expect "$1: ping 3/3" 10 " 3 received" within "$1-k" ping -n -c 3 -i 0.2 "$ours"
    expect "$1: ping -f -c $pings loses nothing" 120 "$pings received, 0% packet loss" \
        within "$1-k" ping -n -q -f -c "$pings" "$ours"
    expect "$1: ping -s 65507, fragments both ways" 15 " 3 received" \
        within "$1-k" ping -n -c 3 -i 0.2 -s 65507 "$ours"
    expect "$1: chimney ping 3/3" 10 "3 received" ask ping "$theirs" -c 3 -i 0.2
    expect "$1: chimney ping -s $size_max" 15 "3 received" ask ping "$theirs" -c 3 -i 0.2 -s "$size_max"
}

host_udp() {
    if [ -n "$load" ]; then
        check "$1: $echoes UDP echoes of 0 to $size_max bytes, every byte compared" 400 \
            within "$1-k" "$load" "$ours" 7 --verify "$echoes"
    else
        skip "$1: $echoes UDP echoes" "gcc could not compile Benchmarks/peers/echo-load.c"
    fi
    check "$1: a closed port gives ECONNREFUSED" 10 within "$1-k" python3 "$here/udp.py" refused "$ours" 99
    check "$1: echo gives back what it is sent" 10 within "$1-k" python3 "$here/udp.py" echo "$ours" 7
    check "$1: discard says nothing" 10 within "$1-k" python3 "$here/udp.py" discard "$ours" 9
    check "$1: chargen answers with characters" 10 within "$1-k" python3 "$here/udp.py" chargen "$ours" 19
}

ended() { ! kill -0 "$1" 2>/dev/null; }

# The same ten echo requests and replies must be in both captures.
host_capture() {
    if ! command -v tshark >/dev/null || ! command -v tcpdump >/dev/null; then
        skip "$1: tshark reads chimney capture" "there is no tshark or no tcpdump"
        return
    fi
    local mine kernels pid dump
    within "$1-k" tcpdump -i "$kernel_device" -U -w "$work/$1-kernel.pcap" -c 20 "${echoes_only[@]}" \
        >"$work/$1-tcpdump.log" 2>&1 &
    dump=$!
    pids+=("$dump")
    # Neighbours may ask for each other meanwhile, so that chimney's is not ended by a count.
    ask capture eth0 -w "$work/$1.pcapng" --seconds 4 "$icmp" >"$work/$1-capture.log" 2>&1 &
    pid=$!
    until_true 5 grep -q listening "$work/$1-tcpdump.log" || true
    sleep 0.5
    within "$1-k" ping -n -q -c 10 -i 0.05 -s 300 "$ours" >/dev/null 2>&1 || true
    wait "$pid" || true
    # It ends by itself with the 20th frame, and has written all of them only then.
    until_true 15 ended "$dump" || true
    mine=$(tshark -r "$work/$1.pcapng" -Y "$echo_types" "${fields[@]}" 2>"$work/$1-tshark.log" | sort) || true
    kernels=$(tshark -r "$work/$1-kernel.pcap" "${fields[@]}" 2>/dev/null | sort) || true
    if [ "$(wc -l <<<"$mine")" -eq 20 ] && [ "$mine" = "$kernels" ]; then
        pass "$1: tshark reads chimney capture and sees the kernel's 20 frames"
    else
        fail "$1: tshark reads chimney capture and sees the kernel's 20 frames" "$(cat "$work/$1-capture.log")" \
            "$(cat "$work/$1-tshark.log")" "$(diff <(echo "$mine") <(echo "$kernels") | head -n 8)"
    fi
    ask capture eth0 --seconds 3 -c 2 udp port 7 >"$work/$1-out.pcapng" 2>/dev/null &
    pid=$!
    sleep 0.7
    within "$1-k" ping -n -q -c 2 -i 0.1 "$ours" >/dev/null 2>&1 || true
    within "$1-k" python3 "$here/udp.py" echo "$ours" 7 >/dev/null 2>&1 || true
    wait "$pid" || true
    expect "$1: a filtered capture to standard output holds what it names" 10 '^2$' \
        sh -c "tshark -r '$work/$1-out.pcapng' -Y 'udp.port == 7' 2>/dev/null | wc -l"
}

# The kernel's neighbour entry must follow the gratuitous ARP, or the unsolicited advertisement, of a new address.
host_mac() {
    within "$1-k" ping -n -q -c 1 "$ours" >/dev/null 2>&1 || true
    # The kernel ignores news about an entry that changed within the last second (locktime).
    sleep 1.2
    check "$1: chimney ifconfig changes the MAC" 10 ask ifconfig eth0 mac 02:00:00:00:0c:99
    if until_true 3 neighbour_is "$1-k" 02:00:00:00:0c:99; then
        pass "$1: the kernel's neighbour table follows the changed MAC"
    else
        fail "$1: the kernel's neighbour table follows the changed MAC" "$(ip -n "$prefix-$1-k" neigh show)"
    fi
    expect "$1: ping 3/3 after it" 10 " 3 received" within "$1-k" ping -n -c 3 -i 0.2 "$ours"
}
neighbour_is() { ip -n "$prefix-$1" neigh show "$ours" | grep -qi "lladdr $2"; }

# A first fragment whose others never come; the reason is asked for when its time is over.
lose_a_fragment() {
    chimney_mac=$(ask ifconfig eth0 --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["mac"])') || true
    craft "$1" fragment || true
    fragment_sent=$SECONDS
}
craft() { within "$1-k" python3 "$here/craft.py" "$kernel_device" "$chimney_mac" "$ours" "$2"; }

host_explain() {
    chimney_mac=02:00:00:00:0c:99
    expect "$1: explain: no route" 5 "noRoute" ask explain "$elsewhere"
    expect "$1: explain: port closed" 5 "portClosed" ask explain "$theirs" "$ours" --udp 99
    expect "$1: explain: delivered" 5 "delivered to udp port 7" ask explain "$theirs" "$ours" --udp 7
    expect "$1: explain --drops: port closed" 5 "portClosed on eth0 .* > ${ours_as_peer}99 udp" \
        ask explain --drops --reason portClosed
    ask ping "$absent" -c 1 -W 5 >/dev/null 2>&1 || true
    expect "$1: explain: no neighbour" 5 "$absent (did not answer|has not answered|is not known)|neighborUnresolved" \
        ask explain "$absent"
    expect "$1: explain --drops: no neighbour" 5 "neighborUnresolved" ask explain --drops "$absent"
    local kind
    for kind in "${crafted[@]}"; do
        craft "$1" "${kind%%:*}" || true
        sleep 0.2
        expect "$1: explain --drops: ${kind%%:*}" 5 "${kind##*:}" ask explain --drops --reason "${kind##*:}"
    done
    expect "$1: explain: not our address" 5 "addressNotOurs" ask explain "$theirs" "$strange"
    local left=$((fragment_sent + 62 - SECONDS))
    [ "$left" -le 0 ] || sleep "$left"
    expect "$1: explain --drops: fragment lost" 5 "fragmentTimeout" ask explain --drops --reason fragmentTimeout
    expect "$1: netstat -s: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
}

# The device goes while echoes are under way.
host_device_gone() {
    local pid=
    if [ -n "$load" ]; then
        within "$1-k" "$load" "$ours" 7 1000 32 10 >/dev/null 2>&1 &
        pid=$!
        pids+=("$pid")
    else
        within "$1-k" ping -q -f -c 1000000 "$ours" >/dev/null 2>&1 &
        pid=$!
        pids+=("$pid")
    fi
    sleep 1
    ip -n "$prefix-$device_namespace" link del "$own_device"
    until_true 5 device_is_gone || true
    expect "$1: a device deleted under load is shown as gone" 5 "eth0: gone" ask ifconfig eth0
    if grep -qiE "gone" "$work/$1.log"; then pass "$1: and is reported in the log"; else
        fail "$1: and is reported in the log" "$(cat "$work/$1.log")"
    fi
    if kill -0 "$chimney_pid" 2>/dev/null; then pass "$1: and the process lives"; else
        fail "$1: and the process lives" "$(tail -n 12 "$work/$1.log")"
    fi
    expect "$1: and no packet is lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}
device_is_gone() { ask ifconfig eth0 | grep -q gone; }
