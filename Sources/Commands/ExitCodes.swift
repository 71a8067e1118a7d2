import ArgumentParser
import Gateway
import GuestBoot
import HostNetwork
import Images
import LinuxHost
import LoadTest
import MachinePool
import Machines
import Snapshots
import SystemPackage
import VMM

/// sysexits(3), the only place where an error becomes an exit status.
enum ExitCodes {
    static let usage: Int32 = 64
    static let badData: Int32 = 65
    static let notFound: Int32 = 66
    static let unavailable: Int32 = 69
    static let software: Int32 = 70
    static let cannotCreate: Int32 = 73
    static let io: Int32 = 74
    static let temporary: Int32 = 75
    static let permission: Int32 = 77

    static func code(for error: any Error) -> Int32 {
        switch error {
        case let error as CommandError: error.code
        case let error as MachineError: code(forMachine: error)
        case let error as VMMError: code(forVMM: error)
        case let error as HostError: code(forHost: error)
        case let error as ImageError: code(forImage: error)
        case let error as GuestBootError: code(forGuestBoot: error)
        case let error as HostNetworkError: code(forNetwork: error)
        case let error as SnapshotError: code(forSnapshot: error)
        case let error as GatewayError: code(forGateway: error)
        case is SimulationError: badData
        case let error as LoadTestError: code(forLoadTest: error)
        default: software
        }
    }

    private static func code(forMachine error: MachineError) -> Int32 {
        switch error {
        case .unknown: notFound
        case .ambiguous, .nameTaken, .illegal, .ownedByGateway: usage
        case .badRecord, .noCommand: badData
        case .image(let error): code(forImage: error)
        case .appExited, .appNeverListened, .guestSilent, .guestDied, .kernelPanicked, .network, .template, .canary:
            unavailable
        case .snapshot(let error): code(forSnapshot: error)
        case .guestBoot(let error): code(forGuestBoot: error)
        case .vmm(let error): code(forVMM: error)
        case .host(let error): code(forHost: error)
        case .cancelled: temporary
        }
    }

    private static func code(forGuestBoot error: GuestBootError) -> Int32 {
        switch error {
        case .host(let error): code(forHost: error)
        case .runConfiguration, .notAKernel, .unreadable: badData
        case .noKernel, .guestNotBuilt: unavailable
        }
    }

    private static func code(forImage error: ImageError) -> Int32 {
        switch error {
        case .notFound: notFound
        case .badData: badData
        case .unavailable: unavailable
        case .host(let error): code(forHost: error)
        }
    }

    static func code(forSnapshot error: SnapshotError) -> Int32 {
        switch error {
        case .unknown: notFound
        case .ambiguous, .inUse: usage
        case .damaged: badData
        case .noRoom: cannotCreate
        case .host(let error): code(forHost: error)
        }
    }

    private static func code(forNetwork error: HostNetworkError) -> Int32 {
        switch error {
        case .notPrivileged: permission
        default: unavailable
        }
    }

    private static func code(forGateway error: GatewayError) -> Int32 {
        switch error {
        case .permissionDenied: permission
        case .portInUse, .addressUnavailable: unavailable
        case .logUnavailable: cannotCreate
        case .certificate(.missing): notFound
        case .certificate(.unreadable): permission
        case .certificate: badData
        }
    }

    private static func code(forLoadTest error: LoadTestError) -> Int32 {
        switch error {
        case .badURL, .badCriterion: usage
        case .unreachable: unavailable
        }
    }

    private static func code(forVMM error: VMMError) -> Int32 {
        switch error {
        case .host(let error): code(forHost: error)
        case .unavailable, .rejected, .unreachable, .exited, .gone: unavailable
        case .cancelled: temporary
        }
    }

    static func code(forHost error: HostError) -> Int32 {
        switch error.errno {
        case .permissionDenied, .notPermitted: permission
        case .noSpace, .diskQuotaExceeded, .readOnlyFileSystem: cannotCreate
        case .noSuchFileOrDirectory: notFound
        default: io
        }
    }
}

/// A refusal that a command itself decides.
struct CommandError: Error, CustomStringConvertible {
    let code: Int32
    let description: String

    init(_ code: Int32, _ description: String) {
        self.code = code
        self.description = description
    }
}
