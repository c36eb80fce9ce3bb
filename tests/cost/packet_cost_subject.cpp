// Framing and reassembly of packets without sockets, so that their instructions can be counted.
//
//     packet_cost_subject PACKETS
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "channels/wire/device_state_packet.hpp"
#include "engine/packets/device_directory.hpp"
#include "engine/packets/inbound_packets.hpp"

namespace multifd {
namespace {

constexpr std::uint32_t kDevices = 8;
constexpr std::uint32_t kChannels = 4;
constexpr std::uint32_t kBuffers = 64;
constexpr std::size_t kPacketBytes = 4096;

std::vector<DeviceIdentity> identities() {
    std::vector<DeviceIdentity> all;
    for (std::uint32_t i = 0; i < kDevices; ++i) {
        all.push_back({"0000:3b:00." + std::to_string(i) + "/vfio", i});
    }
    return all;
}

/// What both ends do with one packet besides its payload.
class Way {
  public:
    Way()
        : identities_(identities()),
          directory_(identities_),
          inbound_({.buffer_bytes = kPacketBytes, .buffers = kBuffers, .channels = kChannels},
                   kDevices) {}

    void receive(DeviceId device, std::uint32_t idx) {
        std::array<std::byte, kDeviceStatePrologueBytes> bytes;
        encode({.idstr = identities_[device.value].idstr,
                .instance_id = identities_[device.value].instance_id,
                .idx = idx,
                .data_bytes = kPacketBytes},
               bytes);
        if (!decode_packet_prefix(std::span(bytes).first<kPacketPrefixBytes>())) fail("prefix");
        const auto header = decode_device_state(bytes);
        if (!header) fail("header");
        const auto found = directory_.find(header->idstr, header->instance_id);
        if (!found || *found != device) fail("device");
        Refusal refusal;
        const ChannelId channel{static_cast<std::uint8_t>(idx % kChannels)};
        const auto claim = inbound_.admit(
            channel, {.device = *found, .idx = header->idx, .bytes = header->data_bytes}, refusal);
        if (!claim) fail("admit");
        inbound_.buffer(*claim).front() = std::byte{1};
        inbound_.received(*claim, idx);
    }

    void load(DeviceId device, std::uint32_t idx) {
        const auto delivery = inbound_.next(device);
        if (!delivery || delivery->claim.idx != idx) fail("order");
        Refusal refusal;
        if (!inbound_.loaded(device, refusal)) fail("loaded");
    }

  private:
    [[noreturn]] static void fail(const char* what) {
        throw std::runtime_error(std::string("a packet failed: ") + what);
    }

    std::vector<DeviceIdentity> identities_;
    DeviceDirectory directory_;
    InboundPackets inbound_;
};

/// Each device's packets arrive in groups, one per channel, the last one first.
void run(std::uint32_t packets) {
    Way way;
    for (std::uint32_t done = 0; done < packets; done += kChannels) {
        const std::uint32_t group = done / kChannels;
        const DeviceId device{group % kDevices};
        const std::uint32_t first = group / kDevices * kChannels;
        for (std::uint32_t i = kChannels; i-- > 0;) way.receive(device, first + i);
        for (std::uint32_t i = 0; i < kChannels; ++i) way.load(device, first + i);
    }
}

}  // namespace
}  // namespace multifd

int main(int count, char** words) {
    try {
        const std::string_view text = count == 2 ? words[1] : "";
        std::uint32_t packets = 0;
        std::from_chars(text.data(), text.data() + text.size(), packets);
        if (packets == 0) throw std::invalid_argument("one number: how many packets");
        multifd::run(packets);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "packet_cost_subject: %s\n", problem.what());
        return 1;
    }
    return 0;
}
