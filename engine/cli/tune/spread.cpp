#include "engine/cli/tune/spread.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"

namespace multifd::tuning {

Spread spread_of(std::vector<double> values) {
    MULTIFD_ASSERT(!values.empty());
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    const bool odd = values.size() % 2 == 1;
    const double median = odd ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    return {median, values.front(), values.back()};
}

}  // namespace multifd::tuning
