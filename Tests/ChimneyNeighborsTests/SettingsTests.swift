import ChimneyPrimitives
import Testing

@testable import ChimneyNeighbors

@Suite struct SettingsTests {
    @Test func absurdSettingsAreBroughtWhereTheTableKeepsItsPromises() {
        var settings = NeighborSettings()
        #expect(settings.clamped == settings)
        settings.entriesMax = -1
        settings.resolvingMax = 0
        settings.pendingPacketsMax = -5
        settings.pendingBytesMax = -5
        settings.retransmit = .zero
        settings.multicastSolicitations = 0
        let clamped = settings.clamped
        #expect(clamped.entriesMax == 1 && clamped.resolvingMax == 1 && clamped.multicastSolicitations == 1)
        #expect(clamped.pendingPacketsMax == 0 && clamped.pendingBytesMax == 0)
        #expect(clamped.retransmit > .zero)
    }
}
