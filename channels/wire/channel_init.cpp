#include "channels/wire/channel_init.hpp"

#include <algorithm>

#include "channels/wire/big_endian.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {

Result<ConnectionKind> classify(std::span<const std::byte, 4> first) noexcept {
    switch (load_at<std::uint32_t, 0>(first)) {
        case kStreamMagic:
            return ConnectionKind::main_channel;
        case kMultifdMagic:
            return ConnectionKind::channel;
        case kControlMagic:
            return ConnectionKind::control;
        default:
            return make_error_code(Errc::connection_kind_unknown);
    }
}

void encode(const ChannelInit& init, std::uint32_t magic,
            std::span<std::byte, kChannelInitBytes> target) noexcept {
    std::ranges::fill(target, std::byte{0});
    store_at<0>(target, magic);
    store_at<4>(target, kMultifdVersion);
    std::ranges::copy(init.session.bytes, target.begin() + 8);
    store_at<24>(target, init.id);
}

Result<ChannelInit> decode_channel_init(
    std::span<const std::byte, kChannelInitBytes> source) noexcept {
    const auto magic = load_at<std::uint32_t, 0>(source);
    if (magic != kMultifdMagic && magic != kControlMagic) {
        return make_error_code(Errc::channel_magic_wrong);
    }
    if (load_at<std::uint32_t, 4>(source) != kMultifdVersion) {
        return make_error_code(Errc::channel_version_wrong);
    }
    ChannelInit init;
    std::ranges::copy(source.subspan<8, 16>(), init.session.bytes.begin());
    init.id = load_at<std::uint8_t, 24>(source);
    const bool id_valid = magic == kControlMagic ? init.id == 0 : init.id < limits::kChannelsMax;
    if (!id_valid) return make_error_code(Errc::channel_id_invalid);
    return init;
}

}  // namespace multifd
