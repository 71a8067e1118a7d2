#ifndef CLINUXHOST_TSC_H
#define CLINUXHOST_TSC_H

#include <stdint.h>

/// Rate of the time stamp counter in kHz, measured over `milliseconds`; 0 on a CPU without one.
uint64_t lh_tsc_kilohertz(int milliseconds);

#endif
