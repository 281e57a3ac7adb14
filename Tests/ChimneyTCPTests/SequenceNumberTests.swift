import ChimneyTCP
import Testing

@Suite struct SequenceNumberTests {
    @Test func numbersAreOrderedAcrossTheEndOfTheSpace() {
        let late = SequenceNumber(0xFFFF_FFF0)
        let wrapped = late + 0x20
        #expect(wrapped.value == 0x10)
        #expect(late < wrapped)
        #expect(wrapped > late)
        #expect(wrapped - late == 0x20)
        #expect(late - wrapped == -0x20)
        #expect(SequenceNumber.earlier(late, wrapped) == late)
        #expect(SequenceNumber.later(late, wrapped) == wrapped)
    }

    @Test func aRangeAcrossTheEndOfTheSpaceContainsWhatIsBetween() {
        let range = SequenceRange(SequenceNumber(0xFFFF_FFFE), count: 4)
        #expect(range.contains(SequenceNumber(0xFFFF_FFFE)))
        #expect(range.contains(SequenceNumber(1)))
        #expect(!range.contains(SequenceNumber(2)))
        #expect(!range.contains(SequenceNumber(0xFFFF_FFFD)))
        #expect(range.count == 4)
    }

    @Test func aFifthRangeIsNotTaken() {
        var ranges = SequenceRanges()
        for number in 0..<5 { ranges.append(SequenceRange(SequenceNumber(UInt32(number)), count: 1)) }
        #expect(ranges.count == SequenceRanges.rangesMax)
        #expect(ranges[3].start == SequenceNumber(3))
    }
}
