// The config state of a PCI device: what of its configuration space travels, and what is restored.
//
// The bytes are laid out as QEMU lays out those of a vfio-pci device, so that either can load what
// the other saved (read off recordings of QEMU 10.0.2):
//
//     0            u32 big-endian  2
//     4            configuration space, 256 bytes where the device has just those, else 4096
//     4 + space    4 x u32         level of the interrupt pins: 0
//     then, with an MSI-X capability, the table (16 bytes for each vector) and the pending bits
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace multifd {

/// A write to the device's configuration space.
struct ConfigWrite {
    std::uint32_t offset = 0;  ///< In bytes.
    std::vector<std::byte> bytes;
    friend bool operator==(const ConfigWrite&, const ConfigWrite&) = default;
};

/// What to write so that a device goes on as the saved one did, or why it must not.
struct ConfigRestore {
    std::vector<ConfigWrite> writes;      ///< In this order; the command register last.
    std::optional<std::string> mismatch;  ///< One line; then `writes` is empty.
};

/// `space` is the configuration space as the device shows it, 64 bytes at least. Addresses in BARs
/// are those of this host: they are left out, and so are the MSI-X table's messages, which a VMM
/// has and the device does not show; all vectors are saved as masked.
[[nodiscard]] std::vector<std::byte> encode_config_state(std::span<const std::byte> space);

/// `state` is a peer's. Identity (vendor, device, revision, class, header type) must agree.
/// Restored are: cache line size, latency timer, interrupt line, of the PCI Express device control
/// the bits that concern the device alone, and of the command register those that software may set.
/// BARs, status bits, capabilities, payload sizes and interrupt enables stay as this host has them.
[[nodiscard]] ConfigRestore plan_config_restore(std::span<const std::byte> state,
                                                std::span<const std::byte> space);

}  // namespace multifd
