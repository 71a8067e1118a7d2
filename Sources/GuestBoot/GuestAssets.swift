import CAssets

/// The guest programs that this binary carries.
package enum GuestAssets {
    /// PID 1 of every machine; empty when guest/build had not run before this program was built.
    package static var initProgram: [UInt8] { copy(asset_guest_init_start(), asset_guest_init_length) }
    /// The one program of the built-in demo image; empty when guest/build had not run.
    package static var demoApp: [UInt8] { copy(asset_demo_app_start(), asset_demo_app_length) }

    private static func copy(_ start: UnsafePointer<UInt8>, _ count: Int) -> [UInt8] {
        Array(UnsafeBufferPointer(start: start, count: count))
    }
}
