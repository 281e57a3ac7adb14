#!/usr/bin/env bash
# A Linux kernel on the other end of the wire: chimney on a TAP device and on a veth pair, in network namespaces.
#
#   Tests/InteropTests/run.sh [-4|-6] [tap] [tun] [afpacket] [tcp] [signatures] [narrow] [forward] [pmtu] [scripts] [ipv6] [igmp]
#                              [queriers] [flows] [mld]
#   Tests/InteropTests/run.sh multicast
#
# All beds but `signatures` run when none is named, each of the first nine over both families when none is. `signatures` needs a
# build with the trait of that name: make interop-signatures. `scripts` is packet scripts that
# a kernel runs in the place of a stack of ours (docs/packet-scripts.md). The last four are about groups:
# a probe of IGMP, queriers that others wrote, streams of a kernel, MLD beside a kernel. `multicast` is these four with every
# querier; the slow ones among those, 5 minutes, run nowhere else.
#
# CHIMNEY          the binary; else the release build of this tree, which is built where it is missing
# CHIMNEYC         libchimneyc.so, likewise; else the one beside the binary, without which chimney connects to nobody
# INTEROP_ECHOES   UDP echoes of random size whose contents are compared (100000)
# INTEROP_MIB      MiB each way of a TCP stream (128); curl moves a quarter of it
# INTEROP_BAD_MIB  the same over a bad line (16)
# INTEROP_PINGS    echo requests of the flood (10000)
# INTEROP_STREAM   bytes of TCP that kernels send each other through a router (100000000)
# INTEROP_KEEP     keep the logs when something failed
#
# It needs root and /dev/net/tun; without them it says so and exits 0. It closes with one line of counts and exits 1
# when a check failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
. "$here/lib.sh"

finish() {
    echo "$passed passed, $failed failed, $skipped skipped, $known known"
    [ "$failed" -eq 0 ]
}
give_up() {
    skip "every kernel bed" "$1"
    finish
    exit 0
}

[ "$(id -u)" -eq 0 ] || give_up "this needs root, for network namespaces"
[ -c /dev/net/tun ] || give_up "there is no /dev/net/tun"
command -v ip >/dev/null || give_up "there is no ip (package iproute2)"
unshare --net true 2>/dev/null || give_up "this machine does not allow network namespaces"
for tool in ping python3; do command -v "$tool" >/dev/null || give_up "there is no $tool"; done

if [ -z "${CHIMNEY:-}" ]; then
    CHIMNEY=$(swift build --package-path "$root" -c release --show-bin-path)/chimney
    [ -x "$CHIMNEY" ] || swift build --package-path "$root" -c release --product chimney >&2
    CHIMNEYC=${CHIMNEYC:-$(dirname "$CHIMNEY")/libchimneyc.so}
    [ -e "$CHIMNEYC" ] || swift build --package-path "$root" -c release --product chimneyc >&2 || true
fi
[ -x "$CHIMNEY" ] || { echo "there is no chimney at $CHIMNEY" >&2; exit 1; }
echoes=${INTEROP_ECHOES:-100000}
pings=${INTEROP_PINGS:-10000}
mebibytes=${INTEROP_MIB:-128}
bad_mebibytes=${INTEROP_BAD_MIB:-16}
stream=${INTEROP_STREAM:-100000000}
load=$work/echo-load
if ! command -v gcc >/dev/null || ! gcc -O2 -o "$load" "$root/Benchmarks/peers/echo-load.c" 2>"$work/gcc.log"; then
    load=
fi

. "$here/host.sh"
. "$here/tcp.sh"
. "$here/forward.sh"
. "$here/signatures.sh"
. "$here/narrow.sh"
. "$here/pmtu.sh"
. "$here/ipv6.sh"
. "$here/multicast.sh"

families=(4 6)
case ${1:-} in
-4 | -6) families=("${1#-}") && shift ;;
esac
[ $# -gt 0 ] || set -- tap tun afpacket tcp narrow forward pmtu scripts ipv6 igmp queriers flows mld
# scripts_bed 4|6
scripts_bed() {
    echo "== Packet scripts and the kernel, IPv$1"
    check "scripts: the kernel does what each says, or kernel.tsv says why not" 900 python3 "$here/scripts.py" "-$1"
}
# Over both families, where none was named.
bed_of_families() {
    local family
    for family in "${families[@]}"; do
        case $1 in
        tap | afpacket) host_bed "$1" "$family" ;;
        tun) tun_bed "$family" ;;
        tcp) tcp_bed tap "$family"; tcp_bed afpacket "$family" ;;
        signatures) signatures_bed "$family" ;;
        narrow) narrow_beds "$family" ;;
        forward) forward_bed afpacket "$family"; forward_bed tap "$family" ;;
        pmtu) pmtu_bed 1400 "$family"; pmtu_bed 1280 "$family" ;;
        scripts) scripts_bed "$family" ;;
        esac
    done
}
for bed in "$@"; do
    case $bed in
    tap | tun | afpacket | tcp | signatures | narrow | forward | pmtu | scripts) bed_of_families "$bed" ;;
    ipv6) ipv6_bed ;;
    igmp) multicast_bed probe ;;
    queriers | flows) multicast_bed "$bed" ;;
    mld) multicast_bed side_by_side ;;
    multicast)
        multicast_bed probe
        multicast_bed queriers all
        multicast_bed flows
        multicast_bed side_by_side
        ;;
    *)
        echo "there is no bed '$bed'; there are tap, tun, afpacket, tcp, signatures, narrow, forward, pmtu, scripts, ipv6, igmp, queriers, flows, mld, multicast" >&2
        exit 2
        ;;
    esac
done
finish
