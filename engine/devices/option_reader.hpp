// Takes a device's description apart, key by key, with messages that help.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/devices/device_options.hpp"

namespace multifd {

/// A number's bounds, and the text that allows them.
struct OptionRange {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
};

/// Reads one DeviceSpec. Every function throws UsageError for a value that is not allowed, naming
/// kind, key, value and what is; each gives nothing when the key is absent.
/// Ownership: `spec` outlives this object.
class OptionReader {
  public:
    /// `keys` are those of the kind; the common ones are added. Throws for unknown and for repeated
    /// keys.
    OptionReader(const DeviceSpec& spec, std::span<const std::string_view> keys);

    [[nodiscard]] std::optional<std::string_view> text(std::string_view key) const;
    [[nodiscard]] std::optional<std::uint64_t> size(std::string_view key, OptionRange range) const;
    [[nodiscard]] std::optional<std::uint64_t> rate(std::string_view key, OptionRange range) const;
    [[nodiscard]] std::optional<std::uint64_t> count(std::string_view key, OptionRange range) const;
    /// "on" or "off".
    [[nodiscard]] std::optional<bool> flag(std::string_view key) const;
    /// Whether the device runs when the program starts: state=running|stop.
    [[nodiscard]] DeviceState initial_state() const;

    /// idstr, instance-id and multifd; `device` stays empty.
    [[nodiscard]] DeviceEntry common() const;

    /// Throws: "device KIND: KEY=VALUE is not allowed: `allowed`".
    [[noreturn]] void refuse(std::string_view key, std::string_view allowed) const;
    /// Throws: "device KIND: `message`".
    [[noreturn]] void refuse(std::string_view message) const;

  private:
    const DeviceSpec& spec_;
};

}  // namespace multifd
