// The config state of a vfio-user device: how much state there was, and the PCI config space.
#include "engine/devices/vfio_user/vfio_user_device.hpp"

#include <algorithm>
#include <array>

#include "channels/wire/big_endian.hpp"
#include "engine/devices/vfio/pci_config_state.hpp"

namespace multifd::vfio_user {
namespace {

constexpr std::uint32_t kConfigMagic = 0x4d465543;
constexpr std::uint32_t kConfigVersion = 1;
constexpr std::size_t kConfigHeadBytes = 32;

}  // namespace

CallResult VfioUserDevice::bad_config(std::string what) {
    return CallResult::failure(std::errc::bad_message, std::move(what));
}

CallResult VfioUserDevice::read_config_space(std::span<std::byte> target,
                                             const Patience& patience) {
    std::size_t done = 0;
    while (done < target.size()) {
        const auto place =
            target.subspan(done, std::min(target.size() - done, connection_.transfer_bytes()));
        RegionAccess access;
        access.offset = done;
        access.region = kConfigRegion;
        access.count = static_cast<std::uint32_t>(place.size());
        std::array<std::byte, RegionAccess::kHeadBytes> head{};
        CallResult got =
            connection_.request(Command::region_read, encode(access), {}, {head, place}, patience);
        if (!got.ok()) return got;
        if (got.value != head.size() + place.size()) {
            return CallResult::failure(
                std::errc::protocol_error,
                "the server at " + connection_.path() + " gives only a part of its config space");
        }
        done += place.size();
    }
    return CallResult::success();
}

CallResult VfioUserDevice::save_config(std::vector<std::byte>& target) {
    CallResult possible = require(Transfer::saving, "save_config");
    if (!possible.ok()) return possible;
    Bytes space(config_bytes_);
    CallResult read = read_config_space(space, as_asked());
    if (!read.ok()) return read;
    target.clear();
    append_integer(target, kConfigMagic);
    append_integer(target, kConfigVersion);
    append_integer(target, bytes_);
    append_integer(target, digest_.value());
    const Bytes config = space.empty() ? Bytes() : encode_config_state(space);
    append_integer(target, static_cast<std::uint32_t>(config.size()));
    append_integer(target, std::uint32_t{0});
    append_bytes(target, config);
    return CallResult::success(target.size());
}

CallResult VfioUserDevice::load_config(std::span<const std::byte> source) {
    CallResult possible = require(Transfer::resuming, "load_config");
    if (!possible.ok()) return possible;
    if (config_loaded_) return bad_config("the config state came twice");
    BigEndianReader reader(source);
    const auto magic = reader.integer<std::uint32_t>();
    const auto version = reader.integer<std::uint32_t>();
    const auto bytes = reader.integer<std::uint64_t>();
    const auto digest = reader.integer<std::uint64_t>();
    const std::size_t size = reader.integer<std::uint32_t>();
    static_cast<void>(reader.integer<std::uint32_t>());
    if (!reader.ok() || magic != kConfigMagic || version != kConfigVersion ||
        source.size() != kConfigHeadBytes + size) {
        return bad_config("this is no config state of a vfio-user device, version 1");
    }
    if (bytes != bytes_ || digest != digest_.value()) {
        return bad_config("the state is not the one that was saved: " + std::to_string(bytes_) +
                          " bytes were written, " + std::to_string(bytes) + " were read" +
                          (bytes == bytes_ ? ", and their digests differ" : ""));
    }
    if ((size == 0) != (config_bytes_ == 0)) {
        return bad_config(std::string("the source was given config=") + (size == 0 ? "off" : "on") +
                          ", this device another");
    }
    CallResult restored = restore_config_space(reader.take(size));
    config_loaded_ = restored.ok();
    return restored;
}

CallResult VfioUserDevice::restore_config_space(ConstBytes saved) {
    if (saved.empty()) return CallResult::success();
    Bytes current(config_bytes_);
    CallResult done = read_config_space(current, as_asked());
    if (!done.ok()) return done;
    const ConfigRestore restore = plan_config_restore(saved, current);
    if (restore.mismatch) return bad_config(*restore.mismatch);
    for (const ConfigWrite& write : restore.writes) {
        done = write_config_space(write.offset, write.bytes);
        if (!done.ok()) return done;
    }
    return CallResult::success();
}

CallResult VfioUserDevice::write_config_space(std::uint64_t offset, ConstBytes source) {
    for (std::size_t at = 0; at < source.size();) {
        const auto piece =
            source.subspan(at, std::min(source.size() - at, connection_.transfer_bytes()));
        RegionAccess access;
        access.offset = offset + at;
        access.region = kConfigRegion;
        access.count = static_cast<std::uint32_t>(piece.size());
        std::array<std::byte, RegionAccess::kHeadBytes> reply{};
        CallResult done = connection_.request(Command::region_write, encode(access), piece,
                                              {{}, reply}, as_asked());
        if (!done.ok()) return done;
        at += piece.size();
    }
    return CallResult::success();
}

}  // namespace multifd::vfio_user
