#!/bin/bash
# ns.sh: network namespaces with a TAP device each, for the programs here. All names start with cmb-, nothing else is touched.
#
#   ns.sh up NAME ADDRESS/LENGTH [TAP=tap0] [MTU=1500]   makes cmb-NAME afresh, the address on the kernel's side of the TAP
#   ns.sh down NAME                                      removes it; no error if it is not there
#   ns.sh down-all                                       removes every cmb- namespace
#   ns.sh run NAME COMMAND...                            runs a command inside
set -euo pipefail

usage() {
    sed -n '4,7p' "$0" >&2
    exit 2
}
remove() {
    if [ -e "/run/netns/$1" ]; then ip netns del "$1"; fi
}

[ $# -ge 1 ] || usage
case $1 in
up)
    [ $# -ge 3 ] || usage
    ns=cmb-$2 address=$3 tap=${4:-tap0} mtu=${5:-1500}
    remove "$ns"
    ip netns add "$ns"
    trap 'remove "$ns"' ERR
    ip -n "$ns" link set lo up
    # Short connections leave more behind than the usual bounds hold, and bulk data wants buffers of a long line.
    ip netns exec "$ns" sysctl -qw net.ipv4.ip_local_port_range="1024 65000" net.ipv4.tcp_tw_reuse=1 \
        net.ipv4.tcp_max_tw_buckets=512 net.ipv4.tcp_wmem="4096 16384 16777216" net.ipv4.tcp_rmem="4096 131072 33554432"
    # Neighbour discovery would put frames on the wire that no measurement asked for.
    ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
    ip -n "$ns" tuntap add dev "$tap" mode tap
    ip -n "$ns" link set "$tap" mtu "$mtu" txqueuelen 1000 address 02:00:00:00:00:01 up
    ip -n "$ns" addr add "$address" dev "$tap"
    ;;
down)
    [ $# -eq 2 ] || usage
    remove "cmb-$2"
    ;;
down-all)
    for path in /run/netns/cmb-*; do
        if [ -e "$path" ]; then ip netns del "${path##*/}"; fi
    done
    ;;
run)
    [ $# -ge 3 ] || usage
    ns=cmb-$2
    shift 2
    exec ip netns exec "$ns" "$@"
    ;;
*) usage ;;
esac
