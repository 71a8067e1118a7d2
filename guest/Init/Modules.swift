import CGuest

enum Modules {
    /// Loads what the host put into /modules, in the order of the file names, and frees the memory of the files.
    static func load() throws(BootError) {
        guard let folder = opendir("/modules") else { return }
        var names: [String] = []
        while let name = g_next_name(folder) {
            if name[0] != 0x2e { names.append(String(cString: name)) }
        }
        closedir(folder)
        names.sort { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
        for name in names {
            let path = "/modules/" + name
            try BootError.check(g_load_module(path), "load the module \(name)")
            unlink(path)
        }
    }
}
