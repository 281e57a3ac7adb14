import ChimneyAddressing
import ChimneyConfiguration
import ChimneyPrimitives
import ChimneyWire

extension RouterAdvertiserSettings {
    /// Advertisements as a file asks for them.
    init(_ configuration: AdvertisementConfiguration) {
        self.init()
        intervalMax = configuration.interval
        // MinRtrAdvInterval (RFC 4861 §6.2.1).
        intervalMin = max(.seconds(3), TimeSpan(nanoseconds: intervalMax.nanoseconds / 3))
        let told = (configuration.lifetime ?? configuration.interval * 3).wholeSeconds
        lifetimeSeconds = UInt16(min(told, 9_000))
        preference =
            switch configuration.preference {
            case .low: .low
            case .medium: .medium
            case .high: .high
            }
        mtu = configuration.mtu.map { UInt32($0) }
        prefixes = configuration.prefixes.map { told in
            NDPPrefixInformation(
                told.prefix, isOnLink: told.isOnLink, isAutonomous: told.isAutonomous,
                validSeconds: told.valid.wholeSeconds, preferredSeconds: told.preferred.wholeSeconds)
        }
        let routerSeconds = UInt32(lifetimeSeconds)
        routes = configuration.routes.map { prefix in
            NDPRouteInformation(prefix, preference: preference, lifetimeSeconds: routerSeconds)
        }
        // Three intervals, so that a host outlives two advertisements that were lost (RFC 8106 §5.1).
        let servers = NDPDNSServers(
            lifetimeSeconds: (intervalMax * 3).wholeSeconds, addresses: configuration.nameServers)
        dnsServers = [servers].compactMap { $0 }
    }
}

extension TimeSpan {
    /// Whole seconds, as the wire has them.
    fileprivate var wholeSeconds: UInt32 { UInt32(clamping: nanoseconds / 1_000_000_000) }
}
