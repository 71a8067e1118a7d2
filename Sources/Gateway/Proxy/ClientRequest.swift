import HTTPWire
import NIOCore

/// Reading requests: heads, bodies, and what comes too early.
extension ClientHandler {
    /// Understands as much of `pending` as can be dealt with now.
    func processInput() {
        guard !isProcessing else { return }
        isProcessing = true
        loop: while pending.readableBytes > 0 {
            switch phase {
            // Whoever sends requests and takes no answers is not asked for more.
            case .head: if !mayRead || !readHead() { break loop }
            case .exchange: if isRequestDone || !readBody() { break loop }
            case .tunnel:
                let early = pending
                pending = worker.empty
                tunnel(early)
            case .events, .closing, .closed: pending = worker.empty
            }
        }
        isProcessing = false
        upstream?.flushIfNeeded()
        pending.keepOnlyReadable(worker.empty)
        if isInputClosed { endOfInput() }
    }

    /// As much of the body is kept as may be while there is no machine; the rest waits.
    var isHoldingBody: Bool {
        (stage == .acquiring || stage == .connecting)
            && requestBytes.readableBytes >= worker.configuration.limits.replay
    }

    /// False when the head is not whole yet.
    private func readHead() -> Bool {
        let limits = worker.configuration.limits.head
        let isFirstTry = partial == nil
        var fields = partial ?? HeadFields(borrowing: &worker.fields)
        partial = nil
        do throws(WireError) {
            let isWhole: Result<Bool, WireError> = pending.withUnsafeReadableBytes { bytes in
                do throws(WireError) {
                    guard let whole = try parser.parse(bytes, &fields, limits) else { return .success(false) }
                    head = whole
                    return .success(true)
                } catch {
                    return .failure(error)
                }
            }
            guard try isWhole.get() else {
                if parser.hasBegun {
                    partial = fields
                    if timer != .header { arm(.header, worker.timers.header) }
                } else {
                    if isFirstTry { fields.giveBack(to: &worker.fields) }
                    skipEmptyLines()
                }
                return false
            }
        } catch {
            if isFirstTry { fields.giveBack(to: &worker.fields) }
            if error == .unsupportedVersion, yieldToHTTP2() { return false }
            parser = RequestParser()
            noteMalformed()
            fail(.malformed(error), closes: true)
            return true
        }
        parser = RequestParser()
        serialise(&fields)
        let isAdmin = worker.admin?.wants(head, pending) ?? false
        let target = isAdmin ? AdminRequest(head, pending) : nil
        if isFirstTry { fields.giveBack(to: &worker.fields) }
        pending.moveReaderIndex(forwardBy: head.length)
        startExchange(admin: target)
        return true
    }

    /// Some clients end a body with a line end of their own. To whoever says nothing more the connection is idle.
    private func skipEmptyLines() {
        guard pending.getInteger(at: pending.writerIndex - 1) == UInt8(ascii: "\n") else { return }
        pending = worker.empty
        parser = RequestParser()
    }

    /// Writes the head as the machine will see it into `requestBytes`, and notes the request's id.
    private func serialise(_ fields: inout HeadFields) {
        head.settle(
            &fields, isTrusted: peer.isTrusted,
            keepsRequestID: peer.isTrusted || worker.configuration.keepsRequestIDs)
        worker.identifiers.advance()
        if head.requestID.isEmpty {
            worker.identifiers.write(into: &requestID)
        } else {
            let start = pending.readerIndex + head.requestID.lowerBound
            requestID = pending.getBytes(at: start, length: head.requestID.count) ?? []
        }
        beginNote(fields)
        requestBytes.clear()
        requestBytes.writeWithUnsafeMutableBytes(minimumWritableBytes: head.sizeBound(peer)) { memory in
            guard var writer = HeadWriter(memory) else { return 0 }
            pending.withUnsafeReadableBytes { bytes in
                head.write(
                    bytes, fields, peer, requestID: requestID, trace: worker.identifiers.trace, to: &writer)
            }
            return writer.count
        }
    }

    /// False when nothing more can be done with what is there.
    private func readBody() -> Bool {
        if isHoldingBody { return false }
        var at = 0
        let step: Result<BodyDecoder.Step, WireError> = pending.withUnsafeReadableBytes { bytes in
            do throws(WireError) { return .success(try body.next(bytes, &at, &worker.fields)) } catch {
                return .failure(error)
            }
        }
        switch step {
        case .failure(let error):
            spoil(error)
            return true
        case .success(.needsMore):
            pending.moveReaderIndex(forwardBy: at)
            return false
        case .success(.data(let range)):
            let data = pending.getSlice(at: pending.readerIndex + range.lowerBound, length: range.count)
            pending.moveReaderIndex(forwardBy: at)
            bodyBytes += UInt64(range.count)
            windowBytes += range.count
            if let limit = worker.configuration.limits.body, bodyBytes > limit {
                spoil(.bodyTooLarge)
                return true
            }
            if let data { passBody(data) }
            if body.isComplete, head.framing != .chunked { requestEnded() }
            return true
        case .success(.complete):
            if head.framing == .chunked { passLastChunk() }
            pending.moveReaderIndex(forwardBy: at)
            requestEnded()
            return true
        }
    }

    private func passBody(_ data: ByteBuffer) {
        guard head.framing == .chunked else { return pass(data) }
        if data.readableBytes <= Self.copyLimit {
            worker.out.clear()
            worker.out.writeChunk(data)
            pass(worker.out)
        } else {
            worker.out.clear()
            worker.out.writeChunkSize(data.readableBytes)
            pass(worker.out)
            pass(data)
            worker.out.clear()
            worker.out.writeStaticString("\r\n")
            pass(worker.out)
        }
    }

    private func passLastChunk() {
        worker.out.clear()
        worker.out.writeTrailers(worker.fields, of: pending)
        pass(worker.out)
    }

    /// Bytes for the machine: at once when it is there, and kept while it is not or as long as they may be needed again.
    private func pass(_ bytes: ByteBuffer) {
        let isThere = stage == .sent || stage == .responding
        if isThere { upstream?.send(bytes) }
        guard !isThere || keepsRequest else { return }
        if isThere, requestBytes.readableBytes + bytes.readableBytes > worker.configuration.limits.replay {
            canReplay = false
            keepsRequest = false
            requestBytes = worker.empty
        } else {
            requestBytes.writeImmutableBuffer(bytes)
        }
    }

    private func requestEnded() {
        isRequestDone = true
        if stage == .sent, timer == .body || timer == .expectation { arm(.firstByte, worker.timers.firstByte) }
        if stage == .acquiring || stage == .connecting { arm(.none, 0) }
    }

    /// The body breaks a rule: nothing more of it may reach the machine, which sees a broken request.
    private func spoil(_ error: WireError) {
        if phase == .exchange, stage == .responding { return abort() }
        fail(.malformed(error), closes: true)
    }

    /// Bodies up to this size travel in the same buffer as what is before and after them.
    static let copyLimit = 16 * 1024
}

extension ByteBuffer {
    mutating func writeChunk(_ data: ByteBuffer) {
        writeChunkSize(data.readableBytes)
        writeImmutableBuffer(data)
        writeStaticString("\r\n")
    }

    mutating func writeChunkSize(_ size: Int) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: 18) { memory in
            guard var writer = HeadWriter(memory) else { return 0 }
            writer.put(hexadecimal: UInt64(size))
            writer.put("\r\n")
            return writer.count
        }
    }

    /// The last chunk with the trailer lines that go on; `fields` are offsets into the readable bytes of `source`.
    mutating func writeTrailers(_ fields: HeadFields, of source: ByteBuffer) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: fields.trailerBound) { memory in
            guard var writer = HeadWriter(memory) else { return 0 }
            source.withUnsafeReadableBytes { fields.writeTrailers($0, to: &writer) }
            return writer.count
        }
    }
}
