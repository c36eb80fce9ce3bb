// SampleSeries: how a migration went over time, in a bounded number of samples.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "multifd/report.hpp"

namespace multifd {

/// One look at a migration. All counts are totals so far.
struct Sample {
    std::uint64_t at_us = 0;
    Status status = Status::none;
    std::uint64_t transferred = 0;
    std::uint64_t queued_bytes = 0;
    std::vector<std::uint64_t> devices;   ///< Bytes, pre-copy included, in the report's order.
    std::vector<std::uint64_t> channels;  ///< Bytes, headers included; empty until there are any.
};

/// Limits:    at most `samples_max`, which is even: when they are there, every other one goes and
///            the interval doubles, so that a long migration is sampled as evenly as a short one.
/// Threads:   not thread-safe.
class SampleSeries {
  public:
    SampleSeries(std::size_t samples_max, std::chrono::microseconds interval);

    /// What `statistics` say at `at_us`; nothing while the migration has not begun.
    void add(const Statistics& statistics, std::uint64_t at_us);
    /// How long to wait before the next one.
    [[nodiscard]] std::chrono::microseconds interval() const noexcept { return interval_; }
    [[nodiscard]] const std::vector<Sample>& samples() const noexcept { return samples_; }
    /// By config/multifd-samples.schema.json; ended by a newline. Times are since the first sample.
    [[nodiscard]] std::string json() const;

  private:
    const std::size_t samples_max_;
    std::chrono::microseconds interval_;
    std::vector<Sample> samples_;
    Statistics last_;  ///< For names.
};

}  // namespace multifd
