#include "engine/devices/vfio/pci_config_state.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace multifd {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::byte kLayoutVersion{2};
constexpr std::size_t kVersionBytes = 4;
constexpr std::size_t kPinBytes = 16;
constexpr std::size_t kConventionalBytes = 256;
constexpr std::size_t kExpressBytes = 4096;

// Offsets and bits: PCI Local Bus 3.0, chapter 6, and PCI Express Base, chapter 7.
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kCommand = 0x04;
constexpr std::size_t kStatus = 0x06;
constexpr std::size_t kCacheLineSize = 0x0c;
constexpr std::size_t kLatencyTimer = 0x0d;
constexpr std::size_t kHeaderType = 0x0e;
constexpr std::size_t kFirstBar = 0x10;
constexpr std::size_t kAfterBars = 0x28;
constexpr std::size_t kExpansionRom = 0x30;
constexpr std::size_t kCapabilities = 0x34;
constexpr std::size_t kInterruptLine = 0x3c;
constexpr unsigned kHasCapabilities = 0x10;  // In the status register.
// I/O, memory, bus master, parity response, SERR#, INTx disable.
constexpr unsigned kCommandMask = 0x0547;
constexpr std::byte kCapabilityMsix{0x11};
constexpr std::byte kCapabilityExpress{0x10};
constexpr std::size_t kDeviceControl = 8;  // In the PCI Express capability.
// Error reporting, relaxed ordering, no snoop, read request size. Payload size, extended tags and
// phantom functions depend on the host's other devices; the last bit would reset the function.
constexpr unsigned kDeviceControlMask = 0x781f;
constexpr std::size_t kMsixEntryBytes = 16;
constexpr std::size_t kMsixMaskByte = 12;  // In an entry; bit 0 masks the vector.

unsigned byte_at(Bytes bytes, std::size_t offset) {
    return offset < bytes.size() ? std::to_integer<unsigned>(bytes[offset]) : 0;
}

unsigned word_at(Bytes bytes, std::size_t offset) {
    return byte_at(bytes, offset) | byte_at(bytes, offset + 1) << 8U;
}

std::vector<std::byte> word(unsigned value) {
    return {static_cast<std::byte>(value & 0xffU), static_cast<std::byte>(value >> 8U)};
}

/// Where the capability begins; the list may lead anywhere, or in a circle.
std::optional<std::size_t> find_capability(Bytes space, std::byte id) {
    if ((word_at(space, kStatus) & kHasCapabilities) == 0) return std::nullopt;
    std::size_t at = byte_at(space, kCapabilities) & 0xfcU;
    constexpr std::size_t kCapabilitiesMax = (kConventionalBytes - kHeaderBytes) / 4;
    for (std::size_t count = 0; count < kCapabilitiesMax; ++count) {
        if (at < kHeaderBytes || at + 1 >= space.size()) break;
        if (space[at] == id) return at;
        at = byte_at(space, at + 1) & 0xfcU;
    }
    return std::nullopt;
}

std::size_t space_bytes(Bytes space) {
    return space.size() == kConventionalBytes ? kConventionalBytes : kExpressBytes;
}

/// Leaves of each BAR its kind, which is no address.
void clear_addresses(std::span<std::byte> space) {
    if ((byte_at(space, kHeaderType) & 0x7fU) != 0) return;  // Bridges have other registers there.
    for (std::size_t bar = kFirstBar; bar < kAfterBars; bar += 4) {
        const unsigned low = byte_at(space, bar);
        const bool io = (low & 1U) != 0;
        const bool wide = !io && (low & 6U) == 4;
        std::ranges::fill(space.subspan(bar, wide && bar + 4 < kAfterBars ? 8 : 4), std::byte{0});
        space[bar] = static_cast<std::byte>(low & (io ? 0x3U : 0xfU));
        if (wide) bar += 4;
    }
    std::ranges::fill(space.subspan(kExpansionRom, 4), std::byte{0});
}

void append_masked_vectors(std::vector<std::byte>& state, std::size_t vectors) {
    for (std::size_t vector = 0; vector < vectors; ++vector) {
        state.resize(state.size() + kMsixEntryBytes);
        state[state.size() - kMsixEntryBytes + kMsixMaskByte] = std::byte{1};
    }
    state.resize(state.size() + (vectors + 7) / 8);
}

struct IdentityField {
    std::string_view name;
    std::size_t offset;
    std::size_t size;
    unsigned mask;  ///< Of the last byte.
};
constexpr std::array<IdentityField, 5> kIdentity{{{"vendor", 0x00, 2, 0xff},
                                                  {"device", 0x02, 2, 0xff},
                                                  {"revision", 0x08, 1, 0xff},
                                                  {"class", 0x09, 3, 0xff},
                                                  {"header type", kHeaderType, 1, 0x7f}}};

std::string hexadecimal(Bytes space, const IdentityField& field) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text = "0x";
    for (std::size_t index = field.size; index-- > 0;) {
        unsigned value = byte_at(space, field.offset + index);
        if (index + 1 == field.size) value &= field.mask;
        text.push_back(kDigits[value >> 4U]);
        text.push_back(kDigits[value & 0xfU]);
    }
    return text;
}

ConfigRestore refusal(std::string reason) {
    return {{}, std::move(reason)};
}

}  // namespace

std::vector<std::byte> encode_config_state(Bytes space) {
    std::vector<std::byte> state(kVersionBytes + space_bytes(space));
    state[kVersionBytes - 1] = kLayoutVersion;
    const auto saved = std::span(state).subspan(kVersionBytes);
    std::ranges::copy(space.first(std::min(space.size(), saved.size())), saved.begin());
    clear_addresses(saved);
    const auto msix = find_capability(saved, kCapabilityMsix);
    const std::size_t vectors = msix ? (word_at(saved, *msix + 2) & 0x7ffU) + 1 : 0;
    state.resize(state.size() + kPinBytes);
    append_masked_vectors(state, vectors);
    return state;
}

ConfigRestore plan_config_restore(Bytes state, Bytes space) {
    const std::size_t least = kVersionBytes + space_bytes(space) + kPinBytes;
    if (state.size() < least) {
        return refusal("the PCI config state has " + std::to_string(state.size()) +
                       " bytes, this device needs " + std::to_string(least));
    }
    constexpr std::array<std::byte, kVersionBytes> kVersion{{{}, {}, {}, kLayoutVersion}};
    if (!std::ranges::equal(state.first(kVersionBytes), kVersion)) {
        return refusal("the PCI config state is not of layout 2");
    }
    const Bytes saved = state.subspan(kVersionBytes, space_bytes(space));
    for (const IdentityField& field : kIdentity) {
        const std::string there = hexadecimal(saved, field);
        const std::string here = hexadecimal(space, field);
        if (there == here) continue;
        return refusal("the source's device is another: PCI " + std::string(field.name) + " " +
                       there + ", here " + here);
    }
    ConfigRestore plan;
    const auto restore_byte = [&](std::size_t offset) {
        plan.writes.push_back({static_cast<std::uint32_t>(offset), {saved[offset]}});
    };
    const auto restore_word = [&](std::size_t offset, unsigned mask) {
        const unsigned value = (word_at(space, offset) & ~mask) | (word_at(saved, offset) & mask);
        plan.writes.push_back({static_cast<std::uint32_t>(offset), word(value)});
    };
    if ((byte_at(space, kHeaderType) & 0x7fU) == 0) {
        restore_byte(kCacheLineSize);
        restore_byte(kLatencyTimer);
    }
    restore_byte(kInterruptLine);
    const auto express = find_capability(space, kCapabilityExpress);
    if (express && express == find_capability(saved, kCapabilityExpress) &&
        *express + kDeviceControl + 2 <= space.size()) {
        restore_word(*express + kDeviceControl, kDeviceControlMask);
    }
    restore_word(kCommand, kCommandMask);
    return plan;
}

}  // namespace multifd
