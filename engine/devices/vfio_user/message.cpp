#include "engine/devices/vfio_user/message.hpp"

#include <cstring>

namespace multifd::vfio_user {
namespace {

void append(Bytes& target, ConstBytes bytes) {
    target.insert(target.end(), bytes.begin(), bytes.end());
}

Bytes whole_message(const Header& header, ConstBytes payload) {
    Header filled = header;
    filled.size = static_cast<std::uint32_t>(kHeaderBytes + payload.size());
    const HeaderBytes bytes = encode(filled);
    Bytes message;
    message.reserve(filled.size);
    append(message, bytes);
    append(message, payload);
    return message;
}

Refusal too_short(std::string_view what, ConstBytes payload) {
    return {std::errc::invalid_argument, std::string(what) + " has a payload of only " +
                                             std::to_string(payload.size()) + " bytes"};
}

std::optional<Refusal> too_large(std::string_view what, std::uint64_t size,
                                 std::size_t transfer_max) {
    if (size <= transfer_max) return std::nullopt;
    return Refusal{std::errc::invalid_argument,
                   std::string(what) + " of " + std::to_string(size) + " bytes, at most " +
                       std::to_string(transfer_max) + " are negotiated"};
}

Refusal not_its_size(std::string_view what, std::uint64_t size, ConstBytes data) {
    return {std::errc::invalid_argument, std::string(what) + " of " + std::to_string(size) +
                                             " bytes with " + std::to_string(data.size()) +
                                             " bytes of data"};
}

struct DataHead {
    MigrationData data;
    bool ok = false;
};

DataHead data_head(ConstBytes payload) {
    NativeReader reader(payload);
    MigrationData data;
    data.argsz = reader.integer<std::uint32_t>();
    data.size = reader.integer<std::uint32_t>();
    data.data = reader.rest();
    return {data, reader.ok()};
}

Decoded<RegionAccess> decode_region_access(std::string_view what, ConstBytes payload,
                                           std::size_t transfer_max) {
    NativeReader reader(payload);
    RegionAccess access;
    access.offset = reader.integer<std::uint64_t>();
    access.region = reader.integer<std::uint32_t>();
    access.count = reader.integer<std::uint32_t>();
    access.data = reader.rest();
    if (!reader.ok()) return too_short(what, payload);
    if (auto refusal = too_large(what, access.count, transfer_max)) return *refusal;
    return access;
}

}  // namespace

std::string name_of(Command command) {
    switch (command) {
        case Command::version:
            return "VERSION";
        case Command::dma_map:
            return "DMA_MAP";
        case Command::dma_unmap:
            return "DMA_UNMAP";
        case Command::device_get_info:
            return "DEVICE_GET_INFO";
        case Command::device_get_region_info:
            return "DEVICE_GET_REGION_INFO";
        case Command::device_get_region_io_fds:
            return "DEVICE_GET_REGION_IO_FDS";
        case Command::device_get_irq_info:
            return "DEVICE_GET_IRQ_INFO";
        case Command::device_set_irqs:
            return "DEVICE_SET_IRQS";
        case Command::region_read:
            return "REGION_READ";
        case Command::region_write:
            return "REGION_WRITE";
        case Command::dma_read:
            return "DMA_READ";
        case Command::dma_write:
            return "DMA_WRITE";
        case Command::device_reset:
            return "DEVICE_RESET";
        case Command::region_write_multi:
            return "REGION_WRITE_MULTI";
        case Command::device_feature:
            return "DEVICE_FEATURE";
        case Command::mig_data_read:
            return "MIG_DATA_READ";
        case Command::mig_data_write:
            return "MIG_DATA_WRITE";
    }
    return "command " + std::to_string(static_cast<unsigned>(command));
}

HeaderBytes encode(const Header& header) noexcept {
    HeaderBytes bytes;
    const auto command = static_cast<std::uint16_t>(header.command);
    std::memcpy(bytes.data(), &header.id, 2);
    std::memcpy(bytes.data() + 2, &command, 2);
    std::memcpy(bytes.data() + 4, &header.size, 4);
    std::memcpy(bytes.data() + 8, &header.flags, 4);
    std::memcpy(bytes.data() + 12, &header.error, 4);
    return bytes;
}

Header decode_header(const HeaderBytes& bytes) noexcept {
    NativeReader reader(bytes);
    Header header;
    header.id = reader.integer<std::uint16_t>();
    header.command = static_cast<Command>(reader.integer<std::uint16_t>());
    header.size = reader.integer<std::uint32_t>();
    header.flags = reader.integer<std::uint32_t>();
    header.error = reader.integer<std::uint32_t>();
    return header;
}

std::optional<Refusal> check(const Header& header, std::uint32_t type, std::size_t bytes_max) {
    if (header.size < kHeaderBytes || header.size > bytes_max) {
        return Refusal{std::errc::message_size,
                       name_of(header.command) + ": a message of " + std::to_string(header.size) +
                           " bytes, allowed are " + std::to_string(kHeaderBytes) + " to " +
                           std::to_string(bytes_max)};
    }
    if (header.type() != type) {
        return Refusal{std::errc::invalid_argument,
                       name_of(header.command) + ": a message of type " +
                           std::to_string(header.type()) + ", expected is " + std::to_string(type)};
    }
    return std::nullopt;
}

Bytes make_command(std::uint16_t id, Command command, ConstBytes payload) {
    Header header;
    header.id = id;
    header.command = command;
    return whole_message(header, payload);
}

Bytes make_reply(const Header& command, ConstBytes payload) {
    Header header = command;
    header.flags = Header::kTypeReply;
    header.error = 0;
    return whole_message(header, payload);
}

Bytes make_error_reply(const Header& command, std::errc error) {
    Header header = command;
    header.flags = Header::kTypeReply | Header::kError;
    header.error = static_cast<std::uint32_t>(error);
    return whole_message(header, {});
}

Bytes encode(const FeatureMessage& message) {
    Bytes bytes;
    append_native(bytes, message.argsz);
    append_native(bytes, message.flags);
    append(bytes, message.data);
    return bytes;
}

Decoded<FeatureMessage> decode_feature(ConstBytes payload) {
    NativeReader reader(payload);
    FeatureMessage message;
    message.argsz = reader.integer<std::uint32_t>();
    message.flags = reader.integer<std::uint32_t>();
    message.data = reader.rest();
    if (!reader.ok()) return too_short("DEVICE_FEATURE", payload);
    constexpr std::uint32_t kKnown = FeatureMessage::kIndexMask | FeatureMessage::kGet |
                                     FeatureMessage::kSet | FeatureMessage::kProbe;
    const bool one = message.get() != message.set();
    if ((message.flags & ~kKnown) != 0 || (!message.probe() && !one)) {
        return Refusal{std::errc::invalid_argument, "DEVICE_FEATURE with flags " +
                                                        std::to_string(message.flags) +
                                                        ": get or set, or probe"};
    }
    if (message.argsz < FeatureMessage::kHeadBytes) {
        return Refusal{std::errc::invalid_argument,
                       "DEVICE_FEATURE with an argsz of " + std::to_string(message.argsz)};
    }
    return message;
}

Bytes encode(const MigrationData& message) {
    Bytes bytes;
    bytes.reserve(MigrationData::kHeadBytes + message.data.size());
    append_native(bytes, message.argsz);
    append_native(bytes, message.size);
    append(bytes, message.data);
    return bytes;
}

Decoded<MigrationData> decode_data_read(ConstBytes payload, std::size_t transfer_max) {
    const auto [data, ok] = data_head(payload);
    if (!ok) return too_short("MIG_DATA_READ", payload);
    if (auto refusal = too_large("MIG_DATA_READ", data.size, transfer_max)) return *refusal;
    if (data.argsz < MigrationData::kHeadBytes + data.size) {
        return Refusal{std::errc::invalid_argument,
                       "MIG_DATA_READ of " + std::to_string(data.size) +
                           " bytes with an argsz of " + std::to_string(data.argsz) +
                           ", which has no room for them"};
    }
    return data;
}

Decoded<MigrationData> decode_data_write(ConstBytes payload, std::size_t transfer_max) {
    const auto [data, ok] = data_head(payload);
    if (!ok) return too_short("MIG_DATA_WRITE", payload);
    if (auto refusal = too_large("MIG_DATA_WRITE", data.size, transfer_max)) return *refusal;
    if (data.size != data.data.size()) return not_its_size("MIG_DATA_WRITE", data.size, data.data);
    return data;
}

Bytes encode(const RegionAccess& access) {
    Bytes bytes;
    append_native(bytes, access.offset);
    append_native(bytes, access.region);
    append_native(bytes, access.count);
    append(bytes, access.data);
    return bytes;
}

Decoded<RegionAccess> decode_region_read(ConstBytes payload, std::size_t transfer_max) {
    return decode_region_access("REGION_READ", payload, transfer_max);
}

Decoded<RegionAccess> decode_region_write(ConstBytes payload, std::size_t transfer_max) {
    auto access = decode_region_access("REGION_WRITE", payload, transfer_max);
    if (access.has_value() && access->count != access->data.size()) {
        return not_its_size("REGION_WRITE", access->count, access->data);
    }
    return access;
}

Bytes encode(const DeviceInfo& info) {
    Bytes bytes;
    append_native(bytes, info.argsz);
    append_native(bytes, info.flags);
    append_native(bytes, info.num_regions);
    append_native(bytes, info.num_irqs);
    return bytes;
}

Decoded<DeviceInfo> decode_device_info(ConstBytes payload) {
    NativeReader reader(payload);
    DeviceInfo info;
    info.argsz = reader.integer<std::uint32_t>();
    info.flags = reader.integer<std::uint32_t>();
    info.num_regions = reader.integer<std::uint32_t>();
    info.num_irqs = reader.integer<std::uint32_t>();
    if (!reader.ok() || info.argsz < DeviceInfo::kBytes) {
        return too_short("DEVICE_GET_INFO", payload);
    }
    return info;
}

Bytes encode(const RegionInfo& info) {
    Bytes bytes;
    append_native(bytes, info.argsz);
    append_native(bytes, info.flags);
    append_native(bytes, info.index);
    append_native(bytes, info.cap_offset);
    append_native(bytes, info.size);
    append_native(bytes, info.offset);
    return bytes;
}

Decoded<RegionInfo> decode_region_info(ConstBytes payload) {
    NativeReader reader(payload);
    RegionInfo info;
    info.argsz = reader.integer<std::uint32_t>();
    info.flags = reader.integer<std::uint32_t>();
    info.index = reader.integer<std::uint32_t>();
    info.cap_offset = reader.integer<std::uint32_t>();
    info.size = reader.integer<std::uint64_t>();
    info.offset = reader.integer<std::uint64_t>();
    if (!reader.ok() || info.argsz < RegionInfo::kBytes) {
        return too_short("DEVICE_GET_REGION_INFO", payload);
    }
    return info;
}

}  // namespace multifd::vfio_user
