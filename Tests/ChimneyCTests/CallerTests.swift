import CAPITests
import ChimneyC
import Glibc
import Testing

/// The tests of the C API as a program in C runs them, with the library linked in; `scripts/capi` runs the same against
/// `libchimneyc.so`.
///
/// A check that fails says where on the standard error and ends the process.
@Suite struct CallerTests {
    private static var families: [Int32] { [AF_INET, AF_INET6] }

    @Test(arguments: families) func badInputGivesAnErrno(_ family: Int32) { test_errors(family) }

    @Test(arguments: families) func streamsGoThereAndBackAndEnd(_ family: Int32) { test_streams(family) }

    @Test(arguments: families) func datagramsGoThereAndBackAndToGroups(_ family: Int32) { test_datagrams(family) }

    @Test(arguments: families) func optionsAreKeptAndTakeEffect(_ family: Int32) { test_options(family) }

    @Test(arguments: families) func timersFireAtTheirTime(_ family: Int32) { test_time(family) }

    @Test(arguments: families) func callsAtRandomEndInAResultOrAnErrno(_ family: Int32) { test_random(family) }

    @Test func stacksOfDifferentThreadsShareNothing() { test_threads() }

    /// Uses a symbol of the library, so that the linker keeps it whole.
    @Test func theLibraryIsTheOneThatIsLinked() { #expect(chimney_destroy(nil) == -1) }
}
