import Glibc
import NIOCore

/// The open file, pipe or terminal behind the access log. Used by one thread.
struct AccessLogOutput: Sendable {
    enum Outcome: Equatable {
        case written, givenUp
        /// `isNew`: the write before it went well.
        case failed(String, isNew: Bool)
    }

    private let descriptor: Int32
    private let isOwned: Bool
    /// A regular file takes everything at once; a pipe or terminal only while somebody reads.
    private let isRegular: Bool
    private var isFailing = false
    private var isTorn = false

    static func open(_ destination: AccessLogConfiguration.Destination) throws(GatewayError) -> AccessLogOutput {
        guard case .file(let path) = destination else {
            return AccessLogOutput(descriptor: STDOUT_FILENO, isOwned: false)
        }
        var status = stat()
        let isPipe = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
        // Opened for reading as well, a named pipe neither waits for its reader nor ends with it.
        let flags = isPipe ? O_RDWR | O_NONBLOCK : O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK
        let descriptor = Glibc.open(path, flags | O_CLOEXEC | O_NOCTTY, 0o640)
        guard descriptor >= 0 else { throw .logUnavailable(path: path, reason: String(cString: strerror(errno))) }
        return AccessLogOutput(descriptor: descriptor, isOwned: true)
    }

    private init(descriptor: Int32, isOwned: Bool) {
        self.descriptor = descriptor
        self.isOwned = isOwned
        var status = stat()
        isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    func close() { if isOwned { Glibc.close(descriptor) } }

    /// Writes everything, however long it takes, unless `givesUp` says otherwise.
    mutating func write(_ bytes: ByteBuffer, givesUp: () -> Bool) -> Outcome {
        var rest = bytes
        if isTorn {
            // What follows half a line begins on a line of its own.
            rest = ByteBuffer(string: "\n")
            rest.writeImmutableBuffer(bytes)
        }
        while rest.readableBytes > 0 {
            guard isRegular || canWrite() else {
                if givesUp() { return .givenUp }
                continue
            }
            let count = rest.withUnsafeReadableBytes { memory in
                // No pipe that is writable blocks on this many.
                Glibc.write(descriptor, memory.baseAddress, isRegular ? memory.count : min(memory.count, 4096))
            }
            if count > 0 {
                rest.moveReaderIndex(forwardBy: count)
                isTorn = rest.readableBytes > 0
            } else if count < 0, errno != EINTR, errno != EAGAIN {
                defer { isFailing = true }
                return .failed(String(cString: strerror(errno)), isNew: !isFailing)
            } else if givesUp() {
                return .givenUp
            }
        }
        isFailing = false
        return .written
    }

    private func canWrite() -> Bool {
        var poller = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&poller, 1, 100) > 0
    }
}
