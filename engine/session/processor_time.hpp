// ProcessorTime: what this process has used of the processors.
#pragma once

#include <cstdint>

namespace multifd {

/// Of all threads, those that have ended included, in microseconds.
struct ProcessorTime {
    std::uint64_t user_us = 0;
    std::uint64_t system_us = 0;
    bool operator==(const ProcessorTime&) const = default;
};

/// So far; zero where the kernel does not say.
ProcessorTime processor_time_of_process() noexcept;

/// What was used from `begin` to `end`; never below zero.
ProcessorTime used_between(const ProcessorTime& begin, const ProcessorTime& end) noexcept;

}  // namespace multifd
