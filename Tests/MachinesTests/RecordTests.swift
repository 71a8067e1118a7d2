import LinuxHost
import Machines
import SystemPackage
import TestSupport
import Testing
import VMM

@Suite struct RecordTests {
    private func record(_ id: MachineID, _ name: String) throws -> MachineRecord {
        MachineRecord(
            id: id, name: try #require(MachineName(name)), owner: .user, starter: .current, bootID: "boot",
            createdAt: 7,
            spec: MachineSpec(
                imageName: "demo", imageDigest: "sha256:0", vcpus: 2, memory: .mebibytes(256), disk: .mebibytes(1024),
                appPort: 3000, environment: [], egress: .internet), vmm: .qemu, isolation: .emulated)
    }

    @Test func `a record is found by name, by id and by an unambiguous prefix`() throws {
        try withScratch { folder in
            let records = MachineRecords(StateDirectory(folder))
            let first = try #require(MachineID("aaaa00000000"))
            let second = try #require(MachineID("aaab00000000"))
            try records.write(record(first, "one"))
            try records.write(record(second, "two"))
            #expect(try records.find("two").id == second)
            #expect(try records.find("aaaa").id == first)
            #expect(throws: MachineError.self) { try records.find("aaa") }
            #expect(throws: MachineError.self) { try records.find("nobody") }
            #expect(throws: MachineError.self) { try records.find("") }
        }
    }

    @Test func `a record that cannot be read hides no other and says what is wrong`() throws {
        try withScratch { folder in
            let records = MachineRecords(StateDirectory(folder))
            let good = MachineID()
            let bad = MachineID()
            try records.write(record(good, "good"))
            try records.write(record(bad, "bad"))
            try AtomicFile.write(Array("{\"version\":".utf8), to: records.folder(of: bad).appending("metadata.json"))
            #expect(try records.all().map(\.id) == [good])
            #expect(throws: MachineError.self) { try records.read(bad) }
        }
    }

    @Test func `folders that are not named like machines are not ours`() throws {
        try withScratch { folder in
            let records = MachineRecords(StateDirectory(folder))
            try Files.makeDirectory(folder.appending("vms/my-notes"))
            #expect(try records.ids().isEmpty)
        }
    }
}
