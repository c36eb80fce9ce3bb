// Spread: several measurements of one thing, in three numbers.
#pragma once

#include <vector>

namespace multifd::tuning {

struct Spread {
    double median = 0;
    double low = 0;
    double high = 0;
};

/// Of at least one value; the median of an even number is the mean of the middle two.
Spread spread_of(std::vector<double> values);

}  // namespace multifd::tuning
