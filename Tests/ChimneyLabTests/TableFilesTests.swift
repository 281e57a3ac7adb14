import ChimneyLab
import Foundation
import Testing

/// The tables of the documentation that were measured in real time, beside those that the lab makes.
@Suite struct TableFilesTests {
    /// Every sender was measured under each condition of the lab's.
    @Test(arguments: TCPTable.allCases) func everySenderOnThePathHasTheRowsOfTheLab(_ table: TCPTable) throws {
        let lab = TCPTable.rows(reading: try Self.file("\(table.rawValue).tsv")).filter { $0[0] == "cubic" }
        let path = TCPTable.rows(reading: try Self.file("beside-linux/\(table.rawValue).tsv"))
        let senders = Set(path.map { $0[0] })
        #expect(senders.isSuperset(of: ["Linux cubic", "cubic, path"]))
        // How many frames a burst took in the lab follows from how often it looked.
        let conditions = table == .throughput ? 1..<4 : table == .recovery ? 1..<1 : 1..<2
        for sender in senders {
            let rows = path.filter { $0[0] == sender }
            #expect(rows.map { Array($0[conditions]) } == lab.map { Array($0[conditions]) }, "\(sender)")
            #expect(rows.allSatisfy { $0.count == table.columns.count }, "\(sender)")
        }
    }

    /// The plots show what the tables hold.
    @Test(arguments: TCPTable.allCases) func thePlotsAreThoseOfTheTables(_ table: TCPTable) throws {
        let lab = TCPTable.rows(reading: try Self.file("\(table.rawValue).tsv"))
        #expect(table.svg(of: lab) == (try Self.file("\(table.rawValue).svg")))
        let path = TCPTable.rows(reading: try Self.file("beside-linux/\(table.rawValue).tsv"))
        let plot = table.svg(of: lab, beside: path)
        #expect(plot == (try Self.file("beside-linux/\(table.rawValue).svg")))
        for name in ["cubic, lab", "cubic, path", "Linux cubic"] { #expect(plot.contains(">\(name)</text>")) }
        #expect(!plot.contains("vegas"))
    }

    private static func file(_ name: String) throws -> String {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        return try String(contentsOfFile: "\(root)/docs/tcp-lab/\(name)", encoding: .utf8)
    }
}
