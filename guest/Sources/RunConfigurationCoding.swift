extension RunConfiguration {
    /// The bytes of `/run.config`. Throws when a text has a NUL byte or everything together is too large.
    package func encoded() throws(RunConfigurationError) -> [UInt8] {
        guard !arguments.isEmpty else { throw .noCommand }
        var writer = ByteWriter()
        writer.append(Self.magic)
        for argument in arguments { try Self.text(.argument, argument, to: &writer) }
        for variable in environment { try Self.text(.variable, variable, to: &writer) }
        try Self.text(.workingDirectory, workingDirectory, to: &writer)
        Self.integer(.userID, userID, to: &writer)
        Self.integer(.groupID, groupID, to: &writer)
        for group in supplementaryGroups { Self.integer(.group, group, to: &writer) }
        Self.integer(.stopSignal, stopSignal, to: &writer)
        try Self.text(.hostname, hostname, to: &writer)
        Self.record(.address, address.bytes + [prefixLength], to: &writer)
        Self.record(.gateway, gateway.bytes, to: &writer)
        if gatewayMAC.count == 6 { Self.record(.gatewayMAC, gatewayMAC, to: &writer) }
        for nameserver in nameservers { Self.record(.nameserver, nameserver.bytes, to: &writer) }
        Self.integer(.usesScratchDisk, UInt8(usesScratchDisk ? 1 : 0), to: &writer)
        Self.integer(.appPort, appPort, to: &writer)
        Self.integer(.agentPort, agentPort, to: &writer)
        Self.integer(.clock, clockNanoseconds, to: &writer)
        Self.record(.entropy, [UInt8](entropy.prefix(64)), to: &writer)
        Self.record(.end, [], to: &writer)
        guard writer.bytes.count <= Self.maximumLength else { throw .tooLarge }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(RunConfigurationError) {
        guard bytes.count <= Self.maximumLength else { throw .tooLarge }
        var reader = ByteReader(bytes)
        guard let magic = reader.take(Self.magic.count), magic == Self.magic else { throw .notAConfiguration }
        self.init(arguments: [])
        var seen: UInt32 = 0
        while true {
            guard let number = reader.integer(UInt8.self), let length = reader.integer(UInt32.self),
                let value = reader.take(Int(length))
            else { throw .truncated }
            guard let tag = Tag(rawValue: number) else { throw .malformed(tag: number) }
            if !tag.mayRepeat, seen & (1 << UInt32(number)) != 0 { throw .duplicate(tag: number) }
            seen |= 1 << UInt32(number)
            if tag == .end {
                guard value.isEmpty, reader.remaining == 0 else { throw .malformed(tag: number) }
                guard !arguments.isEmpty else { throw .noCommand }
                return
            }
            try set(tag, value)
        }
    }

    private mutating func set(_ tag: Tag, _ value: [UInt8]) throws(RunConfigurationError) {
        switch tag {
        case .end: break
        case .argument: arguments.append(try Self.text(tag, value))
        case .variable: environment.append(try Self.text(tag, value))
        case .workingDirectory: workingDirectory = try Self.text(tag, value)
        case .userID: userID = try Self.integer(tag, value)
        case .groupID: groupID = try Self.integer(tag, value)
        case .group: supplementaryGroups.append(try Self.integer(tag, value))
        case .stopSignal: stopSignal = try Self.integer(tag, value)
        case .hostname: hostname = try Self.text(tag, value)
        case .address:
            guard value.count == 5, value[4] <= 32 else { throw .malformed(tag: tag.rawValue) }
            address = IPv4Address(value[0], value[1], value[2], value[3])
            prefixLength = value[4]
        case .gateway: gateway = try Self.address(tag, value)
        case .gatewayMAC:
            guard value.count == 6 else { throw .malformed(tag: tag.rawValue) }
            gatewayMAC = value
        case .nameserver: nameservers.append(try Self.address(tag, value))
        case .usesScratchDisk:
            let number: UInt8 = try Self.integer(tag, value)
            guard number <= 1 else { throw .malformed(tag: tag.rawValue) }
            usesScratchDisk = number == 1
        case .appPort: appPort = try Self.integer(tag, value)
        case .agentPort: agentPort = try Self.integer(tag, value)
        case .clock: clockNanoseconds = try Self.integer(tag, value)
        case .entropy:
            guard value.count <= 64 else { throw .malformed(tag: tag.rawValue) }
            entropy = value
        }
    }

    private static func record(_ tag: Tag, _ value: [UInt8], to writer: inout ByteWriter) {
        writer.integer(tag.rawValue)
        writer.integer(UInt32(truncatingIfNeeded: value.count))
        writer.append(value)
    }

    private static func text(
        _ tag: Tag, _ value: [UInt8], to writer: inout ByteWriter
    ) throws(RunConfigurationError) {
        guard !value.contains(0) else { throw .containsNUL(tag: tag.rawValue) }
        guard value.count <= maximumLength else { throw .tooLarge }
        record(tag, value, to: &writer)
    }

    private static func integer(_ tag: Tag, _ value: some FixedWidthInteger, to writer: inout ByteWriter) {
        var bytes = ByteWriter()
        bytes.integer(value)
        record(tag, bytes.bytes, to: &writer)
    }

    private static func text(_ tag: Tag, _ value: [UInt8]) throws(RunConfigurationError) -> [UInt8] {
        guard !value.contains(0) else { throw .containsNUL(tag: tag.rawValue) }
        return value
    }

    private static func integer<Value: FixedWidthInteger>(
        _ tag: Tag, _ value: [UInt8]
    ) throws(RunConfigurationError) -> Value {
        var reader = ByteReader(value)
        guard let number = reader.integer(Value.self), reader.remaining == 0 else {
            throw .malformed(tag: tag.rawValue)
        }
        return number
    }

    private static func address(_ tag: Tag, _ value: [UInt8]) throws(RunConfigurationError) -> IPv4Address {
        guard value.count == 4 else { throw .malformed(tag: tag.rawValue) }
        return IPv4Address(value[0], value[1], value[2], value[3])
    }
}
