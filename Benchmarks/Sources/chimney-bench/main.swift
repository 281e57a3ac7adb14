// chimney-bench NAME [SECONDS]: one line of JSON a figure, in the shape of the C peers in ../peers.
import ChimneyLink

let arguments = CommandLine.arguments
let seconds = arguments.count > 2 ? Double(arguments[2]) ?? 1 : 1

switch arguments.count > 1 ? arguments[1] : "" {
case "udp-pipe":
    try benchUDPPipe(seconds: seconds, kind: .ip)
    try benchUDPPipe(seconds: seconds, kind: .ethernet)
case "tcp-pipe": try benchTCPPipe(seconds: seconds)
case "tcp-transactions": try benchTCPTransactions(seconds: seconds)
case "tcp-memory": try benchTCPMemory(count: arguments.count > 2 ? Int(arguments[2]) ?? 100_000 : 100_000)
case "forward": try benchForwarding(seconds: seconds)
case "lpm": try benchPrefixLookup(seconds: seconds)
case "checksum": benchChecksum(seconds: seconds)
case "memory": try benchMemory()
case "multicast": try benchMulticast(seconds: seconds)
case "stack-groups": try benchStackGroups(seconds: seconds)
case "stack-group-memory": try benchStackGroupMemory()
case "multicast-memory-0": try benchMulticastMemory(sources: 0, isIPv6: false)
case "multicast-memory-10": try benchMulticastMemory(sources: 10, isIPv6: false)
case "multicast6-memory-0": try benchMulticastMemory(sources: 0, isIPv6: true)
case "multicast6-memory-10": try benchMulticastMemory(sources: 10, isIPv6: true)
default:
    print(
        "usage: chimney-bench udp-pipe|tcp-pipe|tcp-memory|forward|lpm|checksum|memory|multicast|stack-groups|multicast-memory-0 [SECONDS]"
    )
}
