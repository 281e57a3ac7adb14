public import ChimneyPrimitives

/// How many sockets include, and how many exclude, each source of one group on one interface.
///
/// Entries lie in order in chunks of bounded length, so that putting one in among a hundred thousand moves a few
/// hundred bytes.
@usableFromInline
struct SourceCounts<Address: InternetAddress>: Sendable {
    /// A source and who names it; in the table as long as anybody does.
    @usableFromInline
    struct Entry: BitwiseCopyable, Sendable {
        @usableFromInline let source: Address
        @usableFromInline var includes: UInt32
        @usableFromInline var excludes: UInt32

        @inlinable
        init(source: Address, includes: UInt32, excludes: UInt32) {
            self.source = source
            self.includes = includes
            self.excludes = excludes
        }
    }

    /// Chunks that are not empty, in order, and their entries in order.
    @usableFromInline var chunks: [[Entry]] = []

    @inlinable
    init() {}

    /// The most entries of a chunk; one that is full is parted.
    @usableFromInline static var chunkMax: Int { @inlinable get { 128 } }

    @inlinable
    var isEmpty: Bool { chunks.isEmpty }

    /// The counts of a source before and after one socket more, or one less, names it.
    ///
    /// `step` is 1 or -1, and -1 only for what was counted.
    @inlinable
    mutating func count(_ source: Address, _ mode: FilterMode, by step: Int32) -> (before: Entry, after: Entry) {
        let chunk = chunkOf(source)
        let position = chunks.isEmpty ? 0 : Self.position(of: source, in: chunks[chunk])
        let isKnown = !chunks.isEmpty && position < chunks[chunk].count && chunks[chunk][position].source == source
        let before = isKnown ? chunks[chunk][position] : Entry(source: source, includes: 0, excludes: 0)
        var after = before
        switch mode {
        case .include: after.includes = UInt32(bitPattern: Int32(bitPattern: before.includes) &+ step)
        case .exclude: after.excludes = UInt32(bitPattern: Int32(bitPattern: before.excludes) &+ step)
        }
        if after.includes | after.excludes == 0 {
            if isKnown { remove(at: position, in: chunk) }
        } else if isKnown {
            chunks[chunk][position] = after
        } else {
            insert(after, at: position, in: chunk)
        }
        return (before, after)
    }

    /// The sources that an interface filter lists, in order.
    ///
    /// - Complexity: one walk over all entries.
    @inlinable
    func sources(where isListed: (Entry) -> Bool) -> [Address] {
        var list: [Address] = []
        for chunk in chunks {
            for entry in chunk where isListed(entry) { list.append(entry.source) }
        }
        return list
    }

    /// The last chunk that begins at or before a source; the first one for sources before all.
    @inlinable
    func chunkOf(_ source: Address) -> Int {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low &+ high) &>> 1
            if source < chunks[middle][0].source { high = middle } else { low = middle &+ 1 }
        }
        return max(0, low - 1)
    }

    /// Where a source is or belongs.
    @inlinable
    static func position(of source: Address, in chunk: [Entry]) -> Int {
        var low = 0
        var high = chunk.count
        while low < high {
            let middle = (low &+ high) &>> 1
            if chunk[middle].source < source { low = middle &+ 1 } else { high = middle }
        }
        return low
    }

    @inlinable
    mutating func insert(_ entry: Entry, at position: Int, in chunk: Int) {
        guard !chunks.isEmpty else {
            chunks.append([entry])
            return
        }
        guard chunks[chunk].count == Self.chunkMax else {
            chunks[chunk].insert(entry, at: position)
            return
        }
        // What comes in order fills its chunks; anything else parts one in the middle.
        if chunk == chunks.count - 1 && position == Self.chunkMax {
            var last: [Entry] = []
            last.reserveCapacity(Self.chunkMax)
            last.append(entry)
            chunks.append(last)
            return
        }
        let middle = Self.chunkMax / 2
        var right: [Entry] = []
        right.reserveCapacity(Self.chunkMax)
        right.append(contentsOf: chunks[chunk][middle...])
        chunks[chunk].removeLast(Self.chunkMax - middle)
        if position <= middle {
            chunks[chunk].insert(entry, at: position)
        } else {
            right.insert(entry, at: position - middle)
        }
        chunks.insert(right, at: chunk + 1)
    }

    @inlinable
    mutating func remove(at position: Int, in chunk: Int) {
        chunks[chunk].remove(at: position)
        if chunks[chunk].isEmpty {
            chunks.remove(at: chunk)
            return
        }
        // Two neighbours that together are half full become one, so that few entries are few chunks.
        guard chunk + 1 < chunks.count, chunks[chunk].count + chunks[chunk + 1].count <= Self.chunkMax / 2 else {
            return
        }
        let right = chunks.remove(at: chunk + 1)
        chunks[chunk].append(contentsOf: right)
    }
}
