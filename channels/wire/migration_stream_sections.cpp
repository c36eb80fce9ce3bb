// The bodies of sections; migration_stream.cpp has the records around them.
#include "channels/wire/migration_stream.hpp"

#include <algorithm>
#include <array>

#include "channels/wire/big_endian.hpp"
#include "channels/wire/ram_section.hpp"

namespace multifd {
namespace {

constexpr std::size_t kFooterBytes = 5;
constexpr std::size_t kTokenBytes = sizeof(std::uint64_t);

bool known_token(std::uint64_t token, bool extensions) noexcept {
    return (token >= kTokenEndOfState && token <= kTokenInitDataSent) ||
           (extensions && (token == kTokenSizedConfig || token == kTokenInitDataBelow));
}

}  // namespace

bool StreamParser::token_in_order(std::uint64_t token) const noexcept {
    switch (section_.type) {
        case SectionType::start:
            return token == (setup_seen_ ? kTokenEndOfState : kTokenSetupState);
        case SectionType::part:
            return token == kTokenDataState || token == kTokenEndOfState ||
                   token == kTokenInitDataSent || token == kTokenInitDataBelow;
        case SectionType::end:
            return token == kTokenDataState || token == kTokenEndOfState;
        case SectionType::full:
            return token == kTokenEndOfState ||
                   (!config_seen_ && (token == kTokenConfigState || token == kTokenSizedConfig));
    }
    return false;
}

Result<Parsed> StreamParser::parse_device(std::span<const std::byte> visible) {
    BigEndianReader reader(visible);
    const auto token = reader.integer<std::uint64_t>();
    if (!reader.ok()) return need(reader.needed());
    if (!known_token(token, options_.extensions)) {
        return make_error_code(Errc::device_token_unknown);
    }
    if (!token_in_order(token)) return make_error_code(Errc::device_token_unexpected);
    switch (token) {
        case kTokenSetupState:
            setup_seen_ = true;
            return got(DeviceMarkSeen{DeviceMark::setup}, kTokenBytes);
        case kTokenInitDataSent:
            state_ = State::footer;
            return got(DeviceMarkSeen{DeviceMark::init_data_sent}, kTokenBytes);
        case kTokenInitDataBelow: {
            const auto idx = reader.integer<std::uint32_t>();
            if (!reader.ok()) return need(reader.needed());
            if (idx == limits::kIdxReserved) return make_error_code(Errc::idx_reserved);
            state_ = State::footer;
            return got(InitDataBelow{idx}, reader.position());
        }
        case kTokenDataState: {
            const auto bytes = reader.integer<std::uint64_t>();
            if (!reader.ok()) return need(reader.needed());
            return got(DeviceData{bytes}, reader.position());
        }
        case kTokenConfigState:
            return parse_config(visible);
        case kTokenSizedConfig:
            return parse_sized_config(visible);
        default:
            state_ = State::footer;
            return got(DeviceMarkSeen{DeviceMark::end_of_state}, kTokenBytes);
    }
}

Result<Parsed> StreamParser::parse_sized_config(std::span<const std::byte> visible) {
    BigEndianReader reader(visible.subspan(kTokenBytes));
    const auto bytes = reader.integer<std::uint64_t>();
    if (!reader.ok()) return need(kTokenBytes + reader.needed());
    if (bytes > limits::kConfigStateBytesMax) return make_error_code(Errc::config_too_large);
    config_seen_ = true;
    return got(SizedConfig{static_cast<std::uint32_t>(bytes)}, kTokenBytes + reader.position());
}

/// QEMU writes no size: the config state ends where END_OF_STATE is followed by this section's
/// footer. Its bytes could contain that by chance; nothing in the stream could tell.
Result<Parsed> StreamParser::parse_config(std::span<const std::byte> visible) {
    std::array<std::byte, kTokenBytes + kFooterBytes> ending{};
    store_at<0>(std::span(ending), kTokenEndOfState);
    store_at<kTokenBytes>(std::span(ending), kRecordFooter);
    store_at<kTokenBytes + 1>(std::span(ending), section_.section_id);

    constexpr std::size_t kSearchedMax = limits::kConfigStateBytesMax + kTokenBytes + kFooterBytes;
    const auto all = visible.subspan(kTokenBytes);
    const auto body = all.first(std::min(all.size(), kSearchedMax));
    const auto from = body.begin() + static_cast<std::ptrdiff_t>(std::min(scanned_, body.size()));
    const auto found = std::search(from, body.end(), ending.begin(), ending.end());
    if (found == body.end()) {
        if (body.size() == kSearchedMax) return make_error_code(Errc::config_too_large);
        scanned_ = body.size() >= ending.size() ? body.size() - ending.size() + 1 : 0;
        return need(std::max(visible.size() + 1, kTokenBytes + ending.size()));
    }
    const auto config = body.first(static_cast<std::size_t>(found - body.begin()));
    scanned_ = 0;
    state_ = State::footer;
    return got(ConfigState{config}, kTokenBytes + config.size() + kTokenBytes);
}

Result<Parsed> StreamParser::parse_host(std::span<const std::byte> visible) {
    BigEndianReader reader(visible);
    const auto token = reader.integer<std::uint64_t>();
    if (!reader.ok()) return need(reader.needed());
    if (!known_token(token, options_.extensions)) {
        return make_error_code(Errc::device_token_unknown);
    }
    const bool ends = state_ == State::host_end;
    if (token != (ends ? kTokenEndOfState : kTokenDataState)) {
        return make_error_code(Errc::device_token_unexpected);
    }
    if (ends) {
        state_ = State::footer;
        return got(DeviceMarkSeen{DeviceMark::end_of_state}, kTokenBytes);
    }
    const auto bytes = reader.integer<std::uint64_t>();
    if (!reader.ok()) return need(reader.needed());
    if (bytes > limits::kHostSectionBytesMax) return make_error_code(Errc::host_section_too_large);
    state_ = State::host_end;
    return got(DeviceData{bytes}, reader.position());
}

Result<Parsed> StreamParser::parse_ram(std::span<const std::byte> visible) {
    const auto parsed = parse_ram_record(visible, ram_unlisted_);
    if (!parsed) return parsed.error();
    if (!parsed->record) return need(parsed->needed);
    const RamRecord record = *parsed->record;
    if (record.kind == RamRecordKind::memory_size && section_.type != SectionType::start) {
        return make_error_code(Errc::ram_section_malformed);
    }
    if (record.kind == RamRecordKind::end) state_ = State::footer;
    return got(record, parsed->consumed);
}

Result<Parsed> StreamParser::parse_footer(std::span<const std::byte> visible) {
    BigEndianReader reader(visible);
    const auto mark = reader.integer<std::uint8_t>();
    if (reader.ok() && mark != kRecordFooter) return make_error_code(Errc::section_footer_wrong);
    const auto section_id = reader.integer<std::uint32_t>();
    if (!reader.ok()) return need(kFooterBytes);
    if (section_id != section_.section_id) return make_error_code(Errc::section_footer_wrong);
    state_ = State::record;
    return got(SectionEnd{section_id}, kFooterBytes);
}

}  // namespace multifd
