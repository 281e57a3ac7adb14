import Foundation

/// Messages as lines of JSON with sorted keys, so that equal messages are equal bytes.
enum MessageCoding {
    static func line(of message: some Encodable) throws(ControlError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(message)) + [0x0A]
        } catch {
            throw .malformed("\(error)")
        }
    }

    static func message<Message: Decodable>(_ kind: Message.Type, in line: [UInt8]) throws(ControlError) -> Message {
        do {
            return try JSONDecoder().decode(kind, from: Data(line))
        } catch let error as DecodingError {
            throw .malformed(sentence(of: error))
        } catch {
            throw .malformed("not JSON")
        }
    }

    private static func sentence(of error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, let context): "\(place(context))the key \"\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "\(place(context))a value is of the wrong type"
        case .dataCorrupted(let context): context.codingPath.isEmpty ? "not JSON" : "\(place(context))a value is wrong"
        @unknown default: "not JSON of this protocol"
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return path.isEmpty ? "" : "\(path): "
    }
}
