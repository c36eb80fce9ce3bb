#include "engine/session/processor_time.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace multifd {
namespace {

std::uint64_t microseconds(const timeval& time) noexcept {
    constexpr std::uint64_t kSecond = 1'000'000;
    return static_cast<std::uint64_t>(time.tv_sec) * kSecond +
           static_cast<std::uint64_t>(time.tv_usec);
}

}  // namespace

ProcessorTime processor_time_of_process() noexcept {
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) != 0) return {};
    return {microseconds(usage.ru_utime), microseconds(usage.ru_stime)};
}

ProcessorTime used_between(const ProcessorTime& begin, const ProcessorTime& end) noexcept {
    // The kernel keeps the sum exact and estimates its split anew each time.
    return {std::max(begin.user_us, end.user_us) - begin.user_us,
            std::max(begin.system_us, end.system_us) - begin.system_us};
}

}  // namespace multifd
