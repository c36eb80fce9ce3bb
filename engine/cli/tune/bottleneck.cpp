#include "engine/cli/tune/bottleneck.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "engine/cli/readable.hpp"

namespace multifd::tuning {
namespace {

constexpr double kMostOfDowntime = 0.5;
constexpr double kAllCores = 0.9;
constexpr double kDeviceBusy = 0.7;
constexpr double kThreadBusy = 0.75;
constexpr double kWaiting = 0.5;
constexpr double kFull = 0.9;

/// What the processes of a host use of its cores.
struct CoreUse {
    double used = 0;
    double cores = 0;  ///< 0 when unknown.

    [[nodiscard]] double share() const { return cores > 0 ? used / cores : 0; }
};

/// The parts that the rules compare.
struct Parts {
    double fixed = 0;       ///< Of the downtime without validation.
    double validation = 0;  ///< Of the downtime.
    CoreUse here;           ///< Over the transfer; of both ends when both are here.
    CoreUse there;          ///< Of the destination elsewhere, over its own span of the transfer.
    double write = 0;       ///< Of the transfer, as the rest.
    double read = 0;
    double sender_cpu = 0;
    double receiver_cpu = 0;
    double reorder_wait = 0;
    double send = 0;
    double load = 0;  ///< From the last byte sent until all is loaded.
    bool destination_known = false;
    double queue_full = 0;  ///< Of the destination's memory for packets.
};

double ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

Parts parts_of(const Figures& figures, const RunContext& context) {
    const auto value = [&figures](Figure figure) { return figures.value_or_zero(figure); };
    const double downtime = value(Figure::downtime);
    const double transfer = value(Figure::transfer);
    const double source_cpu = value(Figure::source_cpu);
    const double destination_cpu = value(Figure::destination_cpu);
    Parts parts;
    parts.fixed = ratio(value(Figure::stop) + value(Figure::verify) + value(Figure::commit),
                        downtime - value(Figure::validate));
    parts.destination_known = figures.get(Figure::write).has_value();
    parts.load = ratio(value(Figure::load), transfer);
    parts.validation = ratio(value(Figure::validate), downtime);
    if (context.both_ends_here) {
        parts.here = {ratio(source_cpu + destination_cpu, transfer),
                      static_cast<double>(context.cores)};
    } else {
        parts.here = {ratio(source_cpu, transfer), static_cast<double>(context.cores)};
        parts.there = {ratio(destination_cpu, value(Figure::destination_transfer)),
                       value(Figure::destination_cores)};
    }
    parts.write = ratio(value(Figure::write), transfer);
    parts.read = ratio(value(Figure::read), transfer);
    parts.sender_cpu = ratio(value(Figure::sender_cpu), transfer);
    parts.receiver_cpu = ratio(value(Figure::receiver_cpu), transfer);
    parts.reorder_wait = ratio(value(Figure::reorder_wait), transfer);
    parts.send = ratio(value(Figure::send), transfer);
    parts.queue_full = ratio(value(Figure::peak_queued_bytes), value(Figure::queued_bytes_max));
    return parts;
}

Bottleneck decide(const Parts& parts) {
    if (parts.fixed >= kMostOfDowntime) return Bottleneck::fixed_cost;
    if (std::max(parts.here.share(), parts.there.share()) >= kAllCores) {
        return Bottleneck::processors;
    }
    if (parts.write >= kDeviceBusy) return Bottleneck::device_write;
    if (parts.read >= kDeviceBusy) return Bottleneck::device_read;
    if (std::max(parts.sender_cpu, parts.receiver_cpu) >= kThreadBusy) {
        return Bottleneck::channel_cpu;
    }
    if (parts.reorder_wait >= kWaiting && parts.queue_full >= kFull) {
        return Bottleneck::reorder_wait;
    }
    if (parts.send >= kWaiting) return Bottleneck::network;
    if (!parts.destination_known && parts.load >= kWaiting) return Bottleneck::destination;
    if (parts.validation >= kMostOfDowntime) return Bottleneck::validation;
    return Bottleneck::unclear;
}

std::string percent(double part) {
    return std::to_string(std::lround(std::min(part, 1.0) * 100)) + "%";
}

std::string one_decimal(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f", value);
    return text.data();
}

/// The largest of the parts that no data takes.
std::string largest_fixed_part(const Figures& figures) {
    const std::array<std::pair<const char*, Figure>, 3> parts{{
        {"stopping the devices", Figure::stop},
        {"comparing the digests", Figure::verify},
        {"handing the devices over", Figure::commit},
    }};
    const auto largest = std::ranges::max_element(
        parts, {}, [&figures](const auto& part) { return figures.value_or_zero(part.second); });
    const double us = figures.value_or_zero(largest->second);
    return std::string(largest->first) + " alone " +
           readable_us(static_cast<std::uint64_t>(std::lround(us)));
}

/// "the source keeps 3.8 of this host's 4": of the host whose cores are busier.
std::string busier_host(const Parts& parts, const RunContext& context) {
    const bool there = parts.there.share() > parts.here.share();
    const CoreUse& host = there ? parts.there : parts.here;
    // A destination here that tells nothing is not in the sum.
    const bool both = context.both_ends_here && parts.destination_known;
    const char* who = both    ? "both ends together keep "
                      : there ? "the destination keeps "
                              : "the source keeps ";
    return who + one_decimal(host.used) + (there ? " of its host's " : " of this host's ") +
           std::to_string(std::lround(host.cores));
}

std::string core_use_in_words(const Parts& parts) {
    std::string words = percent(parts.here.share());
    if (parts.there.cores > 0) {
        words += " here and " + percent(parts.there.share()) + " at the destination";
    }
    return words;
}

std::string sentence_of(Bottleneck bottleneck, const Parts& parts, const Figures& figures,
                        const RunContext& context) {
    switch (bottleneck) {
        case Bottleneck::fixed_cost:
            return "The bottleneck is fixed cost, not data: " + percent(parts.fixed) +
                   " of the downtime goes to stopping, verifying and committing (" +
                   largest_fixed_part(figures) + "), so no number of channels shortens it.";
        case Bottleneck::processors:
            return "The bottleneck is the processor: " + busier_host(parts, context) +
                   " cores busy, so fewer copies or more cores would help, not more channels.";
        case Bottleneck::device_write:
            return "The bottleneck is writing the devices at the destination: the slowest is in "
                   "write calls for " +
                   percent(parts.write) + " of the transfer.";
        case Bottleneck::device_read:
            return "The bottleneck is reading the devices at the source: the slowest is in read "
                   "calls for " +
                   percent(parts.read) + " of the transfer.";
        case Bottleneck::channel_cpu:
            return std::string(
                       "The bottleneck is the processor time of the channel threads: the "
                       "busiest one at the ") +
                   (parts.sender_cpu >= parts.receiver_cpu ? "source" : "destination") +
                   " computes for " + percent(std::max(parts.sender_cpu, parts.receiver_cpu)) +
                   " of the transfer.";
        case Bottleneck::reorder_wait:
            return "The bottleneck is the wait for packets in order: " +
                   percent(parts.reorder_wait) +
                   " of the transfer a device waits for its next packet while the destination's "
                   "memory is full of later ones; give it more with --max-queued-bytes.";
        case Bottleneck::network:
            return "The bottleneck is the network: the busiest channel spends " +
                   percent(parts.send) +
                   " of the transfer in send calls, and neither devices nor processors explain it.";
        case Bottleneck::destination:
            return "The bottleneck is the destination: " + percent(parts.load) +
                   " of the transfer is waiting for it to load what has been sent; its own report "
                   "says which part.";
        case Bottleneck::validation:
            return "The longest part is the acceptance of the state by the destination's "
                   "devices, " +
                   percent(parts.validation) +
                   " of the downtime: these synthetic ones check every byte, which real ones need "
                   "not.";
        case Bottleneck::unclear:
            break;
    }
    return "No single part is the bottleneck: of the transfer, reading takes " +
           percent(parts.read) + ", send calls " + percent(parts.send) + " and writing " +
           percent(parts.write) + ", and the processors are busy to " + core_use_in_words(parts) +
           ".";
}

std::vector<Share> shares_of(const Parts& parts, const Figures& figures) {
    std::vector<Share> shares{
        {"read (slowest device)", parts.read},
        {"send calls (busiest channel)", parts.send},
        {"sending thread's processor time", parts.sender_cpu},
    };
    if (figures.get(Figure::write)) {
        shares.push_back({"receiving thread's processor time", parts.receiver_cpu});
        shares.push_back({"wait for the next packet", parts.reorder_wait});
        shares.push_back({"write (slowest device)", parts.write});
    }
    shares.push_back({"all cores of this host", parts.here.share()});
    if (parts.there.cores > 0) {
        shares.push_back({"all cores of the destination's host", parts.there.share()});
    }
    shares.push_back({"fixed cost, of the downtime", parts.fixed});
    return shares;
}

}  // namespace

std::string_view name_of(Bottleneck bottleneck) noexcept {
    constexpr std::array<std::string_view, 10> kNames{
        "fixed-cost",   "processors", "device-write", "device-read", "channel-cpu",
        "reorder-wait", "network",    "destination",  "validation",  "unclear"};
    return kNames[static_cast<std::size_t>(bottleneck)];
}

Verdict judge(const Figures& figures, const RunContext& context) {
    const Parts parts = parts_of(figures, context);
    const Bottleneck bottleneck = decide(parts);
    return {bottleneck, sentence_of(bottleneck, parts, figures, context),
            shares_of(parts, figures)};
}

}  // namespace multifd::tuning
