// Numbers for people: rounded, with units. engine/text/quantity.hpp has the exact ones.
#pragma once

#include <cstdint>
#include <string>

namespace multifd {

std::string readable_bytes(std::uint64_t bytes);  ///< "0 B", "999 B", "1.50 GiB".
std::string readable_rate(double mbps);           ///< "0 Mbit/s", "941 Mbit/s", "8.20 Gbit/s".
std::string readable_us(std::uint64_t us);        ///< "15 us", "1.20 ms", "3.41 s", "2 min 5 s".
std::string readable_time(double us);             ///< The same of a median; below 0 it is 0.
std::string readable_ms(std::uint64_t ms);

}  // namespace multifd
