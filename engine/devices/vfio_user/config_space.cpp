#include "engine/devices/vfio_user/config_space.hpp"

#include <algorithm>

#include "channels/wire/assert.hpp"

namespace multifd::vfio_user {
namespace {

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

}  // namespace multifd::vfio_user
