#include "engine/packets/channel_samples.hpp"

#include <chrono>

#include "channels/transport/socket_address.hpp"
#include "channels/transport/tcp_sample.hpp"

namespace multifd {
namespace {

/// A look takes each socket's lock, which its channel wants too.
constexpr std::chrono::milliseconds kLookAgain{500};

void take_over(const TcpSample& sample, TcpReport& report) {
    report.congestion_control = sample.congestion_control;
    report.rtt_us = sample.rtt_us;
    report.rtt_variation_us = sample.rtt_variation_us;
    report.retransmits = sample.retransmits;
    report.congestion_window = sample.congestion_window;
    report.segment_bytes = sample.segment_bytes;
    report.delivery_rate = sample.delivery_rate;
    report.busy_us = sample.busy_us;
    report.receiver_limited_us = sample.receiver_limited_us;
    report.send_buffer_limited_us = sample.send_buffer_limited_us;
    report.unanswered = sample.unanswered;
}

}  // namespace

void ChannelSamples::watch(std::span<const Connection> channels) {
    const std::scoped_lock lock(mutex_);
    channels_.clear();
    for (const auto& connection : channels) {
        Channel channel{.fd = connection.fd(), .latest = {}};
        if (sample_tcp(channel.fd)) {
            channel.latest.emplace();
            channel.latest->local_address = to_string(local_address_of(channel.fd));
            channel.latest->remote_address = to_string(remote_address_of(channel.fd));
        }
        channels_.push_back(std::move(channel));
    }
    over_ = false;
    look();
}

void ChannelSamples::finish() {
    const std::scoped_lock lock(mutex_);
    if (!over_) look();
    over_ = true;
}

std::optional<TcpReport> ChannelSamples::of(std::size_t channel) {
    const std::scoped_lock lock(mutex_);
    if (!over_ && Clock::now() - looked_at_ >= kLookAgain) look();
    return channel < channels_.size() ? channels_[channel].latest : std::nullopt;
}

void ChannelSamples::look() {
    for (auto& channel : channels_) {
        if (!channel.latest) continue;
        if (const auto sample = sample_tcp(channel.fd)) take_over(*sample, *channel.latest);
    }
    looked_at_ = Clock::now();
}

}  // namespace multifd
