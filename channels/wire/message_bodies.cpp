#include "channels/wire/message_bodies.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "channels/wire/assert.hpp"
#include "channels/wire/big_endian.hpp"
#include "channels/wire/json_text.hpp"
#include "channels/wire/limits.hpp"
#include "channels/wire/return_path.hpp"

namespace multifd {
namespace {

using nlohmann::json;

constexpr std::size_t kWordBytesMax = 64;                             // of a code or phase
constexpr std::size_t kDeviceBytesMax = limits::kIdstrBytesMax + 16;  // idstr, '/', instance
constexpr std::size_t kPeerErrorNestingMax = 4;

static_assert(1 + kVerifyEntriesPerMessage * kVerifyEntryBytes <= kMessageDataBytesMax);
static_assert(1 + (kVerifyEntriesPerMessage + 1) * kVerifyEntryBytes > kMessageDataBytesMax);
static_assert(1 + kVerifyPreCopyEntriesPerMessage * kVerifyPreCopyEntryBytes <=
              kMessageDataBytesMax);
static_assert(1 + (kVerifyPreCopyEntriesPerMessage + 1) * kVerifyPreCopyEntryBytes >
              kMessageDataBytesMax);
static_assert(1 + kPreCopyStatusEntriesPerMessage * kPreCopyStatusEntryBytes <=
              kMessageDataBytesMax);
static_assert(limits::kDevicesMax * kSwitchoverEntryBytes <= limits::kCommandBytesMax);
// The first byte of a verify table.
constexpr std::uint8_t kVerifyMore = 1;
constexpr std::uint8_t kVerifyWithPreCopy = 2;
// Where a byte takes most room it stands as U+FFFD, or escaped as \", in 3 bytes at most.
static_assert(3 * (2 * kWordBytesMax + kDeviceBytesMax + limits::kErrorTextBytesMax) + 256 <
              kPeerErrorBytesMax);

/// One line: what a terminal or a log would take for control becomes a space.
std::string one_line(std::string_view text, std::size_t bytes_max) {
    std::string line(text.substr(0, bytes_max));
    std::ranges::replace_if(
        line,
        [](char character) {
            const auto value = static_cast<unsigned char>(character);
            return value < 0x20 || value == 0x7f;
        },
        ' ');
    return line;
}

bool read_text(const json& object, const char* key, std::size_t bytes_max, std::string& target) {
    const auto found = object.find(key);
    if (found == object.end()) return true;
    if (!found->is_string()) return false;
    const auto& text = found->get_ref<const std::string&>();
    target = one_line(text, bytes_max);
    return true;
}

bool read_u32(const json& object, const char* key, std::optional<std::uint32_t>& target) {
    const auto found = object.find(key);
    if (found == object.end()) return true;
    if (!found->is_number_unsigned()) return false;
    const auto value = found->get<std::uint64_t>();
    if (value > std::numeric_limits<std::uint32_t>::max()) return false;
    target = static_cast<std::uint32_t>(value);
    return true;
}

}  // namespace

std::array<std::byte, kHeartbeatBytes> encode(const Heartbeat& heartbeat) noexcept {
    std::array<std::byte, kHeartbeatBytes> bytes{};
    store_at<0>(std::span(bytes), heartbeat.progress);
    store_at<8>(std::span(bytes), heartbeat.status);
    return bytes;
}

Result<Heartbeat> decode_heartbeat(std::span<const std::byte> source) noexcept {
    if (source.size() != kHeartbeatBytes) return make_error_code(Errc::message_malformed);
    const auto bytes = source.first<kHeartbeatBytes>();
    return Heartbeat{load_at<std::uint64_t, 0>(bytes), load_at<std::uint8_t, 8>(bytes)};
}

std::array<std::byte, 4> encode_u32(std::uint32_t value) noexcept {
    std::array<std::byte, 4> bytes{};
    store_at<0>(std::span(bytes), value);
    return bytes;
}

Result<std::uint32_t> decode_u32(std::span<const std::byte> source) noexcept {
    if (source.size() != 4) return make_error_code(Errc::message_malformed);
    return load_at<std::uint32_t, 0>(source.first<4>());
}

std::vector<std::byte> encode(const PeerError& error) {
    json object = json::object();
    object["code"] = one_line(error.code, kWordBytesMax);
    object["phase"] = one_line(error.phase, kWordBytesMax);
    if (!error.device.empty()) object["device"] = one_line(error.device, kDeviceBytesMax);
    if (error.idx) object["idx"] = *error.idx;
    if (error.channel) object["channel"] = *error.channel;
    object["message"] = one_line(error.message, limits::kErrorTextBytesMax);
    const std::string text = object.dump(-1, ' ', false, json::error_handler_t::replace);
    const auto bytes = bytes_of(text);
    return {bytes.begin(), bytes.end()};
}

Result<PeerError> decode_peer_error(std::span<const std::byte> source) {
    const std::string_view text = text_of(source);
    if (source.size() > kPeerErrorBytesMax || !json_nesting_within(text, kPeerErrorNestingMax)) {
        return make_error_code(Errc::message_malformed);
    }
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return make_error_code(Errc::message_malformed);
    PeerError error;
    const bool valid = read_text(object, "code", kWordBytesMax, error.code) &&
                       read_text(object, "phase", kWordBytesMax, error.phase) &&
                       read_text(object, "device", kDeviceBytesMax, error.device) &&
                       read_u32(object, "idx", error.idx) &&
                       read_u32(object, "channel", error.channel) &&
                       read_text(object, "message", limits::kErrorTextBytesMax, error.message);
    if (!valid || error.code.empty()) return make_error_code(Errc::message_malformed);
    return error;
}

std::vector<std::vector<std::byte>> encode_verify(std::span<const VerifyEntry> entries) {
    const bool pre_copy = !entries.empty() && entries.front().pre_copy_bytes.has_value();
    const auto most = pre_copy ? kVerifyPreCopyEntriesPerMessage : kVerifyEntriesPerMessage;
    std::vector<std::vector<std::byte>> bodies;
    do {
        const auto part = entries.first(std::min(entries.size(), most));
        entries = entries.subspan(part.size());
        auto& body = bodies.emplace_back();
        const int more = entries.empty() ? 0 : kVerifyMore;
        append_integer(body, static_cast<std::uint8_t>(more | (pre_copy ? kVerifyWithPreCopy : 0)));
        for (const VerifyEntry& entry : part) {
            append_integer(body, entry.device);
            append_integer(body, entry.packets);
            append_integer(body, entry.bytes);
            append_integer(body, entry.digest);
            MULTIFD_ASSERT(entry.pre_copy_bytes.has_value() == pre_copy);
            if (pre_copy) append_integer(body, *entry.pre_copy_bytes);
        }
    } while (!entries.empty());
    return bodies;
}

Result<VerifyTable> decode_verify(std::span<const std::byte> source) {
    if (source.empty() || source.size() > kMessageDataBytesMax ||
        std::to_integer<unsigned>(source.front()) > (kVerifyMore | kVerifyWithPreCopy)) {
        return make_error_code(Errc::message_malformed);
    }
    VerifyTable table;
    BigEndianReader reader(source);
    const auto form = reader.integer<std::uint8_t>();
    const bool pre_copy = (form & kVerifyWithPreCopy) != 0;
    const std::size_t entry_bytes = pre_copy ? kVerifyPreCopyEntryBytes : kVerifyEntryBytes;
    if ((source.size() - 1) % entry_bytes != 0) return make_error_code(Errc::message_malformed);
    table.more = (form & kVerifyMore) != 0;
    table.entries.resize((source.size() - 1) / entry_bytes);
    for (VerifyEntry& entry : table.entries) {
        entry.device = reader.integer<std::uint32_t>();
        entry.packets = reader.integer<std::uint64_t>();
        entry.bytes = reader.integer<std::uint64_t>();
        entry.digest = reader.integer<std::uint64_t>();
        if (pre_copy) entry.pre_copy_bytes = reader.integer<std::uint64_t>();
    }
    // A table that goes on without saying anything would let a peer talk forever; and an empty one
    // has one form.
    if ((table.more || pre_copy) && table.entries.empty()) {
        return make_error_code(Errc::message_malformed);
    }
    return table;
}

std::vector<std::byte> encode_switchover(std::span<const SwitchoverEntry> entries) {
    MULTIFD_ASSERT(!entries.empty() && entries.size() <= limits::kDevicesMax);
    std::vector<std::byte> body;
    for (const SwitchoverEntry& entry : entries) {
        MULTIFD_ASSERT(entry.next_idx != limits::kIdxReserved);
        append_integer(body, entry.device);
        append_integer(body, entry.next_idx);
    }
    return body;
}

Result<std::vector<SwitchoverEntry>> decode_switchover(std::span<const std::byte> source) {
    if (!switchover_length_valid(source.size()) ||
        source.size() > limits::kDevicesMax * kSwitchoverEntryBytes) {
        return make_error_code(Errc::message_malformed);
    }
    BigEndianReader reader(source);
    std::vector<SwitchoverEntry> entries(source.size() / kSwitchoverEntryBytes);
    for (SwitchoverEntry& entry : entries) {
        entry.device = reader.integer<std::uint32_t>();
        entry.next_idx = reader.integer<std::uint32_t>();
        if (entry.next_idx == limits::kIdxReserved) return make_error_code(Errc::idx_reserved);
    }
    return entries;
}

std::vector<std::vector<std::byte>> encode_pre_copy_status(
    std::span<const PreCopyStatusEntry> entries) {
    MULTIFD_ASSERT(!entries.empty());
    std::vector<std::vector<std::byte>> bodies;
    while (!entries.empty()) {
        const auto part = entries.first(std::min(entries.size(), kPreCopyStatusEntriesPerMessage));
        entries = entries.subspan(part.size());
        auto& body = bodies.emplace_back();
        append_integer(body, static_cast<std::uint8_t>(entries.empty() ? 0 : 1));
        for (const PreCopyStatusEntry& entry : part) {
            append_integer(body, entry.device);
            append_integer(body, entry.loaded_bytes);
            append_integer(body, entry.write_us);
        }
    }
    return bodies;
}

Result<PreCopyStatusTable> decode_pre_copy_status(std::span<const std::byte> source) {
    if (!pre_copy_status_length_valid(source.size()) || source.size() > kMessageDataBytesMax ||
        std::to_integer<unsigned>(source.front()) > 1) {
        return make_error_code(Errc::message_malformed);
    }
    PreCopyStatusTable table;
    BigEndianReader reader(source);
    table.more = reader.integer<std::uint8_t>() == 1;
    table.entries.resize((source.size() - 1) / kPreCopyStatusEntryBytes);
    for (PreCopyStatusEntry& entry : table.entries) {
        entry.device = reader.integer<std::uint32_t>();
        entry.loaded_bytes = reader.integer<std::uint64_t>();
        entry.write_us = reader.integer<std::uint64_t>();
    }
    return table;
}

}  // namespace multifd
