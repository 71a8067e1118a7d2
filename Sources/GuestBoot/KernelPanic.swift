/// What a Linux kernel said on its console before it gave up.
package struct KernelPanic: Equatable, Sendable {
    package let reason: String

    /// The first panic in `console`; nil when there is none. What follows the first is its consequence.
    package init?(in console: [UInt8]) {
        let mark = Array("Kernel panic - not syncing: ".utf8)
        guard let range = console.firstRange(of: mark) else { return nil }
        let rest = console[range.upperBound...].prefix { $0 >= 0x20 && $0 < 0x7f }.prefix(200)
        reason = String(decoding: rest, as: UTF8.self)
    }

    /// Whether the machine has too little memory for its kernel.
    package var isOutOfMemory: Bool {
        let text = reason.lowercased()
        return text.contains("memory") || text.contains("oom")
    }
}
