import Glibc

/// The monotonic clock, in nanoseconds.
func nanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// The processor time this thread has had, in nanoseconds: other programs on the machine take none of it.
func spentNanoseconds() -> UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// One line of JSON for one figure, in the shape the C peers print.
func report(_ bench: String, _ value: Double, _ unit: String, _ extra: String = "") {
    print("{\"bench\":\"\(bench)\",\"peer\":\"chimney\",\"value\":\(value),\"unit\":\"\(unit)\"\(extra)}")
    fflush(nil)
}

/// The resident memory of this process in bytes.
func residentByteCount() -> Int {
    guard let file = unsafe fopen("/proc/self/statm", "r") else { return 0 }
    defer { unsafe fclose(file) }
    var text = [CChar](repeating: 0, count: 128)
    guard unsafe fgets(&text, 128, file) != nil else { return 0 }
    let line = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let fields = line.split(separator: " ")
    return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4_096 : 0
}
