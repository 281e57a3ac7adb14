public import ChimneyPrimitives

/// What a file says about TCP of one stack: bounds, what closed ports answer, services, and what is logged.
public struct TCPConfiguration: Hashable, Sendable {
    /// The most connections; nil for the stack's default.
    public var connectionsMax: Int?
    /// The most listeners; nil for the stack's default.
    public var listenersMax: Int?
    /// The most connections that wait to be accepted from one listener; nil for the stack's default.
    public var backlogMax: Int?
    /// The most half-open connections; nil for the stack's default.
    public var halfOpenMax: Int?
    /// The most flows in TIME-WAIT; nil for the stack's default.
    public var timeWaitMax: Int?
    /// How segments to ports where nobody listens are answered.
    public var closedPorts = ClosedPorts.reset
    /// What connections have without choosing; nil for the stack's default.
    public var congestion: Congestion?
    /// Whether a segment to a port where nobody listens is noted in the log, as far as a bound a second.
    public var logsRefused = false
    /// Whether it is noted in the log that connections open and end.
    public var logsConnections = false
    /// The services that the stack offers over TCP.
    public var services: [TCPServiceConfiguration] = []
    /// The most connections of one of these services; further ones wait to be accepted.
    public var serviceConnectionsMax = 128
    /// The most bytes that a connection of one of these services holds each way.
    ///
    /// That is what may be under way on a long line, and what a slow peer keeps. Nil for 64 KiB, 1 MiB of `http` and 4 MiB of
    /// `iperf3`, whose tests are few and ask for the most.
    public var serviceBufferMax: Int?

    /// The peers with which segments are signed (RFC 2385).
    public var signatures: [Signature] = []
    /// Whether what arrives is looked at for its signature.
    public var verifiesSignatures = true

    /// Peers, and where the key is that is shared with them.
    public struct Signature: Hashable, Sendable {
        /// Their addresses.
        public var peers: IPPrefix
        /// The file with the key: all its bytes but one newline at its end.
        public var keyFile: String

        init(reading cursor: Cursor) throws(ConfigurationError) {
            let fields = try cursor.fields(["peers", "key_file"])
            peers = try fields.required("peers").ipPrefix()
            keyFile = try fields.required("key_file").filePath()
        }
    }

    /// How segments to ports where nobody listens are answered (BSD's `blackhole`).
    public enum ClosedPorts: String, CaseIterable, Hashable, Sendable {
        /// By a RST.
        case reset
        /// A SYN by nothing, others by a RST.
        case silentToSYN = "silent_to_syn"
        /// By nothing.
        case silent
    }

    /// The congestion controls that a file may name.
    public enum Congestion: String, CaseIterable, Hashable, Sendable {
        /// The standard's own (RFC 5681).
        case reno
        /// CUBIC (RFC 9438).
        case cubic
        /// Data Center TCP (RFC 8257).
        case dctcp
        /// Vegas.
        case vegas
    }

    /// The most peers with keys in a file; a longer list is refused.
    public static var signaturesMax: Int { 1_024 }

    /// The defaults: no services, and nothing is logged.
    public init() {}

    init(reading cursor: Cursor) throws(ConfigurationError) {
        let fields = try cursor.fields([
            "connections", "listeners", "backlog", "half_open", "time_wait", "closed_ports", "congestion",
            "log_in_vain", "log_connections", "services", "service_connections", "service_buffer", "signatures",
            "verify_signatures",
        ])
        connectionsMax = try fields["connections"]?.integer(in: 1...16_777_216)
        listenersMax = try fields["listeners"]?.integer(in: 1...65_535)
        backlogMax = try fields["backlog"]?.integer(in: 1...1_048_576)
        halfOpenMax = try fields["half_open"]?.integer(in: 1...16_777_216)
        timeWaitMax = try fields["time_wait"]?.integer(in: 1...16_777_216)
        closedPorts = try fields["closed_ports"]?.choice() ?? .reset
        congestion = try fields["congestion"]?.choice()
        logsRefused = try fields["log_in_vain"]?.flag() ?? false
        logsConnections = try fields["log_connections"]?.flag() ?? false
        if let place = fields["services"] { services = try TCPServiceConfiguration.list(reading: place) }
        for element in try fields.elements("signatures", max: Self.signaturesMax) {
            signatures.append(try Signature(reading: element))
        }
        verifiesSignatures = try fields["verify_signatures"]?.flag() ?? true
        serviceConnectionsMax = try fields["service_connections"]?.integer(in: 1...65_536) ?? 128
        serviceBufferMax = try fields["service_buffer"]?.integer(in: 4_096...268_435_456)
    }
}
