import LinuxHost

/// A chain of somebody else that drops what the host forwards unless told otherwise, as Docker's does: no verdict of
/// ours can undo it, so guests have no internet until its owner lets our links through.
package struct ForwardObstacle: Sendable, Hashable, CustomStringConvertible {
    package let family: String
    package let table: String
    package let chain: String
    package let tag: NetworkTag

    package var description: String {
        let links = tag.linkPrefix
        let remedy =
            family == "ip" && table == "filter"
            ? "`iptables -I FORWARD -i '\(links)+' -j ACCEPT` and `iptables -I FORWARD -o '\(links)+' -j ACCEPT`"
            : "a rule there that accepts the interfaces '\(links)*' in both directions"
        return "the host's firewall drops forwarded packets (\(family) \(table) \(chain)), so guests cannot reach the "
            + "internet: add \(remedy), or start with --egress none"
    }

    /// Reads the output of nftables' `list chains`.
    package static func find(inChains text: String, tag: NetworkTag) -> [ForwardObstacle] {
        var found: [ForwardObstacle] = []
        var table: [Substring] = []
        var chain: Substring = ""
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == ";" }
            switch words.first {
            case "table" where words.count >= 3: table = [words[1], words[2]]
            case "chain" where words.count >= 2: chain = words[1]
            case "type":
                guard line.contains("hook forward"), line.contains("policy drop"), table.count == 2,
                    ["ip", "inet"].contains(table[0])
                else { continue }
                found.append(
                    ForwardObstacle(family: String(table[0]), table: String(table[1]), chain: String(chain), tag: tag))
            default: continue
            }
        }
        return found
    }
}

extension Uplink {
    /// What on this host keeps guests from the internet although our own part is in place; for a warning at the start.
    /// Looks at the calling thread's namespace.
    package func obstacles() throws(HostNetworkError) -> [ForwardObstacle] {
        do throws(PacketFilterError) {
            return ForwardObstacle.find(inChains: try PacketFilter.apply("list chains"), tag: tag)
        } catch {
            throw HostNetworkError(error)
        }
    }
}
