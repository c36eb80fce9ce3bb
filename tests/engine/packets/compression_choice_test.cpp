// The choice against simulated channels: what it decides, and what its deciding costs.
#include "engine/packets/compression_choice.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <limits>

namespace multifd {
namespace {

constexpr std::size_t kPacketBytes = 1U << 20U;
constexpr std::size_t kSampleBytes = 64U << 10U;
constexpr double kMega = 1e6;

/// What data do to a compressor.
struct Data {
    double ratio = 1;          ///< Wire bytes for each raw byte.
    double coding_rate = 1e9;  ///< Raw bytes per second.
};

constexpr Data kRandom{.ratio = 1, .coding_rate = 1500 * kMega};
constexpr Data kQuarter{.ratio = 0.25, .coding_rate = 450 * kMega};

enum class Policy { none, zstd, automatic };

/// A channel: a link that drains a socket's buffer, and a thread that fills it. Time passes only
/// in here.
class SimulatedChannel {
  public:
    using DataAt = std::function<Data(std::uint32_t device, double second)>;
    using LinkAt = std::function<double(double second)>;

    SimulatedChannel(Policy policy, LinkAt link, DataAt data, std::size_t devices = 1)
        : policy_(policy), link_(std::move(link)), data_(std::move(data)), choice_(devices) {}

    /// Sends packets of the devices in turns; the seconds it took.
    double send(std::size_t packets, std::uint32_t devices = 1) {
        const double began = now_;
        for (std::size_t i = 0; i < packets; ++i) {
            send_packet(static_cast<std::uint32_t>(i % devices));
        }
        return now_ - began;
    }
    [[nodiscard]] bool compresses(std::uint32_t device = 0) const {
        return choice_.compresses(DeviceId{device});
    }
    [[nodiscard]] double now() const { return now_; }
    double coding_seconds = 0;

  private:
    [[nodiscard]] Clock::time_point time() const { return Clock::time_point(duration(now_)); }
    static Clock::duration duration(double seconds) {
        return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    }

    void send_packet(std::uint32_t device) {
        const Data data = data_(device, now_);
        const bool tried = wants_compression(DeviceId{device}, data);
        PacketCost cost{.plain_bytes = kPacketBytes, .wire_bytes = kPacketBytes, .tried = tried};
        if (tried) {
            const double coding = kPacketBytes / data.coding_rate;
            cost.coding = duration(coding);
            if (data.ratio < 0.94) {
                cost.wire_bytes = static_cast<std::size_t>(kPacketBytes * data.ratio);
            }
            code(coding);
        }
        const double before = now_;
        put(static_cast<double>(cost.wire_bytes));
        cost.sending = duration(now_ - before);
        if (policy_ == Policy::automatic) choice_.sent(DeviceId{device}, cost, time());
    }

    bool wants_compression(DeviceId device, const Data& data) {
        if (policy_ != Policy::automatic) return policy_ == Policy::zstd;
        auto plan = choice_.plan(device, time());
        if (plan == PacketPlan::sample) {
            const double coding = kSampleBytes / data.coding_rate;
            code(coding);
            const double ratio = data.ratio < 0.94 ? data.ratio : 1;
            choice_.sampled(device,
                            {.plain_bytes = kSampleBytes,
                             .wire_bytes = static_cast<std::size_t>(kSampleBytes * ratio),
                             .time = duration(coding)},
                            time());
            plan = choice_.plan(device, time());
        }
        return plan == PacketPlan::compress;
    }

    void code(double seconds) {
        coding_seconds += seconds;
        pass(seconds);
    }
    void pass(double seconds) {
        buffered_ = std::max(0.0, buffered_ - seconds * link_(now_));
        now_ += seconds;
    }
    /// The thread copies into the socket's buffer, and waits while that is full.
    void put(double bytes) {
        pass(bytes / kCopyRate);
        buffered_ += bytes;
        if (buffered_ > kSocketBytes) pass((buffered_ - kSocketBytes) / link_(now_));
    }

    static constexpr double kCopyRate = 5000 * kMega;
    static constexpr double kSocketBytes = 4 * 1024 * 1024;

    Policy policy_;
    LinkAt link_;
    DataAt data_;
    CompressionChoice choice_;
    double now_ = 1;
    double buffered_ = 0;
};

SimulatedChannel::LinkAt constant(double rate) {
    return [rate](double) { return rate; };
}
SimulatedChannel::DataAt always(Data data) {
    return [data](std::uint32_t, double) { return data; };
}

constexpr double kGigabit = 117 * kMega;
constexpr double kFast = 4000 * kMega;

}  // namespace

TEST_CASE("random data at any speed cost samples alone", "[engine]") {
    const double link = GENERATE(12 * kMega, kGigabit, 1000 * kMega, kFast);
    CAPTURE(link);
    SimulatedChannel none(Policy::none, constant(link), always(kRandom));
    SimulatedChannel automatic(Policy::automatic, constant(link), always(kRandom));
    const double before = none.send(4000);
    const double after = automatic.send(4000);
    CHECK(after < 1.006 * before);
    CHECK_FALSE(automatic.compresses());
}

TEST_CASE("over a slow link compressible data gain nearly all that compressing always would",
          "[engine]") {
    const double link = GENERATE(12 * kMega, kGigabit, 250 * kMega);
    CAPTURE(link);
    SimulatedChannel always_zstd(Policy::zstd, constant(link), always(kQuarter));
    SimulatedChannel automatic(Policy::automatic, constant(link), always(kQuarter));
    const double best = always_zstd.send(4000);
    const double chosen = automatic.send(4000);
    CHECK(chosen < 1.1 * best);
    CHECK(automatic.compresses());
}

TEST_CASE("over a fast link nothing is compressed, however well it would", "[engine]") {
    SimulatedChannel none(Policy::none, constant(kFast), always(kQuarter));
    SimulatedChannel automatic(Policy::automatic, constant(kFast), always(kQuarter));
    CHECK(automatic.send(8000) < 1.01 * none.send(8000));
    CHECK_FALSE(automatic.compresses());
}

TEST_CASE("each device is decided for itself", "[engine]") {
    const auto data = [](std::uint32_t device, double) { return device == 0 ? kRandom : kQuarter; };
    SimulatedChannel automatic(Policy::automatic, constant(kGigabit), data, 2);
    SimulatedChannel none(Policy::none, constant(kGigabit), data, 2);
    const double chosen = automatic.send(2000, 2);
    CHECK_FALSE(automatic.compresses(0));
    CHECK(automatic.compresses(1));
    CHECK(chosen < 0.68 * none.send(2000, 2));
}

TEST_CASE("a link that becomes fast is noticed, and so is one that becomes slow", "[engine]") {
    bool fast = false;
    const auto link = [&fast](double) { return fast ? kFast : kGigabit; };
    SimulatedChannel automatic(Policy::automatic, link, always(kQuarter));
    for (int round = 0; round < 2; ++round) {
        CAPTURE(round);
        fast = false;
        automatic.send(2000);
        CHECK(automatic.compresses());
        fast = true;
        // 32 s at most pass between two probes.
        const double began = automatic.now();
        while (automatic.compresses() && automatic.now() < began + 60) automatic.send(1);
        CHECK_FALSE(automatic.compresses());
        CHECK(automatic.now() < began + 33);
        automatic.send(20'000);
        CHECK_FALSE(automatic.compresses());
    }
}

TEST_CASE("data that stop compressing stop being compressed, and begin again when they do",
          "[engine]") {
    Data now = kQuarter;
    SimulatedChannel automatic(Policy::automatic, constant(kGigabit),
                               [&now](std::uint32_t, double) { return now; });
    automatic.send(1000);
    CHECK(automatic.compresses());
    now = kRandom;
    automatic.send(64);
    CHECK_FALSE(automatic.compresses());
    now = kQuarter;
    // A trial may follow a failed one after a second, in which the link carries so much.
    automatic.send(130);
    CHECK(automatic.compresses());
}

TEST_CASE("a compressor slower than the link is left alone", "[engine]") {
    const Data slow{.ratio = 0.25, .coding_rate = 60 * kMega};
    SimulatedChannel none(Policy::none, constant(kGigabit), always(slow));
    SimulatedChannel automatic(Policy::automatic, constant(kGigabit), always(slow));
    CHECK(automatic.send(4000) < 1.01 * none.send(4000));
    CHECK_FALSE(automatic.compresses());
}

TEST_CASE("whatever link and data are, deciding costs a small part of either extreme", "[engine]") {
    const double link = GENERATE(30 * kMega, 100 * kMega, 300 * kMega, 600 * kMega, 1200 * kMega);
    const double ratio = GENERATE(0.1, 0.3, 0.5, 0.8);
    const double rate = GENERATE(100 * kMega, 400 * kMega, 1500 * kMega);
    CAPTURE(link, ratio, rate);
    const auto data = always({.ratio = ratio, .coding_rate = rate});
    SimulatedChannel none(Policy::none, constant(link), data);
    SimulatedChannel zstd(Policy::zstd, constant(link), data);
    SimulatedChannel automatic(Policy::automatic, constant(link), data);
    const double best = std::min(none.send(8000), zstd.send(8000));
    CHECK(automatic.send(8000) < 1.12 * best);
}

}  // namespace multifd
