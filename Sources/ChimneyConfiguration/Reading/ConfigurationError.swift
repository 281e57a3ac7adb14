/// What is wrong with a configuration file, and where.
///
/// Its description is one line as compilers write them, so that editors jump to the place:
/// `red.yaml:7:12: stacks[0].interfaces[0].mtu: expected an integer from 68 to 65535, found "big"`.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The file's name as the caller gave it.
    public var file: String
    /// The line of the offending text, from 1; 0 when the whole file is meant.
    public var line: Int
    /// The column of the offending text, from 1; 0 when the whole file is meant.
    public var column: Int
    /// The keys and list positions that lead to the text; empty at the top.
    public var path: String
    /// What is wrong with it.
    public var problem: Problem

    /// The ways in which a configuration can be wrong.
    public enum Problem: Hashable, Sendable {
        /// The file cannot be read, for this reason.
        case unreadable(String)
        /// The program was built without the `YAML` trait.
        case withoutYAML
        /// The file has more bytes than ``ConfigurationLimits/bytesMax``.
        case tooLarge(bytesMax: Int)
        /// The file has more values, repetitions counted, than ``ConfigurationLimits/nodesMax``.
        case tooManyValues(nodesMax: Int)
        /// Values are nested deeper than ``ConfigurationLimits/depthMax``.
        case tooDeep(depthMax: Int)
        /// The file uses an anchor and its alias, which this reader refuses.
        case alias(String)
        /// The text is not YAML.
        case syntax(String)
        /// A key that the schema does not have, with the nearest one that it has.
        case unknownKey(String, nearest: String?, known: [String])
        /// A key that must be there is not.
        case missingKey(String)
        /// The value is not of the expected kind or range.
        case expected(String, found: String)
        /// A list has more elements than its bound.
        case tooManyElements(max: Int)
        /// A name was given twice; the line of the first is told.
        case duplicate(what: String, name: String, firstLine: Int)
        /// A name that nothing in the file bears, with the nearest one that something bears.
        case unknownName(what: String, name: String, nearest: String?)
        /// Two settings that exclude each other.
        case conflict(String)
    }

    /// An error at a place.
    public init(file: String, line: Int, column: Int, path: String, problem: Problem) {
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.problem = problem
    }

    /// File, line, column, path and what was expected, on one line.
    public var description: String {
        let place = line > 0 ? "\(file):\(line):\(column): " : "\(file): "
        return place + (path.isEmpty ? "" : "\(path): ") + problem.description
    }
}

extension ConfigurationError.Problem: CustomStringConvertible {
    /// The problem as a sentence without its place.
    public var description: String {
        switch self {
        case .unreadable(let reason): "cannot be read: \(reason)"
        case .withoutYAML: "this program was built without the YAML trait"
        case .tooLarge(let max): "is larger than \(max) bytes"
        case .tooManyValues(let max): "describes more than \(max) values"
        case .tooDeep(let max): "is nested deeper than \(max) levels"
        case .alias(let name): "anchors and aliases are not supported (&\(name), *\(name))"
        case .syntax(let text): "not valid YAML: \(text)"
        case .unknownKey(let key, nil, let known):
            "unknown key \"\(key)\"; known keys are \(known.joined(separator: ", "))"
        case .unknownKey(let key, let nearest?, _): "unknown key \"\(key)\"; did you mean \"\(nearest)\"?"
        case .missingKey(let key): "the key \"\(key)\" is missing"
        case .expected(let what, let found): "expected \(what), found \(found)"
        case .tooManyElements(let max): "has more than \(max) elements"
        case .duplicate(let what, let name, let line): "the \(what) \"\(name)\" was already named in line \(line)"
        case .unknownName(let what, let name, nil): "there is no \(what) \"\(name)\""
        case .unknownName(let what, let name, let nearest?):
            "there is no \(what) \"\(name)\"; did you mean \"\(nearest)\"?"
        case .conflict(let text): text
        }
    }
}
