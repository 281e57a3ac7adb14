import ChimneyCapture
import ChimneyPrimitives

/// Writes what goes over one link, or over all, as a pcapng file; the bytes are handed on in pieces.
///
/// A frame is written when it is sent into the link, so that lost and damaged ones are seen as they left.
public final class LabCapture {
    private var writer: PcapngWriter
    private var bytes: [UInt8] = []
    private let sink: ([UInt8]) -> Void
    /// How many bytes were handed on or wait to be.
    public private(set) var byteCount = 0

    /// So many bytes are gathered before they are handed on.
    private static var pieceBytes: Int { 1 << 16 }

    init(links: [LabLink], sink: @escaping ([UInt8]) -> Void) {
        self.sink = sink
        writer = PcapngWriter(into: &bytes)
        for link in links {
            let number = writer.addInterface(CaptureInterface(name: link.name), into: &bytes)
            let earlier = link.tap
            link.tap = { [unowned self] now, frame in
                earlier?(now, frame)
                self.frameSent(frame, number, at: now)
            }
        }
    }

    /// Hands on what waits; call it when the lab has run.
    public func flush() {
        guard !bytes.isEmpty else { return }
        byteCount += bytes.count
        sink(bytes)
        bytes.removeAll(keepingCapacity: true)
    }

    private func frameSent(_ frame: RawSpan, _ interface: Int, at now: Instant) {
        writer.packet(interface: interface, at: now, bytes: frame, into: &bytes)
        if bytes.count >= Self.pieceBytes { flush() }
    }
}

extension Lab {
    /// Captures every link into one pcapng file, an interface for each, until the lab is gone.
    ///
    /// The lab keeps the capture; ``LabCapture/flush()`` hands on the last piece.
    @discardableResult
    public func capture(into sink: @escaping ([UInt8]) -> Void) -> LabCapture { capture(links, into: sink) }

    /// Captures some links into one pcapng file, an interface for each, until the lab is gone.
    @discardableResult
    public func capture(_ links: [LabLink], into sink: @escaping ([UInt8]) -> Void) -> LabCapture {
        let capture = LabCapture(links: links, sink: sink)
        captures.append(capture)
        return capture
    }
}
