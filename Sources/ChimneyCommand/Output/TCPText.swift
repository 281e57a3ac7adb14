import ChimneyControl

/// Listeners and connections as people read them.
enum TCPText {
    /// A row for each; nothing when there is none.
    static func table(_ list: [SocketReport]) -> String {
        let sockets = list.filter { $0.transport == "tcp" }
        guard !sockets.isEmpty else { return "" }
        var table = TextTable(
            "Proto", "Local", "Remote", "State", "Recv-Q", "Send-Q", "RTT", "Cwnd", "Resent", "Congestion", "Signed",
            "FIB")
        for socket in sockets {
            if let listener = socket.listener {
                table.add(
                    "tcp", socket.local, "*", "LISTEN", "\(listener.waiting)", "\(listener.backlogMax)", "-", "-", "-",
                    "-", "-", "\(socket.fib)")
            } else if let connection = socket.connection {
                table.add(
                    "tcp", socket.local, socket.remote ?? "*", connection.state, "\(connection.receiveQueueBytes)",
                    "\(connection.sendQueueBytes)", roundTrip(connection), "\(connection.congestionWindow)",
                    "\(connection.retransmissions)", connection.congestionControl, connection.isSigned ? "md5" : "-",
                    "\(socket.fib)")
            }
        }
        return table.text
    }

    private static func roundTrip(_ connection: TCPConnectionReport) -> String {
        connection.roundTripMilliseconds.map { "\(ReportText.fixed($0, 3)) ms" } ?? "-"
    }

    /// Everything that is known of each.
    static func details(_ list: [SocketReport]) -> String {
        list.map { socket in
            let remote = socket.remote.map { " to \($0)" } ?? ""
            let lines = ["\(socket.transport) \(socket.local)\(remote), fib \(socket.fib)"] + details(socket)
            return lines.joined(separator: "\n    ") + "\n"
        }.joined()
    }

    private static func details(_ socket: SocketReport) -> [String] {
        if let listener = socket.listener {
            return [
                "LISTEN: \(listener.waiting) of at most \(listener.backlogMax) connections wait to be accepted",
                "accepted \(listener.accepted), found its queue full \(listener.overflows)",
            ]
        }
        guard let connection = socket.connection else {
            return [
                "received \(socket.received), sent \(socket.sent), dropped \(socket.dropped)",
                "\(socket.queuedPackets) datagrams of \(socket.queuedBytes) bytes wait",
            ]
        }
        return details(connection)
    }

    private static func details(_ connection: TCPConnectionReport) -> [String] {
        let threshold = connection.slowStartThreshold.map { "\($0)" } ?? "none"
        let roundTrip =
            connection.roundTripMilliseconds.map {
                "rtt \(ReportText.fixed($0, 3)) ms, varying by "
                    + "\(ReportText.fixed(connection.roundTripVariationMilliseconds, 3)) ms"
            } ?? "rtt not known yet"
        let timers = connection.timers.map { "\($0.kind) in \(ReportText.fixed($0.secondsLeft, 3)) s" }
        return [
            "\(connection.state): \(connection.reasonItIsOpen)\(connection.hasOwner ? "" : " (no owner)")",
            "receive \(connection.receiveQueueBytes) bytes to read, \(connection.outOfOrderBytes) out of order, "
                + "window \(connection.receiveWindow)",
            "send \(connection.sendQueueBytes) bytes, \(connection.outstandingBytes) of them under way, "
                + "window \(connection.peerWindow)",
            "\(connection.congestionControl) \(connection.recovery): cwnd \(connection.congestionWindow), "
                + "ssthresh \(threshold), mss \(connection.segmentSize), path mtu \(connection.pathMTU)"
                + (connection.isSigned ? ", signed with md5" : ""),
            "\(roundTrip), rto \(ReportText.fixed(connection.retransmissionTimeoutMilliseconds, 0)) ms; "
                + "\(connection.retransmissions) segments sent again, \(connection.timeouts) timeouts",
            "timers " + (timers.isEmpty ? "none" : timers.joined(separator: ", ")),
        ]
    }
}
