// The matrix of a tuning: which settings are varied, over which values, and every combination.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cli/effective_setting.hpp"

namespace multifd::tuning {

/// A setting that can be varied. Any option of `send` can be one: a line in the table, and one in
/// the table of options for the list of values.
struct Dimension {
    std::string_view name;    ///< Of tune's own option: "channels".
    std::string_view option;  ///< Of send's, which takes one of the values: "multifd-channels".
    /// Values when the user gives none; empty leaves the setting out.
    std::string_view default_values;
};

/// Channels and packet size come first: the plots have the first along their axis, and a line for
/// each value of the second.
std::span<const Dimension> dimensions() noexcept;
inline constexpr std::size_t kDimensionsMax = 8;

/// One value of a dimension.
struct DimensionValue {
    std::string text;    ///< As the user wrote it.
    SettingValue value;  ///< As send understands it.
};

/// A dimension with its values, in the user's order.
struct Axis {
    const Dimension* dimension = nullptr;
    std::vector<DimensionValue> values;
};

/// Reads "1,2,4": each value must be one that send takes, and none may come twice. Throws
/// UsageError.
Axis read_axis(const Dimension& dimension, std::string_view list);

/// One combination: for each axis the index of its value.
using Case = std::vector<std::size_t>;
inline constexpr std::size_t kCasesMax = 1024;

struct Matrix {
    std::vector<Axis> axes;
    std::vector<Case> cases;  ///< The first axis varies slowest.

    [[nodiscard]] const DimensionValue& value(std::size_t index, std::size_t axis) const;
    /// "channels 4, packet-size 1MiB": the values that make it this case.
    [[nodiscard]] std::string label(std::size_t index) const;
    /// "--multifd-channels", "4", ...: for send.
    [[nodiscard]] std::vector<std::string> words(std::size_t index) const;
};

/// All combinations; throws UsageError when they are more than kCasesMax.
Matrix make_matrix(std::vector<Axis> axes);

}  // namespace multifd::tuning
