#if YAML
    internal import Yams
#endif

/// A configuration file's text, turned into values with places.
package enum YAMLText {
    /// Reads one YAML document.
    ///
    /// The text is refused unread when it is too large or uses an alias: a few nested aliases stand for more
    /// values than any machine has. Tags have no meaning here and are ignored.
    package static func root(
        of text: String, file: String, limits: ConfigurationLimits = .init()
    ) throws(ConfigurationError) -> SourceNode {
        func failure(_ problem: ConfigurationError.Problem, line: Int = 0, column: Int = 0) -> ConfigurationError {
            ConfigurationError(file: file, line: line, column: column, path: "", problem: problem)
        }
        guard text.utf8.count <= limits.bytesMax else { throw failure(.tooLarge(bytesMax: limits.bytesMax)) }
        if let alias = firstAlias(in: text) {
            throw failure(.alias(alias.name), line: alias.mark.line, column: alias.mark.column)
        }
        #if YAML
            var budget = NodeBudget(file: file, limits: limits)
            let root: Node?
            do {
                root = try Parser(yaml: text, encoding: .utf8).singleRoot()
            } catch let error as YamlError {
                throw ConfigurationError(error, file: file)
            } catch {
                throw failure(.syntax("\(error)"))
            }
            guard let root else { return SourceNode(content: .mapping([]), mark: SourceMark(line: 1, column: 1)) }
            return try budget.converted(root, depth: 0)
        #else
            throw failure(.withoutYAML)
        #endif
    }

    /// The first alias whose anchor the text also has, wherever the two stand.
    ///
    /// Quotes and comments are not told apart from the rest: what hides in them cannot be known without parsing,
    /// and a text that holds both `&x` and `*x` at the start of words for another reason is not a configuration.
    private static func firstAlias(in text: String) -> (name: String, mark: SourceMark)? {
        var anchors: Set<String> = []
        var line = 1
        var column = 0
        var startsWord = true
        var collecting: (sign: Character, name: String, mark: SourceMark)?
        var aliases: [(name: String, mark: SourceMark)] = []
        for character in text.unicodeScalars {
            column += 1
            let isName = character.properties.isAlphabetic || ("0"..."9").contains(character) || character == "_"
            if var word = collecting {
                if isName {
                    word.name.unicodeScalars.append(character)
                    collecting = word
                } else {
                    if word.sign == "&" { anchors.insert(word.name) } else { aliases.append((word.name, word.mark)) }
                    collecting = nil
                }
            }
            if startsWord, character == "&" || character == "*" {
                collecting = (Character(character), "", SourceMark(line: line, column: column))
            }
            startsWord = collecting == nil && !isName
            if character == "\n" { (line, column) = (line + 1, 0) }
        }
        if let word = collecting, word.sign == "*" { aliases.append((word.name, word.mark)) }
        return aliases.first { anchors.contains($0.name) }
    }
}

#if YAML
    /// Counts values and levels while the parser's tree becomes ours.
    private struct NodeBudget {
        let file: String
        let limits: ConfigurationLimits
        var nodeCount = 0

        init(file: String, limits: ConfigurationLimits) {
            self.file = file
            self.limits = limits
        }

        mutating func converted(_ node: Node, depth: Int) throws(ConfigurationError) -> SourceNode {
            let mark = node.mark.map { SourceMark(line: $0.line, column: $0.column) } ?? SourceMark(line: 0, column: 0)
            func failure(_ problem: ConfigurationError.Problem) -> ConfigurationError {
                ConfigurationError(file: file, line: mark.line, column: mark.column, path: "", problem: problem)
            }
            nodeCount += 1
            guard nodeCount <= limits.nodesMax else { throw failure(.tooManyValues(nodesMax: limits.nodesMax)) }
            guard depth <= limits.depthMax else { throw failure(.tooDeep(depthMax: limits.depthMax)) }
            switch node {
            case .scalar(let scalar):
                return SourceNode(content: .scalar(scalar.string, isQuoted: scalar.style != .plain), mark: mark)
            case .sequence(let sequence):
                var items: [SourceNode] = []
                for item in sequence { items.append(try converted(item, depth: depth + 1)) }
                return SourceNode(content: .list(items), mark: mark)
            case .mapping(let mapping):
                var entries: [SourceNode.Entry] = []
                for (key, value) in mapping {
                    let keyNode = try converted(key, depth: depth + 1)
                    guard case .scalar(let text, _) = keyNode.content else {
                        throw failure(.expected("a word as a key", found: keyNode.summary))
                    }
                    let value = try converted(value, depth: depth + 1)
                    entries.append(.init(key: text, mark: keyNode.mark, value: value))
                }
                return SourceNode(content: .mapping(entries), mark: mark)
            case .alias(let alias):
                throw failure(.alias(alias.anchor.rawValue))
            }
        }
    }

    extension ConfigurationError {
        fileprivate init(_ error: YamlError, file: String) {
            func at(_ mark: Mark?, _ problem: Problem) -> Self {
                Self(file: file, line: mark?.line ?? 0, column: mark?.column ?? 0, path: "", problem: problem)
            }
            switch error {
            case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
                .composer(let context, let problem, let mark, _):
                self = at(mark, .syntax([context?.text, problem].compactMap { $0 }.joined(separator: " ")))
            case .duplicatedKeysInMapping(let keys, let context):
                let names = keys.map { "\"\($0)\"" }.joined(separator: ", ")
                self = at(context.mark, .syntax("the key \(names) is given more than once in this mapping"))
            case .reader(let problem, _, _, _):
                self = at(nil, .syntax(problem))
            default:
                self = at(nil, .syntax("\(error)"))
            }
        }
    }
#endif
