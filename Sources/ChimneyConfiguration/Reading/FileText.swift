internal import Foundation

extension YAMLText {
    /// The text of a file of at most ``ConfigurationLimits/bytesMax`` bytes.
    package static func contents(
        of path: String, limits: ConfigurationLimits = .init()
    ) throws(ConfigurationError) -> String {
        func failure(_ problem: ConfigurationError.Problem) -> ConfigurationError {
            ConfigurationError(file: path, line: 0, column: 0, path: "", problem: problem)
        }
        let data: Data
        do {
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            data = try handle.read(upToCount: limits.bytesMax + 1) ?? Data()
        } catch {
            throw failure(.unreadable(error.localizedDescription))
        }
        guard data.count <= limits.bytesMax else { throw failure(.tooLarge(bytesMax: limits.bytesMax)) }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw failure(.syntax("the file is not UTF-8 text"))
        }
        return text
    }
}
