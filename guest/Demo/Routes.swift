import CGuest

/// What each path answers.
struct Routes {
    let startedAt = g_uptime()
    private(set) var count = 0
    /// Set by `/exit`: the server ends with this code once the answer is sent.
    private(set) var exitCode: Int32?

    mutating func answer(_ request: Request, on connection: Connection) {
        count += 1
        connection.endsAfterAnswer = !request.keepsAlive
        let now = g_uptime()
        switch String(decoding: request.path, as: UTF8.self) {
        case "/": reply(Array(page(now).utf8), type: "text/html; charset=utf-8", request, connection)
        case "/id": reply(Array(identity().utf8), request, connection)
        case "/healthz": reply(Array("ok\n".utf8), request, connection)
        case "/time": reply(Array("\(g_wall_clock())\n".utf8), request, connection)
        case "/slow":
            let delay = UInt64(min(request.number("ms") ?? 1000, 600_000))
            let answer = head(200, 5, "text/plain", request) + (isHead(request) ? [] : Array("slow\n".utf8))
            connection.work = .delayed(until: now + delay * 1_000_000, answer)
        case "/bytes":
            let size = min(request.number("n") ?? 1024, 1 << 32)
            connection.send(head(200, size, "application/octet-stream", request))
            if !isHead(request), size > 0 { connection.work = .filling(size) }
        case "/echo": reply(request.body, type: "application/octet-stream", request, connection)
        case "/sse":
            connection.send(
                Array(
                    """
                    HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                    Transfer-Encoding: chunked\r\n\r\n
                    """.utf8))
            let interval = UInt64(min(request.number("ms") ?? 1000, 600_000)) * 1_000_000
            connection.work = .events(next: 0, count: request.number("n") ?? 10, interval: interval, at: now)
        case "/log":
            let line = (request.value("text") ?? Array("hello".utf8)) + [0x0a]
            let file: Int32 = request.number("stderr") == 1 ? 2 : 1
            _ = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            reply(Array("logged\n".utf8), request, connection)
        case "/exit":
            exitCode = Int32(min(request.number("code") ?? 0, 255))
            connection.endsAfterAnswer = true
            reply(Array("bye\n".utf8), request, connection)
        default: reply(Array("not found\n".utf8), status: 404, request, connection)
        }
    }

    /// The answer to bytes that are no request; the connection ends with it.
    func refuse(_ status: Int, on connection: Connection) {
        connection.endsAfterAnswer = true
        var request = Request()
        request.keepsAlive = false
        reply(Array("\(reason(status))\n".utf8), status: status, request, connection)
    }

    private func reply(
        _ body: [UInt8], type: String = "text/plain", status: Int = 200, _ request: Request, _ connection: Connection
    ) {
        connection.send(head(status, body.count, type, request) + (isHead(request) ? [] : body))
    }

    private func isHead(_ request: Request) -> Bool { request.method == Array("HEAD".utf8) }

    private func head(_ status: Int, _ length: Int, _ type: String, _ request: Request) -> [UInt8] {
        let ending = request.keepsAlive && exitCode == nil ? "" : "Connection: close\r\n"
        return Array(
            "HTTP/1.1 \(status) \(reason(status))\r\nContent-Type: \(type)\r\nContent-Length: \(length)\r\n\(ending)\r\n"
                .utf8)
    }

    private func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 404: "Not Found"
        case 413: "Content Too Large"
        case 431: "Request Header Fields Too Large"
        default: "Not Implemented"
        }
    }

    /// What tells this machine from its clones: name, nanoseconds since 1970, a number from the kernel, the ids of the
    /// machine and of the boot.
    private func identity() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var number: UInt64 = 0
        _ = withUnsafeMutableBytes(of: &number) { g_random($0.baseAddress, $0.count) }
        let ids = line("/etc/machine-id") + " " + line("/proc/sys/kernel/random/boot_id")
        return "\(hostname()) \(Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)) \(number) \(ids)\n"
    }

    private func line(_ path: String) -> String {
        var bytes = [UInt8](repeating: 0, count: 64)
        let file = g_open(path, O_RDONLY, 0)
        let count = bytes.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
        close(file)
        return String(decoding: bytes.prefix(max(count, 0)).prefix { $0 != 0x0a }, as: UTF8.self)
    }

    private func hostname() -> String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func page(_ now: UInt64) -> String {
        let host = hostname()
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>Hello from a microVM</title></head>
            <body style="font-family: system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem">
            <h1>Hello from a microVM</h1>
            <p>This page was served by <b>\(host)</b>, a virtual machine of its own.</p>
            <p>Up for \((now - startedAt) / 1_000_000_000) s, \(count) requests answered.</p>
            <p>Try <code>/slow?ms=500</code>, <code>/bytes?n=1000000</code>, <code>/sse?n=5&amp;ms=200</code>,
            <code>/time</code>, <code>/echo</code> (POST), <code>/log?text=hi</code> or <code>/exit?code=3</code>.</p>
            </body></html>

            """
    }
}
