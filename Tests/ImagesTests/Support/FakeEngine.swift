import Glibc
import LinuxHost
import SystemPackage

/// A container engine's socket that fails in ways a real engine cannot be made to: only the protocol, no images.
enum FakeEngine {
    /// Runs `body` while the engine listens. `id` is what it says the name stands for, `archive` what it sends and
    /// `mode` how it misbehaves.
    static func run<Result>(
        _ folder: FilePath, id: String, archive: FilePath, mode: String = "good", _ body: (FilePath) throws -> Result
    ) throws -> Result {
        let socket = folder.appending("engine.sock")
        unlink(socket.string)
        let process = try start([socket.string, id, archive.string, mode])
        defer {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        return try body(socket)
    }

    private static func start(_ parameters: [String]) throws -> pid_t {
        var pipes: [Int32] = [0, 0]
        guard pipe(&pipes) == 0 else { throw HostError("pipe", "engine", Errno(rawValue: errno)) }
        defer { close(pipes[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, pipes[1], 1)
        posix_spawn_file_actions_addclose(&actions, pipes[0])
        let arguments = (["python3", "-c", script] + parameters).map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process: pid_t = 0
        let result = posix_spawnp(&process, "python3", &actions, nil, arguments, environ)
        close(pipes[1])
        guard result == 0 else { throw HostError("run", "python3", Errno(rawValue: result)) }
        // The script writes one byte when it listens.
        var byte: UInt8 = 0
        guard read(pipes[0], &byte, 1) == 1 else {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
            throw HostError("start", "the fake engine", .ioError)
        }
        return process
    }

    private static let script = """
        import http.server, json, os, socketserver, sys, time
        path, image, archive, mode = sys.argv[1:5]
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def address_string(self): return "socket"
            def log_message(self, *rest): pass
            def answer(self, status, body, claimed=None):
                self.send_response(status)
                self.send_header("Content-Length", str(claimed or len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()
            def do_GET(self):
                if mode == "missing": return self.answer(404, b'{"message":"No such image: app:1"}')
                if mode == "broken": return self.answer(500, b'{"message":"layer store \\\\u001b[31m is corrupt"}')
                if self.path == "/images/app:1/json":
                    if mode == "nonsense": return self.answer(200, b"<html>")
                    return self.answer(200, json.dumps({"Id": image}).encode())
                if self.path != "/images/app:1/get": return self.answer(404, b"{}")
                if mode == "gone": return self.answer(404, b"{}")
                if mode == "refuses": return self.answer(500, b'{"message":"cannot save"}')
                body = open(archive, "rb").read()
                if mode == "short": self.answer(200, body[:len(body) // 2]); return
                if mode == "reset": self.answer(200, body[:len(body) // 2], len(body)); os._exit(0)
                if mode == "stall": self.answer(200, body[:len(body) // 2], len(body)); time.sleep(600)
                self.answer(200, body)
        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer): daemon_threads = True
        server = Server(path, Handler)
        os.write(1, b"!")
        server.serve_forever()
        """
}
