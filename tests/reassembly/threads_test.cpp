// Reassembly under real threads: received() and next() without the lock, as its contract allows.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "reassembly/reassembly.hpp"
#include "tests/channels/memory/time_limit.hpp"

namespace multifd {
namespace {

/// Wakes one load thread; it sleeps only when nothing was rung since it last looked.
class Doorbell {
  public:
    void ring() {
        {
            const std::lock_guard lock(mutex_);
            ++rings_;
        }
        rung_.notify_one();
    }
    std::uint64_t heard() {
        const std::lock_guard lock(mutex_);
        return rings_;
    }
    void wait(std::uint64_t heard) {
        std::unique_lock lock(mutex_);
        rung_.wait(lock, [&] { return rings_ != heard; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable rung_;
    std::uint64_t rings_ = 0;
};

std::uint64_t content_of(const Arrival& arrival) {
    return std::uint64_t{arrival.device.value} << 32 | arrival.idx;
}

/// The threads of a destination around one Reassembly: one lock, one condition for paused channels,
/// a doorbell for each load thread, rung only when received() asks for it.
class Destination {
  public:
    Destination(const ReassemblyLimits& limits, std::uint32_t devices)
        : reassembly_(limits, devices), buffers_(limits.buffers + 1), loaded_(devices) {
        doorbells_.resize(devices);
    }

    void receive(ChannelId channel, const std::vector<Arrival>& packets) {
        for (const Arrival& arrival : packets) {
            const std::optional<Claim> claim = admit(channel, arrival);
            if (!claim) return;
            buffer_of(*claim) = content_of(arrival);
            if (reassembly_.received(*claim, ~content_of(arrival))) {
                doorbells_[claim->device.value].ring();
            }
        }
        const std::lock_guard lock(mutex_);
        reassembly_.channel_ended(channel);
        end_at_gap();
    }

    void load(DeviceId device) {
        Doorbell& doorbell = doorbells_[device.value];
        while (true) {
            const std::uint64_t heard = doorbell.heard();
            if (gap_.load()) return;
            const std::optional<Delivery> delivery = reassembly_.next(device);
            if (!delivery) {
                doorbell.wait(heard);
                continue;
            }
            const std::uint64_t content = buffer_of(delivery->claim);
            const bool right =
                content == ~delivery->hash &&
                content == (std::uint64_t{device.value} << 32 | loaded_[device.value]);
            if (!right) mixed_up_ = true;
            ++loaded_[device.value];
            const std::lock_guard lock(mutex_);
            reassembly_.loaded(device);
            reassembly_.check_invariants();
            end_at_gap();
            room_.notify_all();
            if (delivery->claim.config) return;
        }
    }

    [[nodiscard]] bool complete() const { return reassembly_.complete() && !mixed_up_; }
    [[nodiscard]] bool gap() const { return gap_; }
    [[nodiscard]] std::size_t peak() const { return reassembly_.peak_queued_bytes(); }

  private:
    std::optional<Claim> admit(ChannelId channel, const Arrival& arrival) {
        std::unique_lock lock(mutex_);
        while (true) {
            const auto admitted = reassembly_.admit(channel, arrival);
            if (!admitted) mixed_up_ = true;
            if (!admitted) return std::nullopt;
            if (*admitted) return *admitted;
            end_at_gap();
            if (gap_) return std::nullopt;
            room_.wait(lock);
            if (gap_) return std::nullopt;
        }
    }

    void end_at_gap() {
        if (gap_ || !reassembly_.find_gap()) return;
        gap_ = true;
        room_.notify_all();
        for (Doorbell& doorbell : doorbells_) doorbell.ring();
    }

    std::uint64_t& buffer_of(const Claim& claim) {
        return claim.buffer == kOverLimitBuffer ? buffers_.back() : buffers_[claim.buffer];
    }

    std::mutex mutex_;
    std::condition_variable room_;
    Reassembly reassembly_;
    std::vector<std::uint64_t> buffers_;  // written and read without the lock: received() publishes
    std::deque<Doorbell> doorbells_;
    std::vector<std::uint32_t> loaded_;  // by device; each by its load thread
    std::atomic<bool> gap_{false};       // publishes nothing but itself
    std::atomic<bool> mixed_up_{false};  // publishes nothing but itself
};

class Sender {
  public:
    explicit Sender(unsigned seed) : random_(seed) {}

    std::uint32_t number(std::uint32_t least, std::uint32_t most) {
        return std::uniform_int_distribution<std::uint32_t>(least, most)(random_);
    }

    /// One global order of the devices' packets, each on some channel.
    std::vector<std::vector<Arrival>> packets(std::uint32_t devices, std::uint32_t channels) {
        std::vector<std::uint32_t> counts(devices);
        std::vector<std::uint32_t> order;
        for (std::uint32_t d = 0; d < devices; ++d) {
            counts[d] = number(0, 120);
            order.insert(order.end(), counts[d] + 1, d);
        }
        std::shuffle(order.begin(), order.end(), random_);
        std::vector<std::vector<Arrival>> result(channels);
        std::vector<std::uint32_t> next(devices, 0);
        for (const std::uint32_t d : order) {
            const std::uint32_t idx = next[d]++;
            result[number(0, channels - 1)].push_back(
                {.device = {d}, .idx = idx, .bytes = 8, .config = idx == counts[d]});
        }
        return result;
    }

  private:
    std::mt19937 random_;
};

void run(Destination& destination, const std::vector<std::vector<Arrival>>& packets,
         std::uint32_t devices) {
    std::vector<std::thread> threads;
    for (std::uint8_t channel = 0; channel < packets.size(); ++channel) {
        threads.emplace_back([&, channel] { destination.receive({channel}, packets[channel]); });
    }
    for (std::uint32_t device = 0; device < devices; ++device) {
        threads.emplace_back([&, device] { destination.load({device}); });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST_CASE("channels and load threads pass packets without the lock, and none sleeps for ever",
          "[threads]") {
    const TimeLimit limit("reassembly under threads");
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    Sender sender(seed);
    for (int round = 0; round < 300; ++round) {
        const std::uint32_t devices = sender.number(1, 5);
        const std::uint32_t channels = sender.number(1, 5);
        const ReassemblyLimits limits{.buffer_bytes = 8,
                                      .buffers = sender.number(1, 6),
                                      .channels = channels,
                                      .window = sender.number(1, 20)};
        CAPTURE(round, devices, channels, limits.buffers, limits.window);
        Destination destination(limits, devices);
        run(destination, sender.packets(devices, channels), devices);
        REQUIRE(destination.complete());
        REQUIRE_FALSE(destination.gap());
        REQUIRE(destination.peak() <= (limits.buffers + 1) * limits.buffer_bytes);
    }
}

TEST_CASE("a lost packet ends all threads in a gap", "[threads]") {
    const TimeLimit limit("a lost packet under threads");
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    Sender sender(seed);
    for (int round = 0; round < 200; ++round) {
        const std::uint32_t devices = sender.number(1, 4);
        const std::uint32_t channels = sender.number(1, 4);
        const ReassemblyLimits limits{
            .buffer_bytes = 8, .buffers = sender.number(1, 6), .channels = channels};
        CAPTURE(round, devices, channels, limits.buffers);
        auto packets = sender.packets(devices, channels);
        auto lossy = std::ranges::find_if(packets, [](const auto& some) { return !some.empty(); });
        const auto most = static_cast<std::uint32_t>(lossy->size() - 1);
        lossy->erase(lossy->begin() + sender.number(0, most));
        Destination destination(limits, devices);
        run(destination, packets, devices);
        REQUIRE(destination.gap());
        REQUIRE_FALSE(destination.complete());
    }
}

}  // namespace
}  // namespace multifd
