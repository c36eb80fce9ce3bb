// Every order in which threads can meet at a destination: all runs of a small case, not samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace multifd::interleavings {

struct Packet {
    std::uint32_t device = 0;
    std::uint32_t idx = 0;
    bool config = false;
    std::size_t bytes = 1;
};

/// What each channel brings, in order.
using Channels = std::vector<std::vector<Packet>>;

/// A destination under some admission rule, driven one step at a time.
class Destination {
  public:
    enum class Verdict : std::uint8_t { admitted, paused, refused };

    Destination() = default;
    Destination(const Destination&) = delete;
    Destination& operator=(const Destination&) = delete;
    virtual ~Destination() = default;

    virtual Verdict attempt(std::uint32_t channel, const Packet& packet) = 0;
    virtual void received(std::uint32_t channel) = 0;  ///< What the channel was let in with.
    virtual void ended(std::uint32_t channel) = 0;
    virtual bool load(std::uint32_t device) = 0;  ///< False when there is nothing to load.
    [[nodiscard]] virtual bool complete() const = 0;
    [[nodiscard]] virtual bool declares_gap() const = 0;
    [[nodiscard]] virtual std::size_t held() const = 0;  ///< Buffers in use.
    /// Throws when the state contradicts itself. Called once in each state.
    virtual void check() const {}
    /// What the channels' positions do not say. Equal states must have equal fingerprints.
    [[nodiscard]] virtual std::uint64_t fingerprint() const = 0;
};

/// What all runs of one case came to.
struct Findings {
    std::uint64_t states = 0;
    std::uint64_t completions = 0;  ///< States in which a run ended well.
    std::uint64_t refusals = 0;     ///< A packet was an error.
    std::uint64_t gaps = 0;         ///< Nothing moved any more, and a gap was declared.
    std::uint64_t deadlocks = 0;    ///< Nothing moved any more, in silence.
    std::uint64_t false_gaps = 0;   ///< A gap was declared though something could move.
    std::size_t held_max = 0;

    Findings& operator+=(const Findings& other);
};

using Factory = std::function<std::unique_ptr<Destination>()>;

/// Walks through every state that attempts of channels, ends of receives and of loads can reach, in
/// any order.
Findings explore(const Channels& channels, std::uint32_t devices, const Factory& factory);

/// Every global order of the devices' packets (each device's in its own order) spread over two
/// channels in every way. `packets[d]` counts those of device d, the last of which is its config.
/// The first packet is always on the first channel: the rest is the same with channels swapped.
void for_each_order(const std::vector<std::uint32_t>& packets, std::size_t config_bytes,
                    const std::function<void(const Channels&)>& use);

}  // namespace multifd::interleavings
