import ChimneyConfiguration
import ChimneyPrimitives
import ChimneySignatures
import ChimneyStack
import Foundation

extension StackBuilder {
    /// Gives a stack the keys that its file names (RFC 2385).
    static func addSignatures(
        _ configuration: TCPConfiguration, to stack: inout VirtualStack, of name: String, at now: Instant
    ) throws(CommandFailure) {
        guard !configuration.signatures.isEmpty else { return }
        let place = "\(name): tcp: signatures"
        guard let signer = MD5Signer.standard else {
            throw CommandFailure("\(place): this program was built without the Signatures trait")
        }
        stack.setSegmentSigner(signer, at: now)
        for signature in configuration.signatures {
            let bytes = try keyBytes(in: signature.keyFile, place: place)
            do throws(SignatureKeyError) {
                try stack.setSignatureKey(try TCPSignatureKey(bytes), for: signature.peers, at: now)
            } catch {
                throw CommandFailure("\(place): \(signature.keyFile): \(Sentence.of(error))")
            }
        }
    }

    /// The bytes of a key's file without a newline at their end; of a file that is too long just so many that this is seen.
    private static func keyBytes(in file: String, place: String) throws(CommandFailure) -> Data {
        let most = TCPSignatureKey.byteCountMax + 2
        guard let handle = FileHandle(forReadingAtPath: file), let bytes = try? handle.read(upToCount: most) else {
            throw CommandFailure("\(place): \(file) cannot be read")
        }
        return bytes.last == 10 ? bytes.dropLast() : bytes
    }
}
