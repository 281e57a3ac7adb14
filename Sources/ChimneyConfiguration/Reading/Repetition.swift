/// Writes out list elements that carry a `repeat` key.
///
/// `repeat: {r: 1..10, h: 1..9}` makes ninety elements, `r` being the outer variable. In the scalars of the
/// element `{r}` stands for the number and `{r+1}`, `{r*10+h}` or `{h%4}` for a computed one; operators are
/// applied from left to right. Repetitions nest, and every value made counts against the file's bound.
struct Repetition {
    let file: String
    let limits: ConfigurationLimits
    private var nodeCount = 0

    init(file: String, limits: ConfigurationLimits) {
        self.file = file
        self.limits = limits
    }

    private typealias Variables = [(name: String, value: Int)]

    mutating func expanded(_ root: SourceNode) throws(ConfigurationError) -> SourceNode {
        try expanded(root, with: [], path: "")
    }

    private mutating func expanded(
        _ node: SourceNode, with variables: Variables, path: String
    ) throws(ConfigurationError) -> SourceNode {
        nodeCount += 1
        guard nodeCount <= limits.nodesMax else {
            throw failure(.tooManyValues(nodesMax: limits.nodesMax), at: node.mark, path)
        }
        var result = node
        switch node.content {
        case .scalar(let text, let isQuoted):
            guard !variables.isEmpty, text.contains("{") else { return node }
            let replaced = try substituted(text, with: variables, at: node.mark, path: path)
            // "{r}" has to be quoted in YAML, and the number that it becomes is a number nevertheless.
            result.content = .scalar(replaced, isQuoted: isQuoted && replaced.isEmpty)
        case .mapping(let entries):
            var changed: [SourceNode.Entry] = []
            for entry in entries {
                let value = try expanded(entry.value, with: variables, path: join(path, entry.key))
                changed.append(.init(key: entry.key, mark: entry.mark, value: value))
            }
            result.content = .mapping(changed)
        case .list(let items):
            var changed: [SourceNode] = []
            for item in items {
                try append(item, with: variables, path: "\(path)[\(changed.count)]", to: &changed)
            }
            result.content = .list(changed)
        }
        return result
    }

    /// Appends one element, or as many as its `repeat` key asks for.
    private mutating func append(
        _ item: SourceNode, with variables: Variables, path: String, to list: inout [SourceNode]
    ) throws(ConfigurationError) {
        guard case .mapping(let entries) = item.content,
            let position = entries.firstIndex(where: { $0.key == "repeat" })
        else { return list.append(try expanded(item, with: variables, path: path)) }
        var template = item
        var remaining = entries
        let ranges = try ranges(of: remaining.remove(at: position).value, with: variables, path: path)
        template.content = .mapping(remaining)
        try append(template, over: ranges[...], with: variables, own: [], path: path, to: &list)
    }

    private mutating func append(
        _ template: SourceNode, over ranges: ArraySlice<(name: String, range: ClosedRange<Int>)>,
        with variables: Variables, own: Variables, path: String, to list: inout [SourceNode]
    ) throws(ConfigurationError) {
        guard let (name, range) = ranges.first else {
            var element = try expanded(template, with: variables, path: path)
            element.repetition = own.map { "\($0.name)=\($0.value)" }.joined(separator: ", ")
            return list.append(element)
        }
        for value in range {
            let bound = (name: name, value: value)
            try append(
                template, over: ranges.dropFirst(), with: variables + [bound], own: own + [bound], path: path, to: &list
            )
        }
    }

    private mutating func ranges(
        of node: SourceNode, with variables: Variables, path: String
    ) throws(ConfigurationError) -> [(name: String, range: ClosedRange<Int>)] {
        let path = join(path, "repeat")
        let cursor = Cursor(node: try expanded(node, with: variables, path: path), file: file, path: path)
        guard case .mapping(let entries) = cursor.node.content, (1...3).contains(entries.count) else {
            throw cursor.mismatch("one to three variables with ranges, such as {r: 1..10}")
        }
        var ranges: [(name: String, range: ClosedRange<Int>)] = []
        for entry in entries {
            let place = Cursor(node: entry.value, file: file, path: join(path, entry.key))
            guard entry.key.utf8.allSatisfy({ (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }),
                (1...16).contains(entry.key.utf8.count)
            else { throw place.failure(.expected("a variable of 1 to 16 small letters", found: "\"\(entry.key)\"")) }
            if variables.contains(where: { $0.name == entry.key }) {
                throw place.failure(.conflict("the variable \"\(entry.key)\" is already used by an outer repetition"))
            }
            ranges.append((entry.key, try place.integers(in: 0...100_000)))
        }
        return ranges
    }

    /// The text with every `{…}` computed.
    private func substituted(
        _ text: String, with variables: Variables, at mark: SourceMark, path: String
    ) throws(ConfigurationError) -> String {
        var result = ""
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            guard let close = rest[open...].firstIndex(of: "}") else {
                throw failure(.expected("a closing } after {", found: "\"\(text)\""), at: mark, path)
            }
            let expression = rest[rest.index(after: open)..<close]
            guard let value = Self.value(of: expression, with: variables) else {
                let names = variables.map(\.name).joined(separator: ", ")
                let expected = "an expression of numbers, + - * / % and the variables \(names) in {}"
                throw failure(.expected(expected, found: "\"{\(expression)}\""), at: mark, path)
            }
            result += rest[..<open] + "\(value)"
            rest = rest[rest.index(after: close)...]
        }
        return result + rest
    }

    /// The value of `r*10+1`, applied from left to right; nil when it is not one or overflows.
    private static func value(of expression: Substring, with variables: Variables) -> Int? {
        var total: Int?
        var operation: Character = "+"
        var rest = expression.filter { $0 != " " }[...]
        while !rest.isEmpty {
            let word = rest.prefix { !"+-*/%".contains($0) }
            guard let operand = variables.first(where: { $0.name == word })?.value ?? Int(word) else { return nil }
            let outcome: (partialValue: Int, overflow: Bool)
            switch operation {
            case "+": outcome = (total ?? 0).addingReportingOverflow(operand)
            case "-": outcome = (total ?? 0).subtractingReportingOverflow(operand)
            case "*": outcome = (total ?? 0).multipliedReportingOverflow(by: operand)
            case "/": outcome = (total ?? 0).dividedReportingOverflow(by: operand)
            default: outcome = (total ?? 0).remainderReportingOverflow(dividingBy: operand)
            }
            guard !outcome.overflow else { return nil }
            total = outcome.partialValue
            rest = rest.dropFirst(word.count)
            guard let next = rest.popFirst() else { break }
            guard !rest.isEmpty else { return nil }
            operation = next
        }
        return total
    }

    private func join(_ path: String, _ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func failure(
        _ problem: ConfigurationError.Problem, at mark: SourceMark, _ path: String
    ) -> ConfigurationError {
        ConfigurationError(file: file, line: mark.line, column: mark.column, path: path, problem: problem)
    }
}
