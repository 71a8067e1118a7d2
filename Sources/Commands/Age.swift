import LinuxHost

/// How long ago something was, in its largest sensible unit.
enum Age {
    static func text(since created: Int64) -> String {
        let seconds = max(0, WallClock.seconds() - created)
        switch seconds {
        case ..<120: return "\(seconds)s"
        case ..<7200: return "\(seconds / 60)m"
        case ..<172_800: return "\(seconds / 3600)h"
        default: return "\(seconds / 86_400)d"
        }
    }
}
