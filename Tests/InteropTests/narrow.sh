# Streams through a hop narrower than the smallest segment, between two routers that are kernels. Sourced by run.sh.

# Into how many pieces a kernel cut packets that it forwarded, 0 where it cut none: from `least` to `most`.
was_cut='
    $1 == "Ip:" && !columns { for (i = 2; i <= NF; i++) column[$i] = i; columns = 1; next }
    $1 == "Ip:" { whole = $column["FragOKs"]; pieces = $column["FragCreates"] }
    END {
        ratio = whole ? pieces / whole : 0
        print whole, "packets were cut into", pieces, "pieces"
        exit !(ratio >= least && ratio <= most)
    }'

# narrow_beds 4|6: the smallest MTUs that the family knows; IPv6 has no smaller one than 1280 (RFC 8200 §5).
narrow_beds() {
    local mtu
    if [ "$1" = 4 ]; then for mtu in 68 256; do narrow_bed "$mtu" 4; done; else narrow_bed 1280 6; fi
}

# narrow_bed MTU 4|6
narrow_bed() {
    local bed=narrow$2-$1 a left right b length elsewhere elsewhere_net hop
    between "$2"
    if [ "$2" = 4 ]; then hop=(10.77.3.1 10.77.3.2 30); else hop=(2001:db8:77:3::1 2001:db8:77:3::2 64); fi
    echo "== TCP through a hop of $1 bytes, IPv$2"
    add_namespace "$bed-c"
    add_namespace "$bed-r" "$2"
    add_namespace "$bed-s" "$2"
    add_namespace "$bed-b" "$2"
    veth "$bed-r" ra "$bed-c" c0
    veth "$bed-r" rs "$bed-s" sr
    veth "$bed-s" sb "$bed-b" hb
    ip -n "$prefix-$bed-r" addr add "$left/$length" dev ra
    ip -n "$prefix-$bed-r" addr add "${hop[0]}/${hop[2]}" dev rs
    ip -n "$prefix-$bed-s" addr add "${hop[1]}/${hop[2]}" dev sr
    ip -n "$prefix-$bed-s" addr add "$right/$length" dev sb
    ip -n "$prefix-$bed-b" addr add "$b/$length" dev hb
    # The devices' MTU, and not a route's: the routers answer what does not fit, and cut what may be cut.
    ip -n "$prefix-$bed-r" link set rs mtu "$1"
    ip -n "$prefix-$bed-s" link set sr mtu "$1"
    ip -n "$prefix-$bed-r" route add default via "${hop[1]}"
    ip -n "$prefix-$bed-s" route add default via "${hop[0]}"
    ip -n "$prefix-$bed-b" route add default via "$right"
    within "$bed-r" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    within "$bed-s" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
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
        offloads: checksum
    routes:
      - {to: default, via: $left}
    tcp: {services: [echo, discard, chargen]}
END
    start_chimney "$bed" "$bed-c" || return 0
    settle "$bed-r" "$bed-s" "$bed-b"
    local ask_kernel=(within "$bed-b" python3 "$here/tcp.py")
    check "$bed: 2 MiB each way, contents hashed" 120 "${ask_kernel[@]}" echo "$a" 7 2
    check "$bed: 2 MiB to discard" 60 "${ask_kernel[@]}" discard "$a" 9 2
    check "$bed: 2 MiB of characters, and a reset" 60 "${ask_kernel[@]}" chargen "$a" 19 2
    # Of chimney's segments a router cuts those of the smallest size, where even they are too large, and no others: what may
    # not be cut came in larger pieces only until the MTU was learned.
    case $1 in
    68) check "$bed: the router cuts chimney's segments into five pieces" 5 within "$bed-r" awk -v least=4.8 -v most=5 "$was_cut" \
        /proc/net/snmp ;;
    256) check "$bed: the router cuts none of chimney's segments" 5 within "$bed-r" awk -v least=0 -v most=0 "$was_cut" \
        /proc/net/snmp ;;
    esac
    [ "$2" = 6 ] || check "$bed: the other router cuts the kernel's" 5 within "$bed-s" awk -v least=2 -v most=20 "$was_cut" \
        /proc/net/snmp
    expect "$bed: no packet lost without a name" 5 "held, and the queues hold as many" ask netstat -s
    stop_chimney "$bed"
}
