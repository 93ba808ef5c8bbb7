#include "memory.h"

#include <malloc.h>

#include <fstream>
#include <stdexcept>
#include <string>

namespace bench {
namespace {

/// A line of /proc/self/status, such as "VmHWM:   2180 kB".
double status_mb(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    double kibibytes = 0;
    if (word == key && file >> kibibytes) return kibibytes * 1024 / 1e6;
  }
  throw std::runtime_error("/proc/self/status: wanted a line " + key + "; found none");
}

}  // namespace

double resident_mb() { return status_mb("VmRSS:"); }

double peak_resident_mb() { return status_mb("VmHWM:"); }

void forget_peak() {
  malloc_trim(0);
  std::ofstream file("/proc/self/clear_refs");
  if (!(file << "5" << std::flush)) {  // 5: VmHWM alone, see proc(5)
    throw std::runtime_error("/proc/self/clear_refs: cannot reset the peak of memory");
  }
}

}  // namespace bench
