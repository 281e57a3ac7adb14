/// The candidate that a misspelt word most likely meant, or nil when none is near.
package func nearest(to word: String, among candidates: [String]) -> String? {
    let near = candidates.map { (name: $0, distance: editDistance(word, $0)) }
        .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    guard let near, near.distance <= max(1, min(word.utf8.count, near.name.utf8.count) / 3) else { return nil }
    return near.name
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one word to the other.
///
/// Words beyond 64 bytes are cut, so that a hostile file cannot buy much work.
func editDistance(_ first: String, _ second: String) -> Int {
    let a = Array(first.lowercased().utf8.prefix(64))
    let b = Array(second.lowercased().utf8.prefix(64))
    var older: [Int] = []
    var previous = Array(0...b.count)
    for row in 0..<a.count {
        var current = [row + 1]
        for column in 0..<b.count {
            let replaced = previous[column] + (a[row] == b[column] ? 0 : 1)
            var best = min(replaced, previous[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, a[row] == b[column - 1], a[row - 1] == b[column] {
                best = min(best, older[column - 1] + 1)
            }
            current.append(best)
        }
        older = previous
        previous = current
    }
    return previous[b.count]
}
