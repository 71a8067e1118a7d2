import CGuest

/// Turns the initramfs into the image's own tree: read-only root below, a writable layer above, devices beside it.
enum FileSystems {
    /// What the kernel needs before the modules and disks can be looked at.
    static func mountBasics() throws(BootError) {
        for folder in ["/dev", "/proc", "/sys", "/lower", "/rw", "/root"] { mkdir(folder, 0o755) }
        // EBUSY: a kernel with CONFIG_DEVTMPFS_MOUNT was here first.
        if mount("dev", "/dev", "devtmpfs", UInt(MS_NOSUID), "mode=0755") < 0, g_errno() != EBUSY {
            throw BootError("mount /dev", g_errno())
        }
        let inert = UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)
        try BootError.require(mount("proc", "/proc", "proc", inert, nil), "mount /proc")
        try BootError.require(mount("sys", "/sys", "sysfs", inert, nil), "mount /sys")
    }

    /// Mounts the image and its writable layer at /root; returns a descriptor of the scratch disk's mount, or -1.
    static func assembleRoot(scratch: Bool) throws(BootError) -> Int32 {
        try waitForDevice("/dev/vda")
        try BootError.require(
            mount("/dev/vda", "/lower", "ext4", UInt(MS_RDONLY | MS_NOATIME), nil), "mount the root disk /dev/vda")
        var writable: Int32 = -1
        if scratch {
            try waitForDevice("/dev/vdb")
            try BootError.require(
                mount("/dev/vdb", "/rw", "ext4", UInt(MS_NOATIME), nil), "mount the scratch disk /dev/vdb")
            writable = try BootError.check(g_open("/rw", O_RDONLY | O_DIRECTORY, 0), "open the scratch disk")
        } else {
            try BootError.require(mount("rw", "/rw", "tmpfs", UInt(MS_NOATIME), "size=50%,mode=0755"), "mount /rw")
        }
        mkdir("/rw/upper", 0o755)
        mkdir("/rw/work", 0o755)
        copyOwner(from: "/lower", to: "/rw/upper")
        try BootError.require(
            mount(
                "overlay", "/root", "overlay", UInt(MS_NOATIME), "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work"),
            "mount the overlay")
        return writable
    }

    /// The root of an overlay has the mode and owner of its upper folder, not of the image's root.
    private static func copyOwner(from: String, to: String) {
        var status = stat()
        guard stat(from, &status) == 0 else { return }
        chown(to, status.st_uid, status.st_gid)
        chmod(to, status.st_mode & 0o7777)
    }

    /// Makes /root the root of everything and gives it the folders a program expects.
    static func switchRoot() throws(BootError) {
        for folder in ["dev", "proc", "sys"] {
            mkdir("/root/" + folder, 0o755)
            try BootError.require(mount("/" + folder, "/root/" + folder, nil, UInt(MS_MOVE), nil), "move /\(folder)")
        }
        try BootError.require(chdir("/root"), "enter the root")
        try BootError.require(mount(".", "/", nil, UInt(MS_MOVE), nil), "move the root")
        try BootError.require(chroot("."), "change the root")
        try BootError.require(chdir("/"), "enter the root")
    }

    /// Mounts that a container runtime provides as well. A kernel without one of them still runs most programs.
    static func mountConveniences() {
        let inert = UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)
        mkdir("/dev/pts", 0o755)
        mount("devpts", "/dev/pts", "devpts", UInt(MS_NOSUID | MS_NOEXEC), "newinstance,ptmxmode=0666,mode=0620,gid=5")
        unlink("/dev/ptmx")
        symlink("pts/ptmx", "/dev/ptmx")
        mkdir("/dev/shm", 0o1777)
        mount("shm", "/dev/shm", "tmpfs", inert, "size=50%,mode=1777")
        mkdir("/dev/mqueue", 0o755)
        mount("mqueue", "/dev/mqueue", "mqueue", inert, nil)
        mount("cgroup", "/sys/fs/cgroup", "cgroup2", inert, nil)
        symlink("/proc/self/fd", "/dev/fd")
        symlink("/proc/self/fd/0", "/dev/stdin")
        symlink("/proc/self/fd/1", "/dev/stdout")
        symlink("/proc/self/fd/2", "/dev/stderr")
        mkdir("/run", 0o755)
        if mkdir("/tmp", 0o1777) == 0 { chmod("/tmp", 0o1777) }
    }

    /// Writes everything back; the scratch disk is left clean for its next mount.
    static func flush(scratch: Int32) {
        sync()
        guard scratch >= 0 else { return }
        mount(nil, "/proc/self/fd/\(scratch)", nil, UInt(MS_REMOUNT | MS_RDONLY), nil)
        sync()
    }

    /// Disks appear a moment after their driver was loaded.
    private static func waitForDevice(_ path: String) throws(BootError) {
        let deadline = g_uptime() + 3_000_000_000
        while access(path, F_OK) < 0 {
            if g_uptime() > deadline { throw BootError("find the disk \(path)", ENOENT) }
            usleep(500)
        }
    }
}
