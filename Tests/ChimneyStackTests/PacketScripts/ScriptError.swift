/// What is wrong with the text of a packet script, and where.
struct ScriptError: Error, Hashable, CustomStringConvertible {
    /// What is wrong.
    enum Fault: Hashable {
        case missing(String)
        case unknown(String, String, among: [String])
        case notA(String, String)
        case surplus(String)
        case twice(String)
        case misplaced(String)
    }

    let file: String
    let line: Int
    let fault: Fault

    var description: String { "\(file):\(line): \(message)" }

    private var message: String {
        switch fault {
        case .missing(let what): "\(what) is missing"
        case .unknown(let what, let word, let names):
            "no \(what) is called '\(word)'; there are \(names.joined(separator: ", "))"
        case .notA(let what, let word): "'\(word)' is not \(what)"
        case .surplus(let word): "'\(word)' is more than the line may say"
        case .twice(let word): "'\(word)' is said twice"
        case .misplaced(let what): what
        }
    }
}
