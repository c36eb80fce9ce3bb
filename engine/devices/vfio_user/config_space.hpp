// ConfigSpace: the PCI config space that a served device shows. Sans-I/O.
//
// Source: PCI Local Bus Specification 3.0, section 6.1, type 0 header; offsets in bytes, integers
// little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/devices/vfio_user/native_endian.hpp"

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

}  // namespace multifd::vfio_user
