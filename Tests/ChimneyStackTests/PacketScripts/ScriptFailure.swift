/// Where a stack did not do what a packet script says.
struct ScriptFailure: Error, CustomStringConvertible {
    let file: String
    let line: Int
    /// The name of the case.
    let scene: String
    let family: Family
    /// The line.
    let text: String
    /// What was expected and what came.
    let message: String
    /// What was given and what left, the last lines of it.
    let dialogue: [String]

    var description: String {
        let scene = self.scene.isEmpty ? "" : ", \(self.scene)"
        let place = "\(file):\(line): over \(family.rawValue)\(scene), at '\(text)': \(message)"
        return ([place, "so far, in seconds:"] + dialogue.map { "    \($0)" }).joined(separator: "\n")
    }
}
