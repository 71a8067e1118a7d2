import Glibc
import Synchronization

/// Places where a killed process leaves the most behind. With `FCCTL_CRASH_AT=NAME` in its environment the process kills
/// itself at that place, with `NAME*3` the third time that it comes there, so that a test can see that the next command
/// cleans up after it; otherwise nothing happens.
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
    case cloneRecorded = "clone-recorded"
    case clonePrepared = "clone-prepared"
    case cloneRestored = "clone-restored"
    case cloneRenewed = "clone-renewed"

    // Only where a clone is dear to begin with, as under emulation.
    /// Of a template's two files the memory is written, and the state is not.
    case templateMemory = "template-memory"
    case cloneRehearsed = "clone-rehearsed"
    case cloneWoken = "clone-woken"

    private static let wanted = getenv("FCCTL_CRASH_AT").flatMap { text -> (point: CrashPoint, visit: Int)? in
        let words = String(cString: text).split(separator: "*")
        return words.first.flatMap { CrashPoint(rawValue: String($0)) }.map {
            ($0, words.count > 1 ? Int(words[1]) ?? 1 : 1)
        }
    }
    private static let visits = Atomic(0)

    package func reach() {
        guard let wanted = CrashPoint.wanted, wanted.point == self else { return }
        if CrashPoint.visits.add(1, ordering: .relaxed).newValue == wanted.visit { kill(getpid(), SIGKILL) }
    }
}
