import Logging
import SystemPackage
import TestSupport
import Testing

@testable import Gateway

struct CertificateTests {
    private func load(_ pair: CertificatePair) -> CertificateError? {
        do throws(CertificateError) {
            _ = try ServerIdentity(pair)
            return nil
        } catch {
            return error
        }
    }

    @Test func `what cannot be served is refused in one sentence that names the file`() throws {
        try withScratch { folder in
            let good = try TestCertificate.first.write(to: folder)
            #expect(load(good) == nil)
            let missing = folder.appending("missing")
            #expect(load(CertificatePair(certificate: missing, key: good.key)) == .missing(missing))
            #expect(load(CertificatePair(certificate: good.certificate, key: missing)) == .missing(missing))
            #expect(load(CertificatePair(certificate: good.key, key: good.key)) == .notACertificate(good.key))
            #expect(
                load(CertificatePair(certificate: good.certificate, key: good.certificate))
                    == .notAKey(good.certificate))
            let other = try TestCertificate.second.write(to: folder, as: "other")
            #expect(
                load(CertificatePair(certificate: good.certificate, key: other.key))
                    == .mismatch(certificate: good.certificate, key: other.key))
            let empty = folder.appending("empty")
            try TestCertificate.write("", to: empty)
            #expect(load(CertificatePair(certificate: empty, key: good.key)) == .notACertificate(empty))
            #expect(load(CertificatePair(certificate: good.certificate, key: empty)) == .notAKey(empty))
            let locked = folder.appending("locked")
            try TestCertificate.write(
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", to: locked)
            #expect(load(CertificatePair(certificate: good.certificate, key: locked)) == .encryptedKey(locked))
            guard case .unreadable(folder, _) = load(CertificatePair(certificate: folder, key: good.key)) else {
                Issue.record("a folder is no certificate")
                return
            }
        }
    }

    @Test func `an expired certificate is served all the same`() throws {
        try withScratch { folder in
            let identity = try ServerIdentity(try TestCertificate.expired.write(to: folder))
            #expect(identity.names == ["expired.test"])
            #expect(UTCTime.text(identity.notAfter) == "2002-01-01T00:00:00Z")
        }
    }

    @Test func `a name finds the certificate made for it`() {
        let choice = CertificateChoice([["a.test", "*.a.test"], ["b.test", "x.a.test"], ["a.test", "*.test"]])
        for (name, index) in [
            ("a.test", 0), ("A.Test.", 0), ("y.a.test", 0), ("x.a.test", 1), ("b.test", 1), ("c.test", 2),
            ("y.z.a.test", nil), ("test", nil), (".test", nil), ("", nil), ("b.test.evil", nil),
        ] { #expect(choice.index(for: name) == index, "\(name)") }
    }
}
