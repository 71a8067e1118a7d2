import Glibc
import LinuxHost
import SystemPackage

/// A real HTTP server on loopback that answers every request with the same bytes and then closes, or resets.
final class FileServer: Sendable {
    enum Behaviour: Sendable {
        case file([UInt8])
        case status(Int)
        /// Announces more than it sends.
        case short([UInt8])
        case reset
    }

    let port: UInt16
    private let listener: Int32

    init(_ behaviour: Behaviour) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let file = listener
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(file, address, length) == 0 && listen(file, 8) == 0 ? getsockname(file, address, &length) : -1
            }
        }
        guard result == 0 else { throw HostError("listen", "loopback", Errno(rawValue: errno)) }
        port = UInt16(bigEndian: address.sin_port)
        let context = Unmanaged.passRetained(Work(listener: listener, behaviour: behaviour))
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<Work>.fromOpaque(raw).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        pthread_detach(thread)
    }

    /// Ends the thread: its accept fails.
    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private final class Work {
        let listener: Int32
        let behaviour: Behaviour

        init(listener: Int32, behaviour: Behaviour) {
            self.listener = listener
            self.behaviour = behaviour
        }

        func run() {
            while true {
                let client = accept(listener, nil, nil)
                if client < 0 { break }
                var request = [UInt8](repeating: 0, count: 4096)
                _ = read(client, &request, request.count)
                switch behaviour {
                case .file(let bytes): send(head(200, bytes.count) + bytes, to: client)
                case .status(let code): send(head(code, 0), to: client)
                case .short(let bytes): send(head(200, bytes.count + 1000) + bytes, to: client)
                case .reset:
                    var now = linger(l_onoff: 1, l_linger: 0)
                    setsockopt(client, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
                }
                close(client)
            }
            close(listener)
        }

        private func head(_ status: Int, _ length: Int) -> [UInt8] {
            Array("HTTP/1.1 \(status) X\r\nContent-Length: \(length)\r\nConnection: close\r\n\r\n".utf8)
        }

        private func send(_ bytes: [UInt8], to client: Int32) {
            var offset = 0
            while offset < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Glibc.send(client, $0.baseAddress?.advanced(by: offset), $0.count - offset, Int32(MSG_NOSIGNAL))
                }
                if count <= 0 { return }
                offset += count
            }
        }
    }
}
