// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .enableUpcomingFeature("ImmutableWeakCaptures"),
    .treatAllWarnings(as: .error),
]

let system = Target.Dependency.product(name: "SystemPackage", package: "swift-system")
let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
]

/// A target under Sources/NAME and, with `tests`, its pure tests under Tests/NAMETests.
func part(
    _ name: String, _ dependencies: [Target.Dependency] = [], testing: [Target.Dependency] = [], tests: Bool = true
) -> [Target] {
    let target = Target.target(name: name, dependencies: dependencies, swiftSettings: strict)
    guard tests else { return [target] }
    return [
        target,
        .testTarget(
            name: name + "Tests", dependencies: [.byName(name: name), "TestSupport", system] + dependencies + testing,
            swiftSettings: strict),
    ]
}

/// A C library of the system, found by pkg-config; `./fcctl` installs what is missing.
func library(_ name: String, pkgConfig: String, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([apt])])
}

let package = Package(
    name: "fcctl",
    products: [.executable(name: "fcctl", targets: ["fcctl"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    ],
    targets: [
        // Top of the house first: a target imports only what stands below it (scripts/lint-imports).
        [.executableTarget(name: "fcctl", dependencies: ["Commands"], swiftSettings: strict)],
        part(
            "Commands",
            [
                "LoadTest", "Gateway", "HTTPWire", "MachinePool", "Machines", "Snapshots", "Firecracker", "QEMU", "VMM",
                "HostNetwork", "Images",
                "GuestBoot", "LinuxHost", "Telemetry", system, log,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ] + nio),
        part(
            "LoadTest", [.product(name: "NIOHTTP1", package: "swift-nio")] + nio,
            testing: ["Gateway", "MachinePool"]),
        part(
            "Gateway",
            [
                "HTTPWire", "MachinePool", "Telemetry", log, system,
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
            ] + nio, testing: ["LinuxHost"]),
        part(
            "HTTPWire",
            testing: [
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
            ]),
        part("MachinePool", ["Telemetry", .product(name: "NIOConcurrencyHelpers", package: "swift-nio")]),
        part(
            "Machines",
            [
                "MachinePool", "Snapshots", "Firecracker", "QEMU", "VMM", "HostNetwork", "Images", "GuestBoot",
                "LinuxHost",
                "Telemetry", system, log,
            ] + nio),
        part("Snapshots", ["VMM", "LinuxHost", system]),
        part(
            "Firecracker",
            ["VMM", "CArchive", "LinuxHost", "Telemetry", system, log] + nio),
        part(
            "QEMU", ["VMM", "LinuxHost", "Telemetry", system, log] + nio,
            testing: [.product(name: "NIOEmbedded", package: "swift-nio")]),
        part("VMM", ["LinuxHost", system] + nio),
        part("HostNetwork", ["LinuxHost", system]),
        part("Images", ["CArchive", "CExt2FS", "LinuxHost", system]),
        part("GuestBoot", ["CArchive", "CAssets", "LinuxHost", system]),
        part("LinuxHost", ["CLinuxHost", "CCrypto", system]),
        part("Telemetry", tests: false),
        [
            .target(name: "CLinuxHost", linkerSettings: [.linkedLibrary("curl"), .linkedLibrary("nftables")]),
            .target(name: "CAssets"),
            library("CArchive", pkgConfig: "libarchive", apt: "libarchive-dev"),
            library("CExt2FS", pkgConfig: "ext2fs", apt: "libext2fs-dev"),
            library("CCrypto", pkgConfig: "libcrypto", apt: "libssl-dev"),
            .executableTarget(
                name: "image-benchmark", dependencies: ["Images", "LinuxHost", system], path: "Benchmarks/images",
                exclude: ["run", "make-image"], swiftSettings: strict),
            .executableTarget(
                name: "pool-benchmark", dependencies: ["MachinePool"], path: "Benchmarks/pool", swiftSettings: strict),
            .executableTarget(
                name: "proxy-benchmark", dependencies: ["Gateway", "MachinePool"] + nio, path: "Benchmarks/proxy",
                exclude: [
                    "run", "subjects.py", "instructions", "instructions.count", "nginx.conf", "haproxy.cfg",
                    "Caddyfile",
                ], swiftSettings: strict),
            .testTarget(
                name: "EndToEndTests", dependencies: ["LinuxHost", "TestSupport", system], swiftSettings: strict),
            .testTarget(
                name: "HostTests", dependencies: ["HostNetwork", "LinuxHost", "CLinuxHost", "TestSupport", system],
                swiftSettings: strict),
            .testTarget(
                name: "MachineTests",
                dependencies: [
                    "Machines", "Snapshots", "Images", "MachinePool", "VMM", "QEMU", "Firecracker", "GuestBoot",
                    "HostNetwork", "LinuxHost", "TestSupport", system, log,
                ] + nio, swiftSettings: strict),
            .target(
                name: "TestSupport", dependencies: ["LinuxHost", system], path: "Tests/TestSupport",
                swiftSettings: strict),
        ],
    ].flatMap { $0 },
    swiftLanguageModes: [.v6],
    cLanguageStandard: .gnu17
)
