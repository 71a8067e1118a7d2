/// The words each VMM's machine model needs from the guest kernel.
///
/// QEMU's microvm has neither PIT nor HPET: the kernel must be told the rate of its clock (`tsc_early_khz`), and its
/// watchdog, which under emulation has only lost timer ticks to compare with, must not replace it (`tsc=reliable`): the
/// guest would fall back to a clock of 4 ms steps that runs slow. Serial output is expensive, so the kernel is quiet.
package enum KernelCommandLine {
    /// For QEMU's microvm with ACPI. `tscKilohertz` is the host's: see `TimeStampCounter`.
    package static func qemu(tscKilohertz: UInt64) -> [String] {
        [
            "console=ttyS0", "reboot=t", "panic=-1", "quiet", "loglevel=1", "i8042.noaux", "i8042.nomux",
            "mitigations=off", "random.trust_cpu=on", "nokaslr", "cryptomgr.notests", "no_timer_check",
            "tsc_early_khz=\(tscKilohertz)", "tsc=reliable",
        ]
    }

    /// For Firecracker. Without `console` the serial port is off: each byte would cost an exit to the VMM.
    package static func firecracker(console: Bool) -> [String] {
        [
            "reboot=k", "panic=-1", "pci=off", "quiet", "loglevel=1", "i8042.noaux", "i8042.nomux", "i8042.dumbkbd",
            "random.trust_cpu=on", "cryptomgr.notests",
        ] + [console ? "console=ttyS0" : "8250.nr_uarts=0"]
    }
}
