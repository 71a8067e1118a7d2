import Glibc
import LinuxHost
import NIOPosix
import Testing
import VMM

@testable import Firecracker

/// The client against the other end of a socket pair.
@Suite final class FirecrackerClientTests {
    private let client: FirecrackerClient
    private let peer: Int32

    init() {
        var pair: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &pair)
        client = FirecrackerClient(OwnedDescriptor(pair[0]))
        peer = pair[1]
    }

    deinit {
        close(peer)
    }

    private func answer(_ text: String) {
        _ = Array(text.utf8).withUnsafeBytes { write(peer, $0.baseAddress, $0.count) }
    }

    private func asked() -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { read(peer, $0.baseAddress, $0.count) }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    @Test func `a call is one write, and its answer may have a body or none`() throws {
        answer("HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n")
        #expect(try client.send(.resume) == [])
        #expect(asked().hasPrefix("PATCH /vm HTTP/1.1\r\n") && asked().isEmpty)
    }

    @Test func `a call that was begun is sent at once, and the next one when it is answered`() throws {
        let resume = client.begin(.resume)
        #expect(asked().hasPrefix("PATCH /vm HTTP/1.1\r\n"))
        let pause = client.begin(.pause)
        #expect(asked().isEmpty)
        answer("HTTP/1.1 204 \r\n\r\n")
        try client.finish(resume)
        answer("HTTP/1.1 204 \r\n\r\n")
        try client.finish(pause)
        #expect(asked().contains("Paused"))
        client.close()
        let late = client.begin(.resume)
        #expect(throws: FirecrackerError.unreachable("the connection is closed")) { try client.finish(late) }
        #expect(throws: FirecrackerError.unreachable("the connection is closed")) { try client.send(.pause) }
    }

    @Test func `an answer that comes in pieces is put together`() throws {
        let whole = Array("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok".utf8)
        for count in whole.indices { #expect(try FirecrackerAnswer.parse(Array(whole[..<count])) == nil) }
        #expect(try FirecrackerAnswer.parse(whole) == FirecrackerAnswer(status: 200, body: Array("ok".utf8)))
    }

    @Test func `a refusal is told with the fault's words`() {
        answer("HTTP/1.1 400 \r\nContent-Length: 28\r\n\r\n{\"fault_message\":\"no drive\"}")
        #expect(throws: FirecrackerError.rejected(status: 400, fault: "no drive")) { try client.send(.loadSnapshot) }
    }

    @Test(arguments: [
        "SSH-2.0-x\r\n\r\n", "HTTP/1.1 x\r\n\r\n", "HTTP/1.1 200 \r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 \r\nContent-Length: 99999999999\r\n\r\n",
    ])
    func `what is not its language is an error, and the connection of no further use`(_ text: String) {
        answer(text)
        #expect(throws: FirecrackerError.undecodable(text)) { try client.send(.pause) }
        #expect(throws: FirecrackerError.unreachable("the connection is closed")) { try client.send(.pause) }
    }

    @Test func `silence ends with the time-out, and a late answer is nobody's`() {
        #expect(throws: FirecrackerError.timedOut) { try client.send(.pause, within: .milliseconds(5)) }
        #expect(throws: FirecrackerError.unreachable("the connection is closed")) { try client.send(.resume) }
    }

    @Test func `closing ends a call that is under way`() async throws {
        let client = client
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await #expect(throws: FirecrackerError.self) {
                    try await NIOThreadPool.singleton.offload { () throws(FirecrackerError) in
                        try client.send(.pause, within: .seconds(60))
                    }
                }
            }
            client.close()
        }
    }

    @Test func `a peer that goes away is an error`() {
        shutdown(peer, Int32(SHUT_RDWR))
        #expect(throws: FirecrackerError.unreachable("the connection is closed")) { try client.send(.pause) }
    }
}
