/// Turns the `User` of an image into numbers by the image's own /etc/passwd and /etc/group.
struct UserLookup {
    private struct Account {
        let name: Substring
        let uid: UInt32
        let gid: UInt32
        let home: Substring
    }

    private struct Group {
        let name: Substring
        let gid: UInt32
        let members: [Substring]
    }

    private let accounts: [Account]
    private let groups: [Group]

    /// The texts of the two files; empty when the image has none. Lines that are malformed are skipped.
    init(passwd: String, group: String) {
        accounts = UserLookup.lines(passwd).compactMap { fields in
            guard fields.count >= 6, let uid = UInt32(fields[2]), let gid = UInt32(fields[3]) else { return nil }
            return Account(name: fields[0], uid: uid, gid: gid, home: fields[5])
        }
        groups = UserLookup.lines(group).compactMap { fields in
            guard fields.count >= 4, let gid = UInt32(fields[2]) else { return nil }
            return Group(name: fields[0], gid: gid, members: fields[3].split(separator: ","))
        }
    }

    /// The rules of container engines: a name must exist, a number need not, and the groups that list the user are
    /// added unless the image names a group itself.
    func user(_ text: String) throws(ImageError) -> RunConfiguration.User {
        guard text.utf8.count <= 512, !text.utf8.contains(0) else { throw bad(text, "it is too long or contains NUL") }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let userPart = parts.first ?? ""
        var user = RunConfiguration.User(name: text)
        let wanted = userPart.isEmpty ? "0" : userPart
        let account =
            accounts.first { $0.name == wanted } ?? UInt32(wanted).flatMap { id in accounts.first { $0.uid == id } }
        if let account {
            (user.uid, user.gid, user.home) = (account.uid, account.gid, String(account.home))
        } else if let number = UInt32(wanted), number < UInt32.max {
            user.uid = number
            if number == 0 { user.home = "/root" }
        } else {
            throw bad(text, "the user is not in the image's /etc/passwd")
        }
        if user.home.isEmpty || user.home.utf8.contains(0) { user.home = "/" }
        if parts.count == 2, !parts[1].isEmpty {
            if let group = groups.first(where: { $0.name == parts[1] }) {
                user.gid = group.gid
            } else if let number = UInt32(parts[1]), number < UInt32.max {
                user.gid = number
            } else {
                throw bad(text, "the group is not in the image's /etc/group")
            }
        } else if let account {
            let gids = groups.filter { $0.members.contains(account.name) }.map(\.gid)
            user.supplementaryGroups = Array(Set(gids).subtracting([user.gid])).sorted()
        }
        guard user.supplementaryGroups.count <= 1024 else { throw bad(text, "the user is in more than 1024 groups") }
        return user
    }

    private static func lines(_ text: String) -> [[Substring]] {
        text.split(separator: "\n").filter { !$0.hasPrefix("#") }
            .map { $0.split(separator: ":", omittingEmptySubsequences: false) }
    }

    private func bad(_ text: String, _ reason: String) -> ImageError {
        .badData(subject: "the image's user \(printable(text.utf8))", reason: reason)
    }
}
