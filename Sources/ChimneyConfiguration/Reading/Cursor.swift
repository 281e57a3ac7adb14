/// A value being read, with the way that led to it; every question it is asked can fail with its place.
package struct Cursor: Sendable {
    package let node: SourceNode
    package let file: String
    package let path: String

    /// The top of a file, its repetitions written out.
    package init(text: String, file: String, limits: ConfigurationLimits = .init()) throws(ConfigurationError) {
        var repetition = Repetition(file: file, limits: limits)
        let root = try YAMLText.root(of: text, file: file, limits: limits)
        self.init(node: try repetition.expanded(root), file: file, path: "")
    }

    init(node: SourceNode, file: String, path: String) {
        self.node = node
        self.file = file
        self.path = path
    }

    /// The line on which the value stands.
    package var line: Int { node.mark.line }

    /// An error at this place.
    package func failure(_ problem: ConfigurationError.Problem) -> ConfigurationError {
        ConfigurationError(file: file, line: node.mark.line, column: node.mark.column, path: path, problem: problem)
    }

    /// That something else was expected here.
    package func mismatch(_ expected: String) -> ConfigurationError {
        failure(.expected(expected, found: node.summary))
    }

    /// Whether the value is a mapping.
    package var isMapping: Bool {
        if case .mapping = node.content { return true }
        return false
    }

    /// Whether the value is a list.
    package var isList: Bool {
        if case .list = node.content { return true }
        return false
    }

    /// The value as a mapping that has no keys but the known ones.
    package func fields(_ known: [String]) throws(ConfigurationError) -> Fields {
        guard case .mapping(let entries) = node.content else {
            throw mismatch("a mapping with the keys \(known.joined(separator: ", "))")
        }
        for (position, entry) in entries.enumerated() {
            func failure(_ problem: ConfigurationError.Problem) -> ConfigurationError {
                let mark = entry.mark
                return ConfigurationError(
                    file: file, line: mark.line, column: mark.column, path: path, problem: problem)
            }
            guard known.contains(entry.key) else {
                let near = nearest(to: entry.key, among: known)
                throw failure(.unknownKey(entry.key, nearest: near, known: known))
            }
            if let first = entries[..<position].first(where: { $0.key == entry.key }) {
                throw failure(.duplicate(what: "key", name: entry.key, firstLine: first.mark.line))
            }
        }
        return Fields(cursor: self, entries: entries)
    }

    /// The value as a list of at most so many elements.
    package func elements(max: Int) throws(ConfigurationError) -> [Cursor] {
        guard case .list(let items) = node.content else { throw mismatch("a list") }
        guard items.count <= max else { throw failure(.tooManyElements(max: max)) }
        return items.enumerated().map { position, item in
            let repetition = item.repetition.isEmpty ? "" : "(\(item.repetition))"
            return Cursor(node: item, file: file, path: "\(path)[\(position)]\(repetition)")
        }
    }
}

/// The entries of a mapping whose keys are all known.
package struct Fields: Sendable {
    package let cursor: Cursor
    let entries: [SourceNode.Entry]

    /// The value of a key, or nil when the mapping does not have it or gives it no value.
    package subscript(key: String) -> Cursor? {
        guard let entry = entries.first(where: { $0.key == key }) else { return nil }
        let path = cursor.path.isEmpty ? key : "\(cursor.path).\(key)"
        return Cursor(node: entry.value, file: cursor.file, path: path)
    }

    /// The value of a key that must be there.
    package func required(_ key: String) throws(ConfigurationError) -> Cursor {
        guard let value = self[key] else { throw cursor.failure(.missingKey(key)) }
        return value
    }

    /// The elements of a list that may be missing.
    package func elements(_ key: String, max: Int) throws(ConfigurationError) -> [Cursor] {
        guard let value = self[key] else { return [] }
        return try value.elements(max: max)
    }
}

/// Remembers where names were given, refuses a second use and finds the one that was meant.
package struct NameRegister: Sendable {
    let what: String
    private var lines: [String: Int] = [:]
    package private(set) var names: [String] = []

    package init(_ what: String) { self.what = what }

    package mutating func add(_ name: String, at place: Cursor) throws(ConfigurationError) {
        if let line = lines[name] { throw place.failure(.duplicate(what: what, name: name, firstLine: line)) }
        lines[name] = place.line
        names.append(name)
    }

    package func contains(_ name: String) -> Bool { lines[name] != nil }

    package func require(_ name: String, at place: Cursor) throws(ConfigurationError) {
        guard lines[name] == nil else { return }
        throw place.failure(.unknownName(what: what, name: name, nearest: nearest(to: name, among: names)))
    }
}
