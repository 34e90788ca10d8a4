#include "eval/bench/peak_memory.h"

#include <fstream>
#include <string>

namespace tacit {

// A line of /proc/self/status, which is in kB.
static int64_t status_bytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    int64_t kilobytes = 0;
    if (name == field && status >> kilobytes) return 1024 * kilobytes;
    status.ignore(1 << 16, '\n');
  }
  return 0;
}

int64_t resident_bytes() { return status_bytes("VmRSS:"); }
int64_t peak_resident_bytes() { return status_bytes("VmHWM:"); }

bool restart_peak_resident_bytes() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return static_cast<bool>(file);
}

}  // namespace tacit
