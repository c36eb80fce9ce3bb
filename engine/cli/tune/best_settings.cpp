#include <cmath>

#include "engine/cli/command_options.hpp"
#include "engine/cli/readable.hpp"
#include "engine/cli/tune/results_text.hpp"

namespace multifd::tuning {
namespace {

/// A basic string of TOML. Values are those of options: printable, or refused long before.
std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') result += '\\';
        result += letter;
    }
    return result + "\"";
}

std::string line_of(const Axis& axis, const DimensionValue& value) {
    const bool number = std::holds_alternative<std::uint64_t>(value.value) &&
                        value.text.find_first_not_of("0123456789") == std::string::npos;
    return std::string(axis.dimension->option) + " = " +
           (number ? value.text : quoted(value.text)) + "\n";
}

std::string comment(const Results& results) {
    const CaseResult& best = results.cases[*results.best];
    const auto us =
        static_cast<std::uint64_t>(std::llround(best.median.value_or_zero(Figure::downtime)));
    std::string text = "# The best of " + std::to_string(results.cases.size()) +
                       " settings that multifd tune compared on " +
                       results.circumstances.started_at + ":\n# " +
                       std::to_string(results.workload.devices) + " devices of " +
                       readable_bytes(results.workload.state_size) + " moved in a downtime of " +
                       readable_us(us) + " (median of " + std::to_string(best.runs.size()) + ").\n";
    if (results.partial) text += "# The tuning was ended before it had run everything.\n";
    return text +
           "# For both ends: multifd receive --config best.toml ..., "
           "multifd send --config best.toml ...\n\n";
}

}  // namespace

std::string best_settings(const Results& results) {
    if (!results.best) return "";
    const Matrix& matrix = results.matrix;
    std::string common;
    std::string source;
    for (std::size_t axis = 0; axis < matrix.axes.size(); ++axis) {
        const std::string_view option = matrix.axes[axis].dimension->option;
        const bool both = find_option(Subcommand::receive, option) != nullptr;
        (both ? common : source) += line_of(matrix.axes[axis], matrix.value(*results.best, axis));
    }
    std::string text = comment(results) + common;
    if (!source.empty()) text += "\n[send]\n" + source;
    return text;
}

}  // namespace multifd::tuning
