import LinuxHost
import SystemPackage
import Testing
import VMM

@testable import Firecracker

@Suite struct FirecrackerLaunchTests {
    private func launch(jailed: Bool) -> FirecrackerLaunch {
        let network = NetworkAttachment(
            namespace: -1, tapName: "tap0", guestMAC: "06:00:ac:10:00:02",
            openTap: { () throws(HostError) in throw HostError("open", "tap0", .notSupported) })
        return FirecrackerLaunch(
            configuration: VMConfiguration(
                id: "m1", directory: "/state/vms/m1", kernel: "/state/bin/vmlinux", initramfs: "/state/init.cpio",
                commandLine: #"quiet name="a/b""#, vcpus: 2, memory: .mebibytes(256), rootDisk: "/state/root.ext4",
                scratchDisk: "/state/vms/m1/scratch.ext4", network: network, cgroupParent: "fcctl/tag",
                userID: 30_001),
            binaries: FirecrackerBinaries(
                firecracker: "/usr/bin/firecracker-v1.15.1", jailer: "/usr/bin/jailer",
                version: FirecrackerVersion(1, 15, 1)),
            jailBase: jailed ? "/state/jails" : nil, hierarchies: CgroupHierarchies(mounts: [], unifiedControllers: []))
    }

    private func text(_ request: FirecrackerRequest) -> String {
        "\(request.method.rawValue) \(request.path) \(String(decoding: request.body, as: UTF8.self))"
    }

    @Test func `in a jail every file has a short name of its own`() {
        #expect(
            launch(jailed: true).bootRequests.map(text) == [
                #"PUT /machine-config {"mem_size_mib":256,"vcpu_count":2}"#,
                #"PUT /boot-source {"boot_args":"quiet name=\"a/b\"","initrd_path":"initramfs","kernel_image_path":"kernel"}"#,
                #"""
                PUT /drives/root {"cache_type":"Unsafe","drive_id":"root","io_engine":"Sync","is_read_only":true,\#
                "is_root_device":false,"path_on_host":"root.ext4"}
                """#,
                #"""
                PUT /drives/scratch {"cache_type":"Unsafe","drive_id":"scratch","io_engine":"Sync",\#
                "is_read_only":false,"is_root_device":false,"path_on_host":"scratch.ext4"}
                """#,
                #"""
                PUT /network-interfaces/eth0 {"guest_mac":"06:00:ac:10:00:02","host_dev_name":"tap0",\#
                "iface_id":"eth0"}
                """#,
                #"PUT /actions {"action_type":"InstanceStart"}"#,
            ])
    }

    @Test func `without a jail the files keep their paths, and what is not there is left out`() {
        let plain = launch(jailed: false).names
        #expect(plain.rootDisk == "root.ext4" && plain.kernel == "/state/bin/vmlinux")
        let body = FirecrackerRequest.bootSource(
            BootSource(kernel_image_path: "k", initrd_path: nil, boot_args: "a"))
        #expect(text(body) == #"PUT /boot-source {"boot_args":"a","kernel_image_path":"k"}"#)
    }

    @Test func `the jailer is told its base, its user and a parent cgroup of ours`() {
        let jail = Jail(base: "/state/jails", executableName: "firecracker-v1.15.1", id: "m1")
        #expect(jail.root == "/state/jails/firecracker-v1.15.1/m1/root")
        #expect(
            launch(jailed: true).jailerArguments(jail) == [
                "--id", "m1", "--exec-file", "/usr/bin/firecracker-v1.15.1", "--uid", "30001", "--gid", "30001",
                "--chroot-base-dir", "/state/jails", "--cgroup-version", "1", "--parent-cgroup", "fcctl/tag/m1",
                "--resource-limit", "no-file=2048",
            ])
    }
}
