#include "engine/cli/state_unpacker.hpp"

#include <algorithm>

#include "channels/codec/zero_block_restore.hpp"
#include "channels/wire/assert.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {

Result<std::span<const std::byte>> StateUnpacker::unpack(const StatePacket& packet) {
    if (packet.encoding == PacketEncoding::raw) return packet.data;
    MULTIFD_ASSERT(packet.state_bytes <= limits::kPacketDataBytesMax);
    if (!target_) target_.emplace(limits::kPacketDataBytesMax, 1);
    const auto target = target_->at(0).first(packet.state_bytes);
    if (packet.encoding == PacketEncoding::zero_tail) {
        const auto rest = std::ranges::copy(packet.data, target.begin()).out;
        std::fill(rest, target.end(), std::byte{0});
        return std::span<const std::byte>(target);
    }
    if (packet.encoding == PacketEncoding::zero_blocks) {
        auto rest = packet.data;
        const auto restored =
            restore_zero_blocks(packet.data.size(), target, [&rest](std::span<std::byte> part) {
                std::ranges::copy(rest.first(part.size()), part.begin());
                rest = rest.subspan(part.size());
                return Result<>();
            });
        if (!restored) return restored.error();
        return std::span<const std::byte>(target);
    }
    if (!decompressor_) decompressor_.emplace(limits::kPacketDataBytesMax);
    decompressor_->begin(target);
    if (const auto added = decompressor_->add(packet.data); !added) return added.error();
    if (const auto finished = decompressor_->finish(); !finished) return finished.error();
    return std::span<const std::byte>(target);
}

}  // namespace multifd
