// PCI config space: the image that a served device shows, and what of a saved one is restored.
// Sans-I/O.
//
// Source: PCI Local Bus Specification 3.0, section 6.1, type 0 header; offsets in bytes, integers
// little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/devices/vfio_user/message.hpp"

namespace multifd::vfio_user {

/// Without extended capabilities, and with them.
inline constexpr std::size_t kConfigSpaceBytes = 256;
inline constexpr std::size_t kConfigSpaceBytesMax = 4096;

/// The config space of a served device: a header without BARs and capabilities, of which a guest
/// may write the command, cache line size, latency timer and interrupt line.
class ConfigSpace {
  public:
    ConfigSpace() noexcept { reset(); }

    /// `target` lies within kConfigSpaceBytes.
    void read(std::size_t offset, std::span<std::byte> target) const;
    /// Bits that cannot be written stay.
    void write(std::size_t offset, ConstBytes source);
    void reset() noexcept;

  private:
    std::array<std::byte, kConfigSpaceBytes> bytes_{};
};

/// A stretch of config space to write.
struct ConfigWrite {
    std::size_t offset = 0;
    Bytes bytes;
    bool operator==(const ConfigWrite&) const = default;
};

/// What makes a device that has `current` go on like one that had `saved`: the fields that a guest
/// writes in the header, the command last. Identity and read-only fields stay, and so do BARs: they
/// are addresses of the other host. Refuses the config space of another kind of device (vendor,
/// device, revision, class, header type or subsystem differ) or of another size.
[[nodiscard]] Decoded<std::vector<ConfigWrite>> config_writes(ConstBytes saved, ConstBytes current);

}  // namespace multifd::vfio_user
