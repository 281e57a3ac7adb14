// chimney-bench NAME [SECONDS]: one line of JSON a figure, in the shape of the C peers in ../peers.
import ChimneyLink

let arguments = CommandLine.arguments
let seconds = arguments.count > 2 ? Double(arguments[2]) ?? 1 : 1

switch arguments.count > 1 ? arguments[1] : "" {
case "udp-pipe":
    try benchUDPPipe(seconds: seconds, kind: .ip)
    try benchUDPPipe(seconds: seconds, kind: .ethernet)
case "forward": try benchForwarding(seconds: seconds)
case "lpm": try benchPrefixLookup(seconds: seconds)
case "checksum": benchChecksum(seconds: seconds)
case "memory": try benchMemory()
case "multicast": try benchMulticast(seconds: seconds)
default: print("usage: chimney-bench udp-pipe|forward|lpm|checksum|memory|multicast [SECONDS]")
}
