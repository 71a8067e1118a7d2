import Glibc
import Images
import LinuxHost
import SystemPackage

/// Makes the root of one image: `image-benchmark STATE-DIRECTORY IMAGE`. Prints what was made and the peak of memory.
@main
enum ImageBenchmark {
    static func main() {
        guard CommandLine.arguments.count == 3 else {
            print("usage: image-benchmark STATE-DIRECTORY IMAGE")
            exit(64)
        }
        do {
            let source = try ImageSource(parsing: CommandLine.arguments[2])
            let state = StateDirectory(FilePath(CommandLine.arguments[1]))
            let image = try ImageStore(state, demoApp: [], environment: [:]).resolve(source)
            print("\(image.rootfs) \(image.bytes)")
            print("peak \(peak) KiB")
        } catch {
            print("\(error)")
            print("peak \(peak) KiB")
            exit(1)
        }
    }

    /// The kernel's own mark for this program; getrusage would include what started it.
    private static var peak: Int {
        let status = (try? Files.read("/proc/self/status")) ?? []  // nothing to report is reported as 0
        for line in String(decoding: status, as: UTF8.self).split(separator: "\n") where line.hasPrefix("VmHWM:") {
            return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0
        }
        return 0
    }
}
