#include "engine/cli/sample_series.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "channels/wire/assert.hpp"
#include "channels/wire/ids.hpp"

namespace multifd {
namespace {

using Json = nlohmann::ordered_json;

// Doubling ends here; a series of so few samples a day is no longer one.
constexpr std::chrono::microseconds kIntervalMax = std::chrono::hours(1);

Sample sample_of(const Statistics& statistics, std::uint64_t at_us) {
    Sample sample;
    sample.at_us = at_us;
    sample.status = statistics.status;
    sample.transferred = statistics.transferred;
    sample.queued_bytes = statistics.queued_bytes;
    for (const DeviceReport& device : statistics.devices) {
        sample.devices.push_back(device.bytes + device.pre_copy_bytes);
    }
    for (const ChannelReport& channel : statistics.channels) {
        sample.channels.push_back(channel.bytes);
    }
    return sample;
}

}  // namespace

SampleSeries::SampleSeries(std::size_t samples_max, std::chrono::microseconds interval)
    : samples_max_(samples_max), interval_(interval) {
    MULTIFD_ASSERT(samples_max >= 2 && samples_max % 2 == 0);
}

void SampleSeries::add(const Statistics& statistics, std::uint64_t at_us) {
    if (statistics.status == Status::none) return;
    if (samples_.size() == samples_max_) {
        for (std::size_t kept = 0; kept < samples_max_ / 2; ++kept) {
            if (kept != 0) samples_[kept] = std::move(samples_[2 * kept]);
        }
        samples_.resize(samples_max_ / 2);
        interval_ = std::min(2 * interval_, kIntervalMax);
    }
    samples_.push_back(sample_of(statistics, at_us));
    last_ = statistics;
}

std::string SampleSeries::json() const {
    Json devices = Json::array();
    for (const DeviceReport& device : last_.devices) {
        devices.push_back(to_string(DeviceIdentity{device.idstr, device.instance_id}));
    }
    Json channels = Json::array();
    for (const ChannelReport& channel : last_.channels) channels.push_back(channel.id);
    Json list = Json::array();
    const std::uint64_t begin_us = samples_.empty() ? 0 : samples_.front().at_us;
    for (const Sample& sample : samples_) {
        list.push_back(Json{{"at-us", sample.at_us - begin_us},
                            {"status", to_string(sample.status)},
                            {"transferred", sample.transferred},
                            {"queued-bytes", sample.queued_bytes},
                            {"devices", sample.devices},
                            {"channels", sample.channels}});
    }
    const Json json{{"schema", "multifd-samples/1"},
                    {"role", to_string(last_.role)},
                    {"session", last_.session.empty() ? Json(nullptr) : Json(last_.session)},
                    {"interval-us", interval_.count()},
                    {"devices", std::move(devices)},
                    {"channels", std::move(channels)},
                    {"samples", std::move(list)}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace multifd
