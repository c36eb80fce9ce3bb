#include "engine/cli/tune/matrix.hpp"

#include <algorithm>
#include <array>

#include "engine/cli/run_settings.hpp"

namespace multifd::tuning {
namespace {

constexpr auto kDimensions = std::to_array<Dimension>({
    {"channels", "multifd-channels", "1,2,4,8"},
    {"packet-size", "packet-size", "256KiB,1MiB,4MiB"},
    {"congestion-control", "congestion-control", ""},
    {"compression", "multifd-compression", ""},
    {"zstd-level", "multifd-zstd-level", ""},
    {"verify", "verify", ""},
});
static_assert(kDimensions.size() <= kDimensionsMax);

/// What send makes of the value; throws UsageError as send does.
SettingValue understood(const Dimension& dimension, const std::string& text) {
    const RunSettings settings =
        settle(parse_arguments({"send", "--to", "tcp:127.0.0.1:1", "--device", "memory,idstr=tune0",
                                "--" + std::string(dimension.option) + "=" + text}));
    return std::ranges::find(settings.effective, dimension.option, &EffectiveSetting::name)->value;
}

}  // namespace

std::span<const Dimension> dimensions() noexcept {
    return kDimensions;
}

Axis read_axis(const Dimension& dimension, std::string_view list) {
    const std::string option = "--" + std::string(dimension.name);
    Axis axis{&dimension, {}};
    for (bool more = true; more;) {
        const std::size_t comma = list.find(',');
        more = comma != std::string_view::npos;
        const std::string text(list.substr(0, comma));
        if (more) list.remove_prefix(comma + 1);
        if (text.empty()) throw UsageError(option + " has an empty value: give a list as 1,2,4");
        try {
            SettingValue value = understood(dimension, text);
            if (std::ranges::find(axis.values, value, &DimensionValue::value) !=
                axis.values.end()) {
                throw UsageError("\"" + text + "\" comes twice");
            }
            axis.values.push_back({text, std::move(value)});
        } catch (const UsageError& error) {
            throw UsageError(option + ": " + error.what());
        }
    }
    return axis;
}

const DimensionValue& Matrix::value(std::size_t index, std::size_t axis) const {
    return axes[axis].values[cases[index][axis]];
}

std::string Matrix::label(std::size_t index) const {
    std::string label;
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
        label += (label.empty() ? "" : ", ") + std::string(axes[axis].dimension->name) + " " +
                 value(index, axis).text;
    }
    return label;
}

std::vector<std::string> Matrix::words(std::size_t index) const {
    std::vector<std::string> words;
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
        words.push_back("--" + std::string(axes[axis].dimension->option));
        words.push_back(value(index, axis).text);
    }
    return words;
}

Matrix make_matrix(std::vector<Axis> axes) {
    Matrix matrix{std::move(axes), {Case{}}};
    for (const Axis& axis : matrix.axes) {
        std::vector<Case> longer;
        for (const Case& begun : matrix.cases) {
            for (std::size_t value = 0; value < axis.values.size(); ++value) {
                longer.push_back(begun);
                longer.back().push_back(value);
            }
            if (longer.size() <= kCasesMax) continue;
            throw UsageError("the lists make more than " + std::to_string(kCasesMax) +
                             " combinations: give fewer values");
        }
        matrix.cases = std::move(longer);
    }
    return matrix;
}

}  // namespace multifd::tuning
