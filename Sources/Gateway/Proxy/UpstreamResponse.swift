import HTTPWire
import NIOCore

/// Reading responses, and sending them on as they come.
extension UpstreamHandler {
    func receive(_ client: ClientHandler) {
        do throws(WireError) {
            while phase == .head, pending.readableBytes > 0 {
                guard try readHead(client) else { return }
                // The head may have ended the exchange, or begun a tunnel.
                guard self.client === client, phase != .tunnel else { return }
                if phase == .body { return try readBody(client, afterHead: true) }
            }
            if phase == .body { try readBody(client, afterHead: false) }
        } catch {
            client.upstreamFailed(self, .malformedResponse(error))
        }
    }

    /// False when there is no head to go on with.
    private func readHead(_ client: ClientHandler) throws(WireError) -> Bool {
        let context = ResponseContext(isHead: client.head.method == .head, wantsUpgrade: client.head.wantsUpgrade)
        let isFirstTry = partial == nil
        var fields = partial ?? HeadFields(borrowing: &worker.fields)
        partial = nil
        let result: Result<ResponseHead?, WireError> = pending.withUnsafeReadableBytes { bytes in
            do throws(WireError) {
                return .success(try parser.parse(bytes, &fields, worker.configuration.limits.head, context))
            } catch {
                return .failure(error)
            }
        }
        guard let head = try result.get() else {
            partial = fields
            return false
        }
        parser = ResponseParser()
        if tellsProtocol {
            tellsProtocol = false
            worker.upstreams.learnHTTP1()
        }
        let isAccepted = pending.withUnsafeReadableBytes { take(head, $0, fields, client) }
        if isFirstTry { fields.giveBack(to: &worker.fields) }
        guard isAccepted else {
            client.upstreamFailed(self, .tooManyInformational)
            return false
        }
        let early = pending
        pending.moveReaderIndex(forwardBy: head.length)
        if phase == .tunnel {
            pending = worker.empty
            if let rest = early.getSlice(
                at: early.readerIndex + head.length, length: early.readableBytes - head.length),
                rest.readableBytes > 0
            {
                client.write(rest)
            }
            client.flush()
        }
        return true
    }

    /// Passes a head to the client's side. False when informational ones do not end.
    private func take(
        _ head: ResponseHead, _ bytes: UnsafeRawBufferPointer, _ fields: HeadFields, _ client: ClientHandler
    ) -> Bool {
        if head.isInformational {
            clientNeedsFlush = true
            return client.informational(head, bytes, fields)
        }
        if head.status == 101 {
            phase = .tunnel
            client.beginTunnel(head, bytes, fields, self)
        } else {
            response = head
            body = BodyDecoder(head.framing)
            streamed = 0
            phase = .body
            client.beginResponse(head, bytes, fields, self)
        }
        return true
    }

    /// Sends on what has come of the body. `afterHead`: `worker.out` holds the head, which leaves together with it.
    private func readBody(_ client: ClientHandler, afterHead: Bool) throws(WireError) {
        if !afterHead { worker.out.clear() }
        while !body.isComplete {
            var at = 0
            let step: Result<BodyDecoder.Step, WireError> = pending.withUnsafeReadableBytes { bytes in
                do throws(WireError) { return .success(try body.next(bytes, &at, &worker.fields)) } catch {
                    return .failure(error)
                }
            }
            switch step {
            case .failure(let error):
                spill(client)
                client.flush()
                throw error
            case .success(.needsMore):
                spill(client)
                pending.moveReaderIndex(forwardBy: at)
                clientNeedsFlush = true
                sizeReads()
                return client.progressed()
            case .success(.data(let range)): pass(range, client)
            case .success(.complete):
                if client.framing == .chunked { worker.out.writeTrailers(worker.fields, of: pending) }
            }
            pending.moveReaderIndex(forwardBy: at)
        }
        finish(client)
    }

    /// A response that goes on is a body to be moved fast, or a stream that may go on for hours.
    private func sizeReads() {
        switch response.framing {
        case .length, .none: limitReads(.large)
        case .chunked, .untilClose: limitReads(streamed < Self.longStream ? .small : .large)
        }
    }

    /// A stream that has brought this much is a body.
    private static let longStream = 1 << 20

    private func spill(_ client: ClientHandler) {
        if worker.out.readableBytes > 0 { client.write(worker.out) }
    }

    /// Small pieces are copied behind what waits in `worker.out`; large ones are written as they are.
    private func pass(_ range: Range<Int>, _ client: ClientHandler) {
        streamed += range.count
        let isChunked = client.framing == .chunked
        if isChunked { worker.out.writeChunkSize(range.count) }
        if range.count <= ClientHandler.copyLimit, worker.out.readableBytes <= ClientHandler.copyLimit {
            pending.withUnsafeReadableBytes { bytes in
                _ = worker.out.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
        } else {
            spill(client)
            worker.out.clear()
            if let piece = pending.getSlice(at: pending.readerIndex + range.lowerBound, length: range.count) {
                client.write(piece)
            }
        }
        if isChunked { worker.out.writeStaticString("\r\n") }
    }

    /// The connection ended, and with it a body that had no other end.
    func endOfConnection(_ client: ClientHandler) {
        worker.out.clear()
        if client.framing == .chunked { worker.out.writeStaticString("0\r\n\r\n") }
        finish(client)
    }

    private func finish(_ client: ClientHandler) {
        spill(client)
        phase = .head
        clientNeedsFlush = false
        let isClean = pending.readableBytes == 0 && !isInputClosed && isOpen
        client.responseEnded(self, isReusable: isClean && response.keepsAlive && client.isRequestDone)
    }
}
