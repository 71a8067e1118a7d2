import Glibc

/// Runs `body` with UTF-8 as the thread's character set, so that libarchive hands names over unchanged whatever the
/// locale of the process is; in the C locale it would replace what is not ASCII.
func withUTF8Names<Result: ~Copyable>(_ body: () throws(ImageError) -> Result) throws(ImageError) -> Result {
    guard let locale = newlocale(1 << Int32(LC_CTYPE), "C.UTF-8", nil) else { return try body() }
    let previous = uselocale(locale)
    defer {
        _ = uselocale(previous)
        freelocale(locale)
    }
    return try body()
}
