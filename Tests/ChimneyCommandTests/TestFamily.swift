import ChimneyControl
import Testing

/// The addresses that a test uses, in one of the two families.
struct TestFamily: CustomTestStringConvertible, Sendable {
    var family: AddressFamily
    /// An address of ours and the length of its subnet.
    var own: String
    var subnetLength: Int
    /// A router of the subnet.
    var router: String
    /// An address of the subnet that nobody answers for.
    var absent: String
    /// A further address for us and the length of its subnet.
    var further: String
    var furtherLength: Int
    /// An address that no route leads to.
    var elsewhere: String
    /// What `default` stands for.
    var everything: String

    static let all = [
        TestFamily(
            family: .ipv4, own: "10.7.0.2", subnetLength: 24, router: "10.7.0.1", absent: "10.7.0.9",
            further: "10.8.0.1", furtherLength: 16, elsewhere: "203.0.113.9", everything: "0.0.0.0/0"),
        TestFamily(
            family: .ipv6, own: "2001:db8:7::2", subnetLength: 64, router: "2001:db8:7::1", absent: "2001:db8:7::9",
            further: "2001:db8:8::1", furtherLength: 56, elsewhere: "2001:db8:113::9", everything: "::/0"),
    ]

    var testDescription: String { family.rawValue }
}
