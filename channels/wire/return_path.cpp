#include "channels/wire/return_path.hpp"

#include "channels/wire/assert.hpp"
#include "channels/wire/big_endian.hpp"
#include "channels/wire/message_bodies.hpp"
#include "channels/wire/transfer_report.hpp"

namespace multifd {
namespace {

Errc length_is(std::size_t length, std::size_t wanted) noexcept {
    return length == wanted ? Errc::ok : Errc::return_path_length_wrong;
}

Errc length_within(std::size_t length, std::size_t least, std::size_t most) noexcept {
    return length >= least && length <= most ? Errc::ok : Errc::return_path_length_wrong;
}

Errc judge_return_path(std::uint16_t type, std::size_t length) noexcept {
    switch (static_cast<ReturnPathType>(type)) {
        case ReturnPathType::shut:
        case ReturnPathType::pong:
            return length_is(length, 4);
        case ReturnPathType::switchover_ack:
        case ReturnPathType::ready:
            return length_is(length, 0);
        case ReturnPathType::hello:
            return length_within(length, 1, kMessageDataBytesMax);
        case ReturnPathType::loaded:
            return verify_length_valid(length) ? Errc::ok : Errc::return_path_length_wrong;
        case ReturnPathType::pre_copy_status:
            return pre_copy_status_length_valid(length) ? Errc::ok : Errc::return_path_length_wrong;
        case ReturnPathType::transfer_report:
            return length_within(length, 1, kTransferReportBytesMax);
        case ReturnPathType::running:
        case ReturnPathType::refused:
            return length_within(length, 0, kPeerErrorBytesMax);
    }
    return Errc::return_path_type_unknown;
}

Errc judge_control(std::uint16_t type, std::size_t length) noexcept {
    switch (static_cast<ControlType>(type)) {
        case ControlType::heartbeat:
            return length_is(length, kHeartbeatBytes);
        case ControlType::error:
            return length_within(length, 1, kPeerErrorBytesMax);
        case ControlType::cancel_request:
            return length_is(length, 0);
    }
    return Errc::return_path_type_unknown;
}

Result<ParsedMessage> parse_message(std::span<const std::byte> visible,
                                    Errc (*judge)(std::uint16_t, std::size_t) noexcept) noexcept {
    ParsedMessage parsed;
    if (visible.size() < kMessageHeadBytes) {
        parsed.needed = kMessageHeadBytes;
        return parsed;
    }
    const auto head = visible.first<kMessageHeadBytes>();
    const auto type = load_at<std::uint16_t, 0>(head);
    const std::size_t length = load_at<std::uint16_t, 2>(head);
    const Errc judged = judge(type, length);
    if (judged != Errc::ok) return make_error_code(judged);
    if (visible.size() - kMessageHeadBytes < length) {
        parsed.needed = kMessageHeadBytes + length;
        return parsed;
    }
    parsed.message = Message{type, visible.subspan(kMessageHeadBytes, length)};
    parsed.consumed = kMessageHeadBytes + length;
    return parsed;
}

}  // namespace

Result<ParsedMessage> parse_return_path(std::span<const std::byte> visible) noexcept {
    return parse_message(visible, judge_return_path);
}

Result<ParsedMessage> parse_control(std::span<const std::byte> visible) noexcept {
    return parse_message(visible, judge_control);
}

void append_message(std::vector<std::byte>& target, std::uint16_t type,
                    std::span<const std::byte> data) {
    MULTIFD_ASSERT(data.size() <= kMessageDataBytesMax);
    append_integer(target, type);
    append_integer(target, static_cast<std::uint16_t>(data.size()));
    append_bytes(target, data);
}

}  // namespace multifd
