#include "engine/devices/vfio_user/version.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "channels/wire/big_endian.hpp"
#include "channels/wire/json_text.hpp"

namespace multifd::vfio_user {
namespace {

using nlohmann::json;

constexpr std::size_t kNestingMax = 8;
constexpr std::uint64_t kFdsMax = 1024;

/// The number `key` of `capabilities` into `target`; what is wrong with it, or nothing.
template <class T>
std::optional<Refusal> take_number(const json& capabilities, const char* key, std::uint64_t least,
                                   std::uint64_t most, T& target) {
    const auto entry = capabilities.find(key);
    if (entry == capabilities.end()) return std::nullopt;
    if (!entry->is_number_unsigned() || entry->get<std::uint64_t>() < least ||
        entry->get<std::uint64_t>() > most) {
        return Refusal{std::errc::invalid_argument,
                       std::string("VERSION: ") + key + " is no number from " +
                           std::to_string(least) + " to " + std::to_string(most)};
    }
    target = static_cast<T>(entry->get<std::uint64_t>());
    return std::nullopt;
}

std::optional<Refusal> take_capabilities(std::string_view text, Version& version) {
    // A parser would take a NUL inside for the end.
    if (text.find('\0') != text.size() - 1) {
        return Refusal{std::errc::invalid_argument,
                       "VERSION: its JSON does not end with its only NUL"};
    }
    text.remove_suffix(1);
    const json parsed = json_nesting_within(text, kNestingMax)
                            ? json::parse(text, /*cb=*/nullptr, /*allow_exceptions=*/false)
                            : json(json::value_t::discarded);
    if (!parsed.is_object()) {
        return Refusal{std::errc::invalid_argument, "VERSION: its data is no JSON object"};
    }
    const auto capabilities = parsed.find("capabilities");
    if (capabilities == parsed.end()) return std::nullopt;
    if (!capabilities->is_object()) {
        return Refusal{std::errc::invalid_argument, "VERSION: its capabilities are no JSON object"};
    }
    auto refusal = take_number(*capabilities, "max_msg_fds", 0, kFdsMax, version.max_msg_fds);
    if (refusal) return refusal;
    return take_number(*capabilities, "max_data_xfer_size", 1, UINT64_MAX,
                       version.max_data_xfer_size);
}

}  // namespace

Version own_version() noexcept {
    return {};
}

Bytes encode(const Version& version) {
    const json text = {{"capabilities",
                        {{"max_msg_fds", version.max_msg_fds},
                         {"max_data_xfer_size", version.max_data_xfer_size}}}};
    Bytes bytes;
    append_native(bytes, version.major);
    append_native(bytes, version.minor);
    append_bytes(bytes, bytes_of(text.dump()));
    bytes.push_back(std::byte{0});
    return bytes;
}

Decoded<Version> decode_version(ConstBytes payload) {
    NativeReader reader(payload);
    Version version;
    version.major = reader.integer<std::uint16_t>();
    version.minor = reader.integer<std::uint16_t>();
    if (!reader.ok()) {
        return Refusal{std::errc::invalid_argument, "VERSION has a payload of only " +
                                                        std::to_string(payload.size()) + " bytes"};
    }
    if (version.major != kVersionMajor) {
        return Refusal{std::errc::protocol_not_supported,
                       "VERSION " + std::to_string(version.major) + "." +
                           std::to_string(version.minor) + " is not supported, only " +
                           std::to_string(kVersionMajor) + ".x"};
    }
    if (reader.rest().empty()) return version;
    if (auto refusal = take_capabilities(text_of(reader.rest()), version)) return *refusal;
    return version;
}

Version answer_to(const Version& proposed) noexcept {
    Version answer = own_version();
    answer.minor = std::min(answer.minor, proposed.minor);
    return answer;
}

std::size_t transfer_bytes(const Version& peer) noexcept {
    return static_cast<std::size_t>(
        std::min<std::uint64_t>(peer.max_data_xfer_size, own_version().max_data_xfer_size));
}

}  // namespace multifd::vfio_user
