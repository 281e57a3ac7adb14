import ChimneyLink
import ChimneyPrimitives

extension VirtualStack {
    mutating func register(_ description: InterfaceDescription) throws(InterfaceError) -> InterfaceIndex {
        try checkName(description.name)
        var candidate: UInt32 = 2
        while ports.position(of: InterfaceIndex(rawValue: candidate)) != nil { candidate += 1 }
        return InterfaceIndex(rawValue: candidate)
    }

    /// A name that is free and that tools can print and parse.
    func checkName(_ name: String) throws(InterfaceError) {
        let isPrintable = name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x25 && $0 != 0x2F }
        guard (1...31).contains(name.utf8.count), isPrintable else { throw .nameInvalid(name) }
        guard interface(named: name) == nil else { throw .nameInUse(name) }
    }

    func interfaceName(_ index: InterfaceIndex) -> String { ports.position(of: index).map { ports[$0].name } ?? "" }
}
