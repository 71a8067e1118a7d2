import CLinuxHost
import Glibc

/// Why nftables refused a ruleset; `report` is the library's own text.
package enum PacketFilterError: Error, Equatable {
    case refused(report: String)
    case noMemory
}

/// nftables of the calling thread's network namespace, in this process: no program is started.
package enum PacketFilter {
    /// Applies `commands` as one transaction: all of it or nothing. Returns what a `list` command prints.
    @discardableResult
    package static func apply(_ commands: String) throws(PacketFilterError) -> String {
        var report = [CChar](repeating: 0, count: 256 << 10)
        let result = lh_firewall_apply(commands, &report, report.count)
        let text = String(decoding: report.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        switch result {
        case 0: return text
        case -ENOMEM: throw .noMemory
        default: throw .refused(report: text)
        }
    }
}
