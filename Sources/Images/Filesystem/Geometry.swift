/// How large the file system is and where its tables lie, from what must fit.
struct Geometry: Equatable {
    static let blocksPerGroup = 32_768
    static let inodesPerBlock = 16
    /// Blocks that a last, partial group must have beyond its tables or libext2fs leaves it out.
    private static let leastGroup = 64

    let blocks: Int
    let groups: Int
    let inodesPerGroup: Int
    /// First of the block bitmaps; inode bitmaps and then inode tables follow, one per group each.
    let tables: Int

    var inodeTableBlocks: Int { inodesPerGroup / Geometry.inodesPerBlock }
    func blockBitmap(_ group: Int) -> Int { tables + group }
    func inodeBitmap(_ group: Int) -> Int { tables + groups + group }
    func inodeTable(_ group: Int) -> Int { tables + 2 * groups + group * inodeTableBlocks }
    var tableBlocks: Int { groups * (2 + inodeTableBlocks) }

    /// `used` blocks from the start of the image are taken; `extra` more are wanted for what libext2fs allocates.
    init(used: Int, extra: Int, inodes: Int) {
        var groups = max(1, (inodes + Geometry.blocksPerGroup - 1) / Geometry.blocksPerGroup)
        while true {
            let perGroup = (inodes + groups - 1) / groups
            let rounded = (perGroup + 15) / 16 * 16
            let total = used + groups * (2 + rounded / Geometry.inodesPerBlock) + extra
            // libext2fs counts the tables of a group as inside it, even where flex_bg puts them elsewhere.
            let overhead = 3 + rounded / Geometry.inodesPerBlock + 16
            let needed = (total + Geometry.blocksPerGroup - 1) / Geometry.blocksPerGroup
            if needed <= groups, rounded <= Geometry.blocksPerGroup {
                let last = total - (groups - 1) * Geometry.blocksPerGroup
                let padding = max(0, overhead + Geometry.leastGroup - last)
                self.groups = groups
                inodesPerGroup = rounded
                tables = used
                blocks = total + padding
                return
            }
            groups = max(groups + 1, needed)
        }
    }
}
