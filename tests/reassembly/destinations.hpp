// The destinations that interleavings are explored of: the product's, and ones with a wrong rule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "reassembly/reassembly.hpp"
#include "tests/reassembly/interleavings.hpp"

namespace multifd::interleavings {

/// Budget, window and the size of what is fed to a destination; a buffer holds 1 byte.
struct Case {
    std::uint32_t devices = 2;
    std::uint32_t channels = 2;
    std::uint32_t buffers = 1;
    std::uint32_t window = 16;
};

/// Drives the production class. Throws std::logic_error when it delivers out of order.
class ProductDestination : public Destination {
  public:
    explicit ProductDestination(const Case& limits);

    Verdict attempt(std::uint32_t channel, const Packet& packet) override;
    void received(std::uint32_t channel) override;
    void ended(std::uint32_t channel) override;
    bool load(std::uint32_t device) override;
    void check() const override;
    [[nodiscard]] bool complete() const override { return reassembly_.complete(); }
    [[nodiscard]] bool declares_gap() const override { return reassembly_.find_gap().has_value(); }
    [[nodiscard]] std::size_t held() const override { return held_; }
    [[nodiscard]] std::uint64_t fingerprint() const override;

  private:
    Reassembly reassembly_;
    std::vector<std::optional<Claim>> receiving_;  // by channel
    std::vector<std::uint32_t> loaded_;            // by device
    std::size_t held_ = 0;
    std::uint64_t token_holder_ = 0;  // a device's number plus one
};

/// Rules one might have chosen instead.
enum class Rule : std::uint8_t {
    next_to_write_with_token,  ///< The right one, to see that this model is the product's.
    budget_alone,              ///< Nothing is admitted over budget.
    lowest_not_received,       ///< Over budget: the lowest idx that has not been received.
    next_to_write_each,        ///< Over budget: the next to write, of every device at once.
};

/// The same destination as a small model under one of the rules.
class ModelDestination : public Destination {
  public:
    ModelDestination(Rule rule, const Case& limits);

    Verdict attempt(std::uint32_t channel, const Packet& packet) override;
    void received(std::uint32_t channel) override;
    void ended(std::uint32_t) override {}
    bool load(std::uint32_t device) override;
    [[nodiscard]] bool complete() const override;
    [[nodiscard]] bool declares_gap() const override { return false; }
    [[nodiscard]] std::size_t held() const override { return buffers_taken_ + over_limit_; }
    [[nodiscard]] std::uint64_t fingerprint() const override;

  private:
    struct Held {
        bool received = false;
        bool over_limit = false;
        bool config = false;
    };
    struct Device {
        std::vector<std::optional<Held>> held = std::vector<std::optional<Held>>(16);  // by idx
        std::uint32_t next = 0;
        bool complete = false;
    };

    [[nodiscard]] bool admits_over_limit(const Packet& packet) const;

    Rule rule_;
    Case limits_;
    std::vector<Device> devices_;
    std::vector<Packet> receiving_;  // by channel
    std::size_t buffers_taken_ = 0;
    std::size_t over_limit_ = 0;
};

}  // namespace multifd::interleavings
