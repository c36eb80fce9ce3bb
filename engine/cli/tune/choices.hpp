// What the options of multifd tune choose.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "engine/cli/tune/schedule.hpp"
#include "engine/cli/tune/workload.hpp"

namespace multifd::tuning {

struct Choices {
    std::string out;     ///< A folder; required.
    bool force = false;  ///< It may hold earlier results.
    Workload workload;
    ScheduleRules rules;
    /// Lists of values by the dimension's name; what is missing has its default.
    std::map<std::string, std::string, std::less<>> lists;
};

}  // namespace multifd::tuning
