#include "channels/wire/hello_agreement.hpp"

#include <algorithm>
#include <map>

#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

const char* name_of(MultifdChoice choice) noexcept {
    switch (choice) {
        case MultifdChoice::automatic:
            return "auto";
        case MultifdChoice::on:
            return "on";
        case MultifdChoice::off:
            return "off";
    }
    return "auto";
}

std::optional<Disagreement> agree_channels(const Hello& source, const Hello& destination,
                                           Agreement& agreement) {
    if (source.channels != 0 && destination.channels != 0 &&
        source.channels != destination.channels) {
        return Disagreement{make_error_code(Errc::channels_disagree),
                            "the source wants " + std::to_string(source.channels) +
                                " channels, the destination " +
                                std::to_string(destination.channels) +
                                ": give both the same multifd-channels, or the destination none",
                            std::nullopt};
    }
    agreement.channels = std::max({source.channels, destination.channels, 1U});
    return std::nullopt;
}

std::optional<Disagreement> agree_packet_size(const Hello& source, const Hello& destination,
                                              Agreement& agreement) {
    const std::uint64_t largest = destination.packet_bytes_max != 0 ? destination.packet_bytes_max
                                                                    : limits::kPacketDataBytesMax;
    const std::uint64_t wanted =
        source.packet_bytes != 0
            ? source.packet_bytes
            : std::min<std::uint64_t>(limits::kPacketDataBytesDefault, largest);
    const auto refuse = [&](const std::string& limit) {
        return Disagreement{make_error_code(Errc::packet_size_disagree),
                            "the source's packets carry " + std::to_string(wanted) +
                                " bytes, but the destination's " + limit +
                                ": lower the source's packet size or raise that limit",
                            std::nullopt};
    };
    if (wanted > largest) return refuse("largest packet is " + std::to_string(largest));
    if (destination.queued_bytes_max != 0 && wanted > destination.queued_bytes_max) {
        return refuse("memory limit is " + std::to_string(destination.queued_bytes_max));
    }
    agreement.packet_bytes = wanted;
    return std::nullopt;
}

Disagreement missing_device(const DeviceIdentity& identity, const char* end) {
    return {make_error_code(Errc::devices_disagree),
            "device " + to_string(identity) + " is missing at the " + end +
                ": give both ends the same idstr and instance-id",
            identity};
}

std::optional<Disagreement> agree_devices(const Hello& source, const Hello& destination,
                                          Agreement& agreement) {
    std::map<DeviceIdentity, std::uint32_t> unmatched;
    for (std::uint32_t i = 0; i < destination.devices.size(); ++i) {
        unmatched.emplace(destination.devices[i].identity, i);
    }
    for (std::uint32_t i = 0; i < source.devices.size(); ++i) {
        const HelloDevice& ours = source.devices[i];
        const auto found = unmatched.find(ours.identity);
        if (found == unmatched.end()) return missing_device(ours.identity, "destination");
        const HelloDevice& theirs = destination.devices[found->second];
        const bool wants = ours.multifd == MultifdChoice::on || theirs.multifd == MultifdChoice::on;
        const bool refuses =
            ours.multifd == MultifdChoice::off || theirs.multifd == MultifdChoice::off;
        if (wants && refuses) {
            return Disagreement{make_error_code(Errc::multifd_disagree),
                                "device " + to_string(ours.identity) +
                                    " has multifd=" + name_of(ours.multifd) +
                                    " at the source and multifd=" + name_of(theirs.multifd) +
                                    " at the destination: give both the same, or one auto",
                                ours.identity};
        }
        agreement.devices.push_back({.source_index = i,
                                     .destination_index = found->second,
                                     .multifd = !refuses,
                                     .running = ours.running && theirs.running,
                                     .pre_copies = ours.pre_copies});
        unmatched.erase(found);
    }
    // The first one in the destination's own order, not in the map's.
    const auto least =
        std::ranges::min_element(unmatched, {}, [](const auto& entry) { return entry.second; });
    if (least != unmatched.end()) return missing_device(least->first, "source");
    return std::nullopt;
}

bool names(const std::vector<std::string>& features, std::string_view feature) {
    return std::ranges::find(features, feature) != features.end();
}

/// What `demanding` requires stands among the features of `other`.
std::optional<Disagreement> require_features(const Hello& demanding, const char* who,
                                             const Hello& other, const char* whom) {
    for (const std::string& feature : demanding.required) {
        if (names(other.features, feature)) continue;
        std::string message = "the " + std::string(who) + " requires the feature " + feature +
                              ", which the " + whom + " does not offer";
        if (feature == kFeatureZstd) {
            message +=
                ": give both the same multifd-compression, or the " + std::string(who) + " auto";
        }
        return Disagreement{make_error_code(Errc::feature_missing), std::move(message),
                            std::nullopt};
    }
    return std::nullopt;
}

void agree_pre_copy(Agreement& agreement) {
    if (!agreement.has(kFeaturePreCopyChannels)) return;
    for (AgreedDevice& device : agreement.devices) {
        device.pre_copy_on_channels = device.multifd && device.pre_copies;
        agreement.pre_copy_on_channels |= device.pre_copy_on_channels;
    }
}

}  // namespace

bool Agreement::has(std::string_view feature) const {
    return names(features, feature);
}

std::variant<Agreement, Disagreement> agree(const Hello& source, const Hello& destination) {
    Agreement agreement;
    if (auto no = agree_channels(source, destination, agreement)) return *std::move(no);
    if (auto no = agree_packet_size(source, destination, agreement)) return *std::move(no);
    if (auto no = agree_devices(source, destination, agreement)) return *std::move(no);
    if (auto no = require_features(source, "source", destination, "destination")) {
        return *std::move(no);
    }
    if (auto no = require_features(destination, "destination", source, "source")) {
        return *std::move(no);
    }
    agreement.verify = source.verify && destination.verify;
    agreement.switchover_ack = source.switchover_ack && destination.switchover_ack;
    std::ranges::copy_if(
        source.features, std::back_inserter(agreement.features),
        [&](const std::string& feature) { return names(destination.features, feature); });
    agree_pre_copy(agreement);
    return agreement;
}

}  // namespace multifd
