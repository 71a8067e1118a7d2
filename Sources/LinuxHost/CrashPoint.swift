import Glibc

/// Places where a killed process leaves the most behind. With `FCCTL_CRASH_AT=NAME` in its environment the process kills
/// itself at that place, so that a test can see that the next command cleans up after it; otherwise nothing happens.
package enum CrashPoint: String, Sendable, CaseIterable {
    case imageBuilding = "image-building"
    case imageFound = "image-found"
    case slotMade = "slot-made"
    case recordWritten = "record-written"
    case initramfsWritten = "initramfs-written"
    case scratchMade = "scratch-made"
    case monitorLaunched = "monitor-launched"
    case agentConnected = "agent-connected"
    case appReady = "app-ready"
    /// The start is complete, and the machine is nobody's leftover.
    case recordFinal = "record-final"

    case paused
    case resumed
    case appStopped = "app-stopped"
    case monitorEnded = "monitor-ended"
    case resourcesFreed = "resources-freed"

    case templateWarm = "template-warm"
    /// The files of a snapshot are written, and nobody has looked at them yet.
    case templateWritten = "template-written"
    case canaryAnswered = "canary-answered"
    /// Everything is in place but the snapshot's name.
    case templateDescribed = "template-described"
    case templatePublished = "template-published"
    case clonePrepared = "clone-prepared"
    case cloneRestored = "clone-restored"

    private static let wanted = getenv("FCCTL_CRASH_AT").flatMap { CrashPoint(rawValue: String(cString: $0)) }

    package func reach() {
        if self == CrashPoint.wanted { kill(getpid(), SIGKILL) }
    }
}
