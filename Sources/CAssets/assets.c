#include "CAssets.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

// guest/build writes the files; the binary carries them so that one file is all a host needs.
#if __has_embed("../../guest/out/guest-init") == 1
const unsigned char asset_guest_init[] = {
#embed "../../guest/out/guest-init"
};
const size_t asset_guest_init_length = sizeof asset_guest_init;
#else
const unsigned char asset_guest_init[] = {0};
const size_t asset_guest_init_length = 0;
#endif

#if __has_embed("../../guest/out/demo-app") == 1
const unsigned char asset_demo_app[] = {
#embed "../../guest/out/demo-app"
};
const size_t asset_demo_app_length = sizeof asset_demo_app;
#else
const unsigned char asset_demo_app[] = {0};
const size_t asset_demo_app_length = 0;
#endif
