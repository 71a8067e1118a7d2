import GuestBoot
import Testing

@Suite struct KernelPanicTests {
    private func panic(_ console: String) -> KernelPanic? { KernelPanic(in: Array(console.utf8)) }

    @Test func `the first panic is the reason and ends with its line`() {
        let console = """
            [    0.98] Kernel panic - not syncing: System is deadlocked on memory\r
            [    0.98] CPU: 0 PID: 1 Comm: swapper/0\r
            [    0.99] Kernel panic - not syncing: another
            """
        #expect(panic(console)?.reason == "System is deadlocked on memory")
        #expect(panic(console)?.isOutOfMemory == true)
    }

    @Test func `a guest cannot make the terminal do things, nor fill it`() {
        #expect(panic("Kernel panic - not syncing: a\u{1b}[2Jb")?.reason == "a")
        #expect(panic("Kernel panic - not syncing: " + String(repeating: "x", count: 1000))?.reason.count == 200)
    }

    @Test func `no panic is none, and not each is about memory`() {
        #expect(panic("Out of memory: Killed process 12") == nil)
        #expect(panic("Kernel panic - not syncing: VFS: Unable to mount root fs")?.isOutOfMemory == false)
    }
}
