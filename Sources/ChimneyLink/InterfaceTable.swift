/// What the table knows of an interface.
public struct Interface: Hashable, Sendable {
    /// Which interface it is, the same through renames.
    public let index: InterfaceIndex
    /// What its frames begin with.
    public let kind: LinkKind
    /// Its name, unique in the table.
    public internal(set) var name: String
    /// The groups it is in, sorted.
    public internal(set) var groups: [String]
}

/// Why the table of interfaces was not changed.
public enum InterfaceTableError: Error, Hashable, Sendable {
    /// The table is full.
    case tooManyInterfaces(max: Int)
    /// The name or group is empty, longer than ``InterfaceTable/nameBytesMax``, or has a character names do not have.
    case invalidName(String)
    /// Another interface has the name.
    case nameInUse(String, by: InterfaceIndex)
    /// No interface has the index.
    case noSuchInterface(InterfaceIndex)
    /// The interface is in as many groups as one can be.
    case tooManyGroups(max: Int)
}

/// The interfaces of a stack by index and by name.
///
/// A value: a copy is a snapshot that later changes do not reach. An index stays with its
/// interface until that is detached, and is given again only when all higher ones have been used.
public struct InterfaceTable: Hashable, Sendable {
    /// The most interfaces; at the bound attaching is refused.
    public let interfacesMax: Int
    /// The interfaces in the order of their indexes.
    public private(set) var interfaces: [Interface] = []
    private var lastIndex: UInt32 = 0

    /// The longest name, in bytes; what BSD and Linux take.
    public static var nameBytesMax: Int { 15 }
    /// The most groups an interface is in; at the bound joining is refused.
    public static var groupsMax: Int { 16 }

    /// An empty table.
    public init(interfacesMax: Int = 4_096) { self.interfacesMax = max(0, interfacesMax) }

    /// Adds an interface.
    ///
    /// - Throws: ``InterfaceTableError``; the table is as before.
    public mutating func attach(name: String, kind: LinkKind) throws(InterfaceTableError) -> InterfaceIndex {
        try check(name, except: nil)
        guard interfaces.count < interfacesMax else { throw .tooManyInterfaces(max: interfacesMax) }
        let index = freeIndex()
        let position = interfaces.firstIndex { $0.index > index } ?? interfaces.count
        interfaces.insert(Interface(index: index, kind: kind, name: name, groups: []), at: position)
        return index
    }

    /// Removes an interface.
    public mutating func detach(_ index: InterfaceIndex) throws(InterfaceTableError) {
        interfaces.remove(at: try position(of: index))
    }

    /// Gives an interface another name.
    public mutating func rename(_ index: InterfaceIndex, to name: String) throws(InterfaceTableError) {
        let position = try position(of: index)
        try check(name, except: index)
        interfaces[position].name = name
    }

    /// Puts an interface into a group, which exists as long as somebody is in it.
    public mutating func join(_ group: String, _ index: InterfaceIndex) throws(InterfaceTableError) {
        let position = try position(of: index)
        guard Self.isValid(group) else { throw .invalidName(group) }
        let groups = interfaces[position].groups
        guard !groups.contains(group) else { return }
        guard groups.count < Self.groupsMax else { throw .tooManyGroups(max: Self.groupsMax) }
        interfaces[position].groups.insert(group, at: groups.firstIndex { $0 > group } ?? groups.count)
    }

    /// Takes an interface out of a group.
    public mutating func leave(_ group: String, _ index: InterfaceIndex) throws(InterfaceTableError) {
        let position = try position(of: index)
        interfaces[position].groups.removeAll { $0 == group }
    }

    /// The interface with an index.
    public subscript(index: InterfaceIndex) -> Interface? { search(index).map { interfaces[$0] } }

    /// The interface with a name.
    public subscript(name: String) -> Interface? { interfaces.first { $0.name == name } }

    /// The interfaces in a group, in the order of their indexes.
    public func members(of group: String) -> [Interface] { interfaces.filter { $0.groups.contains(group) } }

    /// Whether a name may be given: printable ASCII without space, `%`, `/` and `:`, not `.` or `..`.
    public static func isValid(_ name: String) -> Bool {
        let bytes = name.utf8
        guard !bytes.isEmpty, bytes.count <= nameBytesMax, name != ".", name != ".." else { return false }
        let excluded = "%/:".utf8
        return bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F && !excluded.contains($0) }
    }

    private func check(_ name: String, except index: InterfaceIndex?) throws(InterfaceTableError) {
        guard Self.isValid(name) else { throw .invalidName(name) }
        if let holder = self[name], holder.index != index { throw .nameInUse(name, by: holder.index) }
    }

    private func position(of index: InterfaceIndex) throws(InterfaceTableError) -> Int {
        guard let position = search(index) else { throw .noSuchInterface(index) }
        return position
    }

    /// The position of an index in the sorted list: a binary search.
    private func search(_ index: InterfaceIndex) -> Int? {
        var low = 0
        var high = interfaces.count
        while low < high {
            let middle = (low + high) / 2
            if interfaces[middle].index < index { low = middle + 1 } else { high = middle }
        }
        return low < interfaces.count && interfaces[low].index == index ? low : nil
    }

    /// The index after the last one given, so that what still names a detached interface names none;
    /// after the largest, the lowest free one.
    private mutating func freeIndex() -> InterfaceIndex {
        if lastIndex < .max {
            lastIndex += 1
            return InterfaceIndex(rawValue: lastIndex)
        }
        var free: UInt32 = 1
        for interface in interfaces where interface.index.rawValue == free { free += 1 }
        return InterfaceIndex(rawValue: free)
    }
}
