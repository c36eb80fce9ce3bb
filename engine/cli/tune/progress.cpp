#include "engine/cli/tune/progress.hpp"

#include <algorithm>
#include <array>

#include "engine/cli/readable.hpp"
#include "engine/cli/tune/svg.hpp"

namespace multifd::tuning {
namespace {

constexpr double kGigabyte = 1e9;

}  // namespace

std::string describe(const RunRecord& record) {
    if (record.failure) return "FAILED: " + record.failure->code + ": " + record.failure->message;
    std::string text = "downtime " + readable_time(record.figures->value_or_zero(Figure::downtime));
    if (const auto rate = record.figures->get(Figure::rate)) {
        text += ", " + short_number(*rate / kGigabyte) + " GB/s";
    }
    if (const auto cpu = record.figures->get(Figure::cpu_per_gigabyte)) {
        text += ", " + short_number(*cpu) + " CPU s/GB";
    }
    return text;
}

void Progress::begin(const Turn& turn, std::size_t remaining, Clock::time_point now) {
    turn_ = turn;
    remaining_ = remaining;
    began_ = now;
}

std::string Progress::end(const RunRecord& record, Clock::time_point now) {
    std::string line = position() + ": " + matrix_.label(turn_.case_index) + ": " +
                       describe(record) + (turn_.round == 0 ? " (warm-up)" : "");
    ++made_;
    spent_ += now - began_;
    if (record.figures && turn_.round != 0) {
        const double us = record.figures->value_or_zero(Figure::downtime);
        best_us_ = std::min(best_us_.value_or(us), us);
    }
    return line;
}

std::string Progress::live(Clock::time_point now, std::size_t width) const {
    // What matters least is left out first.
    const std::string best = best_us_ ? "  best " + readable_time(*best_us_) : "";
    const std::string left = time_left(now);
    const std::string label = "  " + matrix_.label(turn_.case_index);
    const std::array<std::string, 4> lines{"tune " + position() + label + best + left,
                                           "tune " + position() + best + left,
                                           "tune " + position() + left, "tune " + position()};
    for (const std::string& line : lines) {
        if (line.size() <= width) return line;
    }
    return lines.back().substr(0, width);
}

std::string Progress::position() const {
    return std::to_string(made_ + 1) + " of " + std::to_string(made_ + remaining_);
}

std::string Progress::time_left(Clock::time_point now) const {
    if (made_ == 0) return "";
    const Clock::duration each = spent_ / static_cast<Clock::rep>(made_);
    const Clock::duration all = each * static_cast<Clock::rep>(remaining_) - (now - began_);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(all);
    constexpr std::chrono::seconds kCountedInSeconds{120};
    if (seconds.count() < 1) return "  nearly done";
    const auto count = static_cast<std::uint64_t>(seconds.count());
    return "  about " +
           (seconds < kCountedInSeconds ? std::to_string(count) + " s"
                                        : readable_ms(count * 1000)) +
           " left";
}

}  // namespace multifd::tuning
