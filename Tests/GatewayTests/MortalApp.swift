import Glibc

/// An app in a process of its own that kills itself with SIGKILL where a request's path says so. Of all that share a marker
/// only the first one does; the others answer.
final class MortalApp: Sendable {
    let port: Int
    private let process: pid_t

    private static let script = #"""
        import os, signal, socket, sys, threading

        def dies():
            try:
                os.close(os.open(sys.argv[1], os.O_CREAT | os.O_EXCL))
                return True
            except FileExistsError:
                return False

        def die():
            os.kill(os.getpid(), signal.SIGKILL)

        SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
        BEFORE_DEATH = {
            "answer": b"",
            "half-head": b"HTTP/1.1 200 OK\r\nContent-Le",
            "head": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
            "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
            "chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            "last-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "tunnel": SWITCH + b"hello",
        }

        PHASES = {"request-head", "request-body", *BEFORE_DEATH}

        def serve(link):
            data = b""
            while b"\r\n\r\n" not in data:
                piece = link.recv(65536)
                if not piece:
                    return
                data += piece
            phase = data.split(b" ")[1].decode()[1:]
            if phase in PHASES and not dies():
                phase = ""
            if phase == "request-head":
                die()
            if phase == "request-body":
                # Some of the body, but not all of it.
                while len(data.split(b"\r\n\r\n", 1)[1]) < 3:
                    data += link.recv(65536)
                die()
            if phase in BEFORE_DEATH:
                link.sendall(BEFORE_DEATH[phase])
                die()
            if phase == "wait":
                threading.Event().wait()
            body = b"alive"
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            serve(link)

        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", int(sys.argv[2])))
        door.listen(64)
        os.write(1, b"%d\n" % door.getsockname()[1])
        while True:
            threading.Thread(target=serve, args=door.accept()[:1], daemon=True).start()
        """#

    /// `port`: where another one listened before; 0: anywhere.
    init(marker: String, port wanted: Int = 0) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0, fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0 else { throw MortalAppError.cannotStart }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        defer { posix_spawn_file_actions_destroy(&actions) }
        let words = ["python3", "-c", Self.script, marker, "\(wanted)"]
        var arguments = words.map { strdup($0) } + [nil]
        defer { for word in arguments { free(word) } }
        var started: pid_t = 0
        let result = posix_spawnp(&started, words[0], &actions, nil, &arguments, environ)
        close(ends[1])
        defer { close(ends[0]) }
        guard result == 0 else { throw MortalAppError.cannotStart }
        process = started
        var line = [UInt8](repeating: 0, count: 16)
        // Waits for the interpreter, some ten milliseconds.
        let count = read(ends[0], &line, line.count)
        guard let port = Int(String(decoding: line.prefix(max(0, count)), as: UTF8.self).prefix { $0.isNumber }) else {
            throw MortalAppError.cannotStart
        }
        self.port = port
    }

    func kill() { Glibc.kill(process, SIGKILL) }

    /// Kills it and returns when its port is free.
    func end() {
        kill()
        var information = siginfo_t()
        waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT)
    }

    deinit {
        kill()
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }
}

enum MortalAppError: Error { case cannotStart }
