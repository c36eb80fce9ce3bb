#include "engine/convergence.hpp"

#include <algorithm>

namespace multifd {

bool may_switch_over(const PreCopyOutlook& outlook) noexcept {
    if (!outlook.initial_data_sent || !outlook.acknowledged) return false;
    if (outlook.reducible_bytes == 0) return true;
    const std::chrono::duration<double> limit = outlook.downtime_limit;
    const double fits = outlook.bytes_per_second * limit.count();
    const auto left = static_cast<double>(outlook.left_bytes);
    if (left <= fits) return true;
    const auto reducible =
        static_cast<double>(std::min(outlook.reducible_bytes, outlook.left_bytes));
    return left - reducible > fits && reducible <= fits;
}

}  // namespace multifd
