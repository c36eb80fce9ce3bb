// Any bytes as a channel: headers that are accepted are what our encoder would write.
#include <algorithm>
#include <array>
#include <variant>
#include <vector>

#include "channels/codec/zero_block_finder.hpp"
#include "channels/codec/zero_block_restore.hpp"
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

/// The bytes as the data of a packet without its blocks of zeros, of a size that they choose:
/// whatever they are, nothing is written beyond it, and what is accepted is what a sender finds.
void read_zero_blocks(std::span<const std::byte> bytes) {
    constexpr std::size_t kPacketBytesMax = 65536;
    static ZeroBlockFinder finder(kPacketBytesMax);
    if (bytes.size() < 2) return;
    const std::size_t declared =
        std::to_integer<std::size_t>(bytes[0]) << 8U | std::to_integer<std::size_t>(bytes[1]);
    auto rest = bytes.subspan(2);
    if (rest.size() < zero_block_map_bytes(declared)) return;
    std::vector<std::byte> place(declared + 1, std::byte{0xee});
    const auto restored = restore_zero_blocks(
        rest.size(), std::span(place).first(declared), [&rest](std::span<std::byte> part) {
            fuzz::check(part.size() <= rest.size());
            std::ranges::copy(rest.first(part.size()), part.begin());
            rest = rest.subspan(part.size());
            return Result<>();
        });
    fuzz::check(place.back() == std::byte{0xee});
    if (!restored) return fuzz::check(restored.error() == Errc::zero_blocks_malformed);
    fuzz::check(rest.empty());
    const auto state = std::span(place).first(declared);
    const auto sent = finder.find(state, declared);
    if (!sent) return;
    // The packet may hold blocks that are zero.
    fuzz::check(sent->map.size() + sent->run_bytes <= bytes.size() - 2);
    for (const auto run : sent->runs) {
        fuzz::check(!run.empty() && run.data() >= state.data() &&
                    run.data() + run.size() <= state.data() + declared);
    }
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
    read_zero_blocks(bytes);
    if (bytes.size() >= kRamHeaderBytes) (void)decode_ram_packet(bytes.first<kRamHeaderBytes>());
    if (const auto config = unwrap_config(bytes)) {
        fuzz::check(config->size() + 2 * limits::kConfigTokenBytes == bytes.size());
    }
    read_channel(bytes);
    return 0;
}
