/// A value of a configuration file together with its place in it.
package struct SourceNode: Sendable {
    package enum Content: Sendable {
        case scalar(String, isQuoted: Bool)
        case list([SourceNode])
        case mapping([Entry])
    }

    /// One key of a mapping and its value.
    package struct Entry: Sendable {
        package var key: String
        package var mark: SourceMark
        package var value: SourceNode
    }

    package var content: Content
    package var mark: SourceMark
    /// What the repetition variables stood at when this value was made, such as `r=3`; empty outside of one.
    package var repetition = ""

    /// What a reader of the error sees instead of the value.
    var summary: String {
        switch content {
        case .scalar(let text, let isQuoted):
            text.isEmpty && !isQuoted ? "nothing" : "\"\(text.count > 40 ? text.prefix(40) + "…" : text)\""
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// A line and a column, both from 1.
package struct SourceMark: Hashable, Sendable {
    package var line: Int
    package var column: Int
}
