#!/bin/bash
# Writes what each fuzz target begins with into .corpus: messages as the RFCs define them, in hex.
set -euo pipefail
cd "$(dirname "$0")"

seed() {
    mkdir -p ".corpus/$1"
    # shellcheck disable=SC2059
    printf "$(printf '%s' "$3" | tr -d ' ' | sed 's/../\\x&/g')" >".corpus/$1/$2"
}
zeros() { printf '00%.0s' $(seq "$1"); }

seed Ethernet ipv4 "ffffffffffff 020000000001 0800 4500"
seed VLANTag tagged "6064 0800 4500"
seed ARP request "0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002"
seed UDP empty "1388 0007 0008 0000"
seed UDP data "1388 0007 000c 1234 01020304"
seed IPv4 udp "4500 0018 1c46 4000 40 11 9c76 c0a80001 c0a800c7 01020304"
seed IPv4 options "4600 0018 1c46 2001 01 02 0000 c0a80001 e0000016 94040000"
seed IPv4Options alert "94040000"
seed IPv4Options route "070b04 00000000 00000000 00"
seed IPv4Options times "440c0500 00000000 00000000"
seed IPv4Options addressed "44140501 $(zeros 16)"
seed IPv4Options prespecified "44140503 00000001 00000000 00000002 00000000"
seed IPv4Options sources "830704 0a000001 01 890704 0a000002 00"
seed IPv4Options security "820b00000000000000000001"
seed IPv4Options stream "88041234"
seed ICMPv4 echo "0800 f7fd 0001 0001"
seed ICMPv4 reply "0000 fffd 0001 0001 61626364"
seed ICMPv4 unreachable "0304 0000 0000 05dc 4500001800000000401100000a0000010a000002 0001000200040000"
seed ICMPv4 extended "0b00 0000 0020 0000 45000080$(zeros 124) 20000000 00080101 00010123"
seed ICMPv4 redirect "0501 0000 0a000001 4500001800000000401100000a0000010a000002 0001000200040000"
seed ICMPv4 parameter "0c00 0000 14000000 4600001800000000401100000a0000010a000002 44040000"
seed ICMPv4 advertisement "0900 0000 01020708 0a000001 00000000"
seed ICMPv4 solicitation "0a00 f5ff 00000000"
seed ICMPv4 timestamp "0d00 0000 0001 0001 000000010000000200000003"
seed ICMPv4 mask "1200 0000 0001 0001 ffffff00"
addresses="20010db8000000000000000000000001 20010db8000000000000000000000002"
seed IPv6 udp "60000000 0008 11 40 $addresses 0001000200080000"
seed IPv6 alert "60000000 0008 00 01 $addresses 3a00 05020000 0100"
seed IPv6 routing "60000000 0018 2b 40 $addresses 3b02030000000000 20010db8000000000000000000000003"
seed IPv6 fragment "60000000 0010 2c 40 $addresses 1100000100000001 0001000200080000"
seed IPv6 authentication "60000000 0018 33 40 $addresses 3b040000 00000001 00000002 $(zeros 12)"
seed IPv6 destination "60000000 0010 3c 40 $addresses 3c00 c2040001 0000 3b00 c9020000 0100"
