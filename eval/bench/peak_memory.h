#pragma once

#include <cstdint>

namespace tacit {

// Of this process, in bytes, as Linux counts it; 0 elsewhere.
int64_t resident_bytes();
int64_t peak_resident_bytes();       // since the start, or since this:
bool restart_peak_resident_bytes();  // false where the system does not let it

}  // namespace tacit
