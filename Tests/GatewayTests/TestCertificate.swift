import Glibc
import SystemPackage

@testable import Gateway

/// Self-signed certificates that are good for a century, and one that was good for 2001.
enum TestCertificate: String {
    /// first.test, localhost, 127.0.0.1
    case first
    /// second.test, *.wild.test
    case second
    /// expired.test
    case expired

    var certificate: String {
        switch self {
        case .first:
            """
            -----BEGIN CERTIFICATE-----
            MIIBnzCCAUWgAwIBAgIUdxt6znCtr0IWjBhohRWDy20xnN0wCgYIKoZIzj0EAwIw
            EDEOMAwGA1UEAwwFZmlyc3QwIBcNMjYxMTIzMTczMDE2WhgPMjEyNjEwMzAxNzMw
            MTZaMBAxDjAMBgNVBAMMBWZpcnN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
            7ael/t3hs+i+sfN720wQR3UT4H4JH2kwx/frqK2roMNN6yJv8dyjh6kEkJkvLdcJ
            KfOJR977/ynekfCVKHnCC6N7MHkwHQYDVR0OBBYEFDX6Z6IcpcSktrcTkLyM+j13
            pBwNMB8GA1UdIwQYMBaAFDX6Z6IcpcSktrcTkLyM+j13pBwNMA8GA1UdEwEB/wQF
            MAMBAf8wJgYDVR0RBB8wHYIKZmlyc3QudGVzdIIJbG9jYWxob3N0hwR/AAABMAoG
            CCqGSM49BAMCA0gAMEUCIQDDVuJfJ2jl2TzuZmpznbsPNO85CFPbzrr4k92RstPH
            kwIgf+Wn5v71evs79mq5HNkXFEYVvMMo2r4Hcvh0RIwAZDc=
            -----END CERTIFICATE-----

            """
        case .second:
            """
            -----BEGIN CERTIFICATE-----
            MIIBnzCCAUSgAwIBAgIUZwP398wFAcGMTDuZj0ABglBlpWgwCgYIKoZIzj0EAwIw
            ETEPMA0GA1UEAwwGc2Vjb25kMCAXDTI2MTEyMzE3MzAxNloYDzIxMjYxMDMwMTcz
            MDE2WjARMQ8wDQYDVQQDDAZzZWNvbmQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
            AASo3UW5dmKME+629oQ6xG8iEvtTJu8itldjknDkljDw+pGtOujbQEF7GX6IQwJ9
            iX3DwetrjgW7hNwnMbMtFYi8o3gwdjAdBgNVHQ4EFgQUQH87QbCxJBJDW3W8e9Ry
            TPYHxikwHwYDVR0jBBgwFoAUQH87QbCxJBJDW3W8e9RyTPYHxikwDwYDVR0TAQH/
            BAUwAwEB/zAjBgNVHREEHDAaggtzZWNvbmQudGVzdIILKi53aWxkLnRlc3QwCgYI
            KoZIzj0EAwIDSQAwRgIhAOjdKM51TvUjn+Il/PMng02QH724m/+s6B59y9uKB0b9
            AiEAjP3RXvZVVPannsasDpaDCX9tHJvU6O6/IyEVh9b5TbM=
            -----END CERTIFICATE-----

            """
        case .expired:
            """
            -----BEGIN CERTIFICATE-----
            MIIBLDCB1KADAgECAgEHMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMMB2V4cGlyZWQw
            HhcNMDEwMTAxMDAwMDAwWhcNMDIwMTAxMDAwMDAwWjASMRAwDgYDVQQDDAdleHBp
            cmVkMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE71kfIr9JrzBDTtUmCt5lxKTW
            zEVvFa3kQtK6okgWJJ4PaXCqZI3nr+dYXIfShHCLS0ONO9EtS9YI6hjdqBJ6U6Mb
            MBkwFwYDVR0RBBAwDoIMZXhwaXJlZC50ZXN0MAoGCCqGSM49BAMCA0cAMEQCIB6I
            gfPSNR+42aYgbfbT45fuR4CvuKj8+0QRZiawI4GNAiB7u+qhL01Q+gEue1RnAQno
            8LqibTtt9OP/nQ2aqR1LlQ==
            -----END CERTIFICATE-----

            """
        }
    }

    var key: String {
        switch self {
        case .first:
            """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+QkjNLDhbYhqREY+
            uswxwjKs7ChPKlfcd2Ge49EccYyhRANCAATtp6X+3eGz6L6x83vbTBBHdRPgfgkf
            aTDH9+uoraugw03rIm/x3KOHqQSQmS8t1wkp84lH3vv/Kd6R8JUoecIL
            -----END PRIVATE KEY-----

            """
        case .second:
            """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgi8obt+HRQZa62e5A
            3cs3T+iI6HjlSSZZIaT3FW/BOQyhRANCAASo3UW5dmKME+629oQ6xG8iEvtTJu8i
            tldjknDkljDw+pGtOujbQEF7GX6IQwJ9iX3DwetrjgW7hNwnMbMtFYi8
            -----END PRIVATE KEY-----

            """
        case .expired:
            """
            -----BEGIN PRIVATE KEY-----
            MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVltW64/HBlfH7F+r
            vQuKcD5lTcPTU76SgUSk/Bre9LWhRANCAATvWR8iv0mvMENO1SYK3mXEpNbMRW8V
            reRC0rqiSBYkng9pcKpkjeev51hch9KEcItLQ4070S1L1gjqGN2oEnpT
            -----END PRIVATE KEY-----

            """
        }
    }

    /// Writes both into `folder` under `name`, as a tool that renews certificates does: whole, by renaming.
    @discardableResult
    func write(to folder: FilePath, as name: String = "server") throws -> CertificatePair {
        let pair = CertificatePair(
            certificate: folder.appending("\(name).crt"), key: folder.appending("\(name).key"))
        try Self.write(certificate, to: pair.certificate)
        try Self.write(key, to: pair.key)
        return pair
    }

    static func write(_ text: String, to path: FilePath) throws {
        let draft = FilePath(path.string + ".new")
        let file = try FileDescriptor.open(
            draft, .writeOnly, options: [.create, .truncate], permissions: [.ownerReadWrite])
        try file.closeAfter { _ = try file.writeAll(Array(text.utf8)) }
        guard rename(draft.string, path.string) == 0 else { throw Errno(rawValue: errno) }
    }
}
