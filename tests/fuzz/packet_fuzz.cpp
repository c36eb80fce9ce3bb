// Any bytes as a channel: headers that are accepted are what our encoder would write.
#include <algorithm>
#include <array>
#include <variant>

#include "channels/wire/recording.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

using namespace multifd;

void read_prologue(std::span<const std::byte> bytes) {
    if (bytes.size() < kDeviceStatePrologueBytes) return;
    const auto wire = bytes.first<kDeviceStatePrologueBytes>();
    const auto header = decode_device_state(wire);
    if (!header) return;
    fuzz::check(!header->idstr.empty() && header->idstr.size() <= limits::kIdstrBytesMax);
    fuzz::check(header->data_bytes <= limits::kNextPacketBytesMax);
    std::array<std::byte, kDeviceStatePrologueBytes> again{};
    encode(*header, again);
    fuzz::check(std::ranges::equal(again, wire));
}

void read_encoded(std::span<const std::byte> bytes) {
    if (bytes.size() < kEncodedPrologueBytes) return;
    const auto wire = bytes.first<kEncodedPrologueBytes>();
    const auto header = decode_encoded_state(wire, kEveryEncoding);
    if (!header) return;
    fuzz::check(header->data_bytes < header->raw_bytes && !header->config);
    fuzz::check(header->raw_bytes <= limits::kNextPacketBytesMax);
    std::array<std::byte, kEncodedPrologueBytes> again{};
    fuzz::check(std::ranges::equal(encode(*header, again), wire));
}

void read_channel(std::span<const std::byte> bytes) {
    ChannelReader reader(bytes);
    if (!reader.init()) return;
    std::size_t at = kChannelInitBytes;
    while (true) {
        const auto next = reader.next();
        if (!next || !*next) return;
        fuzz::check((*next)->offset == at && (*next)->bytes >= kPacketPrefixBytes);
        at += (*next)->bytes;
        fuzz::check(at <= bytes.size());
        const auto* header = std::get_if<DeviceStateHeader>(&(*next)->header);
        if (header != nullptr && header->config) (void)unwrap_config((*next)->payload);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = fuzz::bytes_of(data, size);
    read_prologue(bytes);
    read_encoded(bytes);
    if (bytes.size() >= kRamHeaderBytes) (void)decode_ram_packet(bytes.first<kRamHeaderBytes>());
    if (const auto config = unwrap_config(bytes)) {
        fuzz::check(config->size() + 2 * limits::kConfigTokenBytes == bytes.size());
    }
    read_channel(bytes);
    return 0;
}
