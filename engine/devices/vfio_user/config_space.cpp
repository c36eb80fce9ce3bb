#include "engine/devices/vfio_user/config_space.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"

namespace multifd::vfio_user {
namespace {

constexpr std::size_t kHeaderEnd = 64;

struct Field {
    const char* name;
    std::size_t offset;
    std::size_t size;
};

constexpr std::array kIdentity{
    Field{"vendor", 0x00, 2},    Field{"device", 0x02, 2},      Field{"revision", 0x08, 1},
    Field{"class", 0x09, 3},     Field{"header type", 0x0e, 1}, Field{"subsystem vendor", 0x2c, 2},
    Field{"subsystem", 0x2e, 2},
};

/// The command comes last: it lets the device do what the others say how.
constexpr std::array kRestored{
    Field{"cache line size", 0x0c, 1},
    Field{"latency timer", 0x0d, 1},
    Field{"interrupt line", 0x3c, 1},
    Field{"command", 0x04, 2},
};

struct WritableByte {
    std::size_t offset;
    std::byte mask;
};

// I/O, memory, bus master, parity, SERR and interrupt disable of the command.
constexpr std::array kWritable{
    WritableByte{0x04, std::byte{0x47}}, WritableByte{0x05, std::byte{0x05}},
    WritableByte{0x0c, std::byte{0xff}}, WritableByte{0x0d, std::byte{0xff}},
    WritableByte{0x3c, std::byte{0xff}},
};

// 1af4:10f0 to 10ff are for experiments, without registration (QEMU, docs/specs/pci-ids.rst); class
// ff is "none of the others".
constexpr std::array<std::byte, 4> kVendorAndDevice{std::byte{0xf4}, std::byte{0x1a},
                                                    std::byte{0xf0}, std::byte{0x10}};
constexpr std::size_t kClassOffset = 0x0b;
constexpr std::size_t kSubsystemOffset = 0x2c;

std::byte writable_bits(std::size_t offset) noexcept {
    const auto* found = std::ranges::find(kWritable, offset, &WritableByte::offset);
    return found == kWritable.end() ? std::byte{0} : found->mask;
}

}  // namespace

void ConfigSpace::read(std::size_t offset, std::span<std::byte> target) const {
    MULTIFD_ASSERT(offset <= bytes_.size() && target.size() <= bytes_.size() - offset);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), target.size(),
                target.begin());
}

void ConfigSpace::write(std::size_t offset, ConstBytes source) {
    MULTIFD_ASSERT(offset <= bytes_.size() && source.size() <= bytes_.size() - offset);
    for (std::size_t index = 0; index < source.size(); ++index) {
        const std::byte mask = writable_bits(offset + index);
        std::byte& byte = bytes_[offset + index];
        byte = (byte & ~mask) | (source[index] & mask);
    }
}

void ConfigSpace::reset() noexcept {
    bytes_.fill(std::byte{0});
    std::ranges::copy(kVendorAndDevice, bytes_.begin());
    std::ranges::copy(kVendorAndDevice, bytes_.begin() + kSubsystemOffset);
    bytes_[kClassOffset] = std::byte{0xff};
}

Decoded<std::vector<ConfigWrite>> config_writes(ConstBytes saved, ConstBytes current) {
    if (saved.size() != current.size() || saved.size() < kHeaderEnd) {
        return Refusal{std::errc::invalid_argument,
                       "a config space of " + std::to_string(saved.size()) +
                           " bytes for a device with one of " + std::to_string(current.size())};
    }
    for (const Field& field : kIdentity) {
        const auto part = [&field](ConstBytes space) {
            return space.subspan(field.offset, field.size);
        };
        if (!std::ranges::equal(part(saved), part(current))) {
            return Refusal{
                std::errc::invalid_argument,
                std::string("the config space of another device: its ") + field.name + " differs"};
        }
    }
    std::vector<ConfigWrite> writes;
    for (const Field& field : kRestored) {
        const ConstBytes value = saved.subspan(field.offset, field.size);
        writes.push_back({field.offset, Bytes(value.begin(), value.end())});
    }
    return writes;
}

}  // namespace multifd::vfio_user
