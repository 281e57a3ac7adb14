#if Tools
    import ArgumentParser
    import ChimneyControl

    /// To which family a command keeps.
    struct FamilyOptions: ParsableArguments {
        @Flag(name: .customShort("4"), help: "IPv4 only.")
        var onlyIPv4 = false

        @Flag(name: .customShort("6"), help: "IPv6 only.")
        var onlyIPv6 = false

        func validate() throws {
            if onlyIPv4, onlyIPv6 { throw ValidationError("-4 and -6 exclude each other") }
        }

        /// The one named; `nil` for both.
        var family: AddressFamily? { onlyIPv4 ? .ipv4 : onlyIPv6 ? .ipv6 : nil }
    }
#endif
