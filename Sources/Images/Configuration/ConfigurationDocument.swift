import FoundationEssentials

/// The JSON that describes an image: the platform it is for, its layers and how it is run.
struct ConfigurationDocument: Decodable {
    struct RootFS: Decodable {
        let diff_ids: [String]?
    }

    struct Nothing: Decodable {}

    struct Run: Decodable {
        let Entrypoint: [String]?
        let Cmd: [String]?
        let Env: [String]?
        let WorkingDir: String?
        let User: String?
        let StopSignal: String?
        let ExposedPorts: [String: Nothing]?
    }

    let architecture: String?
    let os: String?
    let rootfs: RootFS?
    let config: Run?
}

extension ConfigurationDocument {
    static let subject = "the image's configuration"

    static func parse(_ bytes: [UInt8]) throws(ImageError) -> ConfigurationDocument {
        let document = try decodeDocument(ConfigurationDocument.self, bytes, subject: subject)
        if let os = document.os, !os.isEmpty, os != "linux" {
            throw .badData(subject: "the image", reason: "it is for \(printable(os.utf8)), and microVMs run Linux")
        }
        if let architecture = document.architecture, !architecture.isEmpty, architecture != Platform.architecture {
            throw .badData(
                subject: "the image",
                reason: "it is for \(printable(architecture.utf8)) and this host is \(Platform.architecture)")
        }
        return document
    }

    /// Digests of the uncompressed layers, lowest first.
    func diffIDs(limits: ImageLimits) throws(ImageError) -> [Digest] {
        guard let texts = rootfs?.diff_ids else {
            throw .badData(subject: ConfigurationDocument.subject, reason: "it lists no layers (rootfs.diff_ids)")
        }
        guard texts.count <= limits.layers else {
            throw .badData(
                subject: "the image", reason: "it has \(texts.count) layers, at most \(limits.layers) are sensible")
        }
        var digests: [Digest] = []
        for text in texts {
            guard let digest = Digest(text) else {
                throw .badData(
                    subject: ConfigurationDocument.subject, reason: "\(printable(text.utf8)) is not a sha256 digest")
            }
            digests.append(digest)
        }
        return digests
    }
}

/// Decodes a JSON document of an image.
func decodeDocument<Document: Decodable>(
    _ type: Document.Type, _ bytes: [UInt8], subject: String
) throws(ImageError) -> Document {
    do {
        return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
        throw .badData(subject: subject, reason: "it is not the JSON document it should be")
    }
}

/// The one platform whose images run here.
enum Platform {
    #if arch(arm64)
        static let architecture = "arm64"
    #else
        static let architecture = "amd64"
    #endif
}
