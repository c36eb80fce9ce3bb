// Progress of a tuning: the live line, and the line for each run.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "engine/cli/tune/matrix.hpp"
#include "engine/cli/tune/run_record.hpp"

namespace multifd::tuning {

/// Threads:   not thread-safe.
class Progress {
  public:
    using Clock = std::chrono::steady_clock;

    explicit Progress(const Matrix& matrix) : matrix_(matrix) {}

    /// A run begins, with `remaining` to make, itself included.
    void begin(const Turn& turn, std::size_t remaining, Clock::time_point now);
    /// It has ended. Returns what to say of it: "3 of 37: channels 4, ...: downtime 312 ms, ...".
    std::string end(const RunRecord& record, Clock::time_point now);
    /// "3 of 37  channels 4, ...  best 312 ms  about 1 min 20 s left", at most `width` bytes.
    [[nodiscard]] std::string live(Clock::time_point now, std::size_t width) const;

  private:
    [[nodiscard]] std::string position() const;
    [[nodiscard]] std::string time_left(Clock::time_point now) const;

    const Matrix& matrix_;
    Turn turn_;
    std::size_t made_ = 0;
    std::size_t remaining_ = 0;
    Clock::duration spent_{0};  ///< On all runs made.
    Clock::time_point began_;
    std::optional<double> best_us_;
};

/// "312 ms, 3.41 GB/s, 0.52 CPU s/GB", or what went wrong.
std::string describe(const RunRecord& record);

}  // namespace multifd::tuning
