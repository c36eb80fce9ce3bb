// What the tests of the format share: byte vectors, recordings, and a receiver that reports events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "channels/wire/big_endian.hpp"
#include "channels/wire/error.hpp"
#include "channels/wire/migration_stream.hpp"
#include "channels/wire/migration_stream_writer.hpp"

namespace multifd::test {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of_text(std::string_view text) {
    const auto view = bytes_of(text);
    return {view.begin(), view.end()};
}

/// "51 45 56 4d" and "5145564d" alike.
inline Bytes from_hex(std::string_view hex) {
    Bytes bytes;
    std::string digits;
    for (const char character : hex) {
        if (character == ' ' || character == '\n') continue;
        digits.push_back(character);
        if (digits.size() < 2) continue;
        bytes.push_back(static_cast<std::byte>(std::stoul(digits, nullptr, 16)));
        digits.clear();
    }
    return bytes;
}

inline std::string to_hex(std::span<const std::byte> bytes) {
    static constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    for (const std::byte byte : bytes) {
        hex.push_back(kDigits[std::to_integer<std::size_t>(byte) >> 4U]);
        hex.push_back(kDigits[std::to_integer<std::size_t>(byte) & 15U]);
    }
    return hex;
}

inline Bytes read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    return bytes_of_text(text);
}

inline std::filesystem::path captures() {
    return MULTIFD_CAPTURES;
}

/// The name of a Result's error, or "ok": readable when a check fails.
template <class T>
std::string outcome(const Result<T>& result) {
    return result ? "ok" : std::string(error_name(result.error()));
}

/// Knows sections by name: those it is told, all others are foreign.
class NamedSections final : public SectionClassifier {
  public:
    explicit NamedSections(std::map<std::string, SectionKind> kinds = {})
        : kinds_(std::move(kinds)) {}
    [[nodiscard]] SectionKind kind_of(std::string_view idstr,
                                      std::uint32_t /*instance_id*/) const noexcept override {
        const auto found = kinds_.find(std::string(idstr));
        return found == kinds_.end() ? SectionKind::foreign : found->second;
    }

  private:
    std::map<std::string, SectionKind> kinds_;
};

std::string to_string(const StreamEvent& event);
/// Bytes that an event announces and that are not for the parser.
std::uint64_t raw_bytes(const StreamEvent& event);

/// Receives a main stream as a connection would give it.
struct Received {
    std::vector<std::string> events;  ///< One line each; raw data in hexadecimal after its event.
    std::string end = "ok";           ///< Or the name of the error.
};

/// Feeds `stream` so that the parser first sees `first` bytes and then `step` more at a time. Every
/// view it gets is a heap block of exactly that size, so that a sanitizer sees any read outside.
Received receive(std::span<const std::byte> stream, const SectionClassifier& classifier,
                 ParserOptions options = {}, std::size_t first = SIZE_MAX, std::size_t step = 1);

/// A multifd session's stream with every record a receiver accepts, for devices gpu0 and nic0 and a
/// host section "host-ram".
Bytes session_stream();
NamedSections session_sections();

/// A stream as QEMU writes it for one device "0000:00:04.0/vfio", RAM and a foreign section; as
/// recordings are.
Bytes qemu_stream();
inline constexpr std::string_view kQemuDescription =
    R"({"devices":[{"name":"timer","instance_id":0,"vmsd_name":"timer",)"
    R"("fields":[{"size":2,"array_len":2}],)"
    R"("subsections":[{"vmsd_name":"sub","fields":[{"size":1}]}]},)"
    R"({"name":"0000:00:04.0/vfio","instance_id":0,"size":8}]})";

}  // namespace multifd::test
