// Files that are compiled into the binary. A length of 0 means that the file was not built before this target.
#ifndef CASSETS_H
#define CASSETS_H

#include <stddef.h>

extern const unsigned char asset_guest_init[];
extern const size_t asset_guest_init_length;
extern const unsigned char asset_demo_app[];
extern const size_t asset_demo_app_length;

// Swift does not see arrays of unknown length.
static inline const unsigned char *asset_guest_init_start(void) {
    return asset_guest_init;
}
static inline const unsigned char *asset_demo_app_start(void) {
    return asset_demo_app;
}

#endif
