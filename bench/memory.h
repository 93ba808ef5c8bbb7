#pragma once

namespace bench {

/// What the process holds in memory now (its resident set), in MB of 10^6 bytes.
double resident_mb();

/// The most it has held since the last forget_peak(), or since it began.
double peak_resident_mb();

/// Gives what has been freed back to the system, and starts the peak anew from what is held now.
/// Throws std::runtime_error where the kernel does not allow that: then no peak would be true.
void forget_peak();

}  // namespace bench
