#include <array>
#include <cstdio>

#include "engine/cli/tune/results_text.hpp"

namespace multifd::tuning {
namespace {

std::string number(double value) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.10g", value);
    return text.data();
}

void append(std::string& line, std::string_view cell) {
    if (!line.empty()) line += ',';
    line += csv_cell(cell);
}

std::string heading(const Matrix& matrix) {
    std::string line;
    for (const char* name : {"case", "round", "counted"}) append(line, name);
    for (const Axis& axis : matrix.axes) append(line, axis.dimension->option);
    append(line, "seconds");
    for (std::size_t index = 0; index < kFigures; ++index) {
        append(line, name_of(static_cast<Figure>(index)));
    }
    append(line, "error-code");
    append(line, "error-message");
    return line + "\r\n";
}

std::string line_of(const Matrix& matrix, const RunRecord& run) {
    std::string line;
    append(line, std::to_string(run.turn.case_index));
    append(line, std::to_string(run.turn.round));
    append(line, run.turn.round != 0 ? "yes" : "no");
    for (std::size_t axis = 0; axis < matrix.axes.size(); ++axis) {
        append(line, matrix.value(run.turn.case_index, axis).text);
    }
    append(line, number(run.seconds));
    for (std::size_t index = 0; index < kFigures; ++index) {
        const auto value =
            run.figures ? run.figures->get(static_cast<Figure>(index)) : std::nullopt;
        append(line, value ? number(*value) : "");
    }
    append(line, run.failure ? run.failure->code : "");
    append(line, run.failure ? run.failure->message : "");
    return line + "\r\n";
}

}  // namespace

std::string csv_cell(std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
    std::string cell = "\"";
    for (const char letter : text) {
        if (letter == '"') cell += '"';
        cell += letter;
    }
    return cell + "\"";
}

std::string results_csv(const Results& results) {
    std::string text = heading(results.matrix);
    for (const RunRecord& run : results.runs) text += line_of(results.matrix, run);
    return text;
}

}  // namespace multifd::tuning
