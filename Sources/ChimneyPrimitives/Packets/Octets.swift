extension Span where Element == UInt8 {
    /// The same bytes, to read headers from.
    ///
    /// Invariant: a byte has no padding, so that every one is initialized.
    @inlinable
    package var octets: RawSpan {
        @_lifetime(copy self)
        get { unsafe bytes }
    }
}

extension MutableSpan where Element == UInt8 {
    /// The same bytes, to write headers to.
    ///
    /// Any value is a byte, so that nothing written is invalid.
    @inlinable
    package var mutableOctets: MutableRawSpan {
        @_lifetime(&self)
        mutating get { unsafe mutableBytes }
    }
}
