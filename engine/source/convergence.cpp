#include "engine/source/convergence.hpp"

#include <algorithm>

namespace multifd {

namespace {

bool brought_down(const PreCopyShare& share, std::chrono::duration<double> limit) noexcept {
    if (share.reducible_bytes == 0) return true;
    const double fits = share.bytes_per_second * limit.count();
    const auto left = static_cast<double>(share.left_bytes);
    if (left <= fits) return true;
    const auto reducible = static_cast<double>(std::min(share.reducible_bytes, share.left_bytes));
    return left - reducible > fits && reducible <= fits;
}

}  // namespace

bool may_switch_over(const PreCopyOutlook& outlook) noexcept {
    if (!outlook.initial_data_sent || !outlook.acknowledged) return false;
    const auto down = [&](const PreCopyShare& share) {
        return brought_down(share, outlook.downtime_limit);
    };
    return down(outlook) && std::ranges::all_of(outlook.devices, down);
}

}  // namespace multifd
