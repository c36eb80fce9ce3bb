#include "engine/devices/vfio_user/request_handler.hpp"

#include <algorithm>
#include <exception>

#include "engine/devices/vfio_user/version.hpp"

namespace multifd::vfio_user {
namespace {

/// The errno of an error reply: what a device says in its own words is an input/output error.
Refusal refusal_of(const CallResult& failure) {
    const bool number = failure.error.category() == std::generic_category() ||
                        failure.error.category() == std::system_category();
    const bool known = number && failure.error.value() > 0;
    return {known ? static_cast<std::errc>(failure.error.value()) : std::errc::io_error,
            failure.detail.empty() ? failure.error.message() : failure.detail};
}

Refusal not_supported(const Header& header) {
    return {std::errc::operation_not_supported, name_of(header.command) + " is not supported"};
}

bool within(std::uint64_t offset, std::uint64_t count, std::uint64_t size) {
    return offset <= size && count <= size - offset;
}

Refusal outside(const RegionAccess& access) {
    return {std::errc::invalid_argument, "region " + std::to_string(access.region) + " has no " +
                                             std::to_string(access.count) + " bytes at " +
                                             std::to_string(access.offset)};
}

// struct vfio_region_info_cap_type after the region's info: u16 id 2, u16 version 1, u32 next,
// u32 type, u32 subtype.
Bytes type_capability() {
    Bytes bytes;
    append_native(bytes, std::uint16_t{2});
    append_native(bytes, std::uint16_t{1});
    append_native(bytes, std::uint32_t{0});
    append_native(bytes, MigrationRegion::kType);
    append_native(bytes, MigrationRegion::kSubtype);
    return bytes;
}

}  // namespace

RequestHandler::RequestHandler(ServedDevice& device, ConfigSpace& config, Interface interface,
                               Log log)
    : device_(device),
      config_(config),
      interface_(interface),
      log_(std::move(log)),
      region_(device) {}

std::optional<RequestHandler::Answer> RequestHandler::refuse(const Header& header) const {
    const auto refusal = check(header, Header::kTypeCommand, kMessageBytesMax);
    if (!refusal) return std::nullopt;
    log_(LogLevel::warning, "refused: " + refusal->what);
    return Answer{make_error_reply(header, refusal->error), true};
}

RequestHandler::Answer RequestHandler::handle(const Header& header, ConstBytes payload) noexcept {
    const bool first = transfer_bytes_ == 0;
    Outcome outcome = Refusal{std::errc::io_error, "an internal fault"};
    try {
        outcome = first ? header.command == Command::version
                              ? negotiate(payload)
                              : Refusal{std::errc::invalid_argument, "VERSION must come first"}
                        : answer(header, payload);
        if (outcome.has_value()) {
            return {header.no_reply() ? Bytes() : make_reply(header, *outcome), false};
        }
        log_(LogLevel::warning, "refused " + name_of(header.command) + ": " + outcome.error().what);
    } catch (const std::exception& error) {
        outcome = Refusal{std::errc::io_error, error.what()};
    }
    return {header.no_reply() ? Bytes() : make_error_reply(header, outcome.error().error), first};
}

RequestHandler::Outcome RequestHandler::negotiate(ConstBytes payload) {
    const auto proposed = decode_version(payload);
    if (!proposed.has_value()) return proposed.error();
    transfer_bytes_ = vfio_user::transfer_bytes(*proposed);
    log_(LogLevel::debug, "negotiated version " + std::to_string(proposed->major) + "." +
                              std::to_string(answer_to(*proposed).minor) + ", transfers of " +
                              std::to_string(transfer_bytes_) + " bytes");
    return encode(answer_to(*proposed));
}

RequestHandler::Outcome RequestHandler::answer(const Header& header, ConstBytes payload) {
    const bool v2 = interface_ == Interface::v2;
    switch (header.command) {
        case Command::dma_map:
        case Command::device_set_irqs:
            return Bytes();
        case Command::dma_unmap:
            return Bytes(payload.begin(), payload.end());
        case Command::device_get_info:
            return device_info(payload);
        case Command::device_get_region_info:
            return region_info(payload);
        case Command::device_get_irq_info:
            return irq_info(payload);
        case Command::region_read:
            return read_region(payload);
        case Command::region_write:
            return write_region(payload);
        case Command::device_reset:
            return reset();
        case Command::device_feature:
            return v2 ? feature(payload) : not_supported(header);
        case Command::mig_data_read:
            return v2 ? read_data(payload) : not_supported(header);
        case Command::mig_data_write:
            return v2 ? write_data(payload) : not_supported(header);
        case Command::version:
            return Refusal{std::errc::invalid_argument, "VERSION has been negotiated already"};
        case Command::device_get_region_io_fds:
        case Command::dma_read:
        case Command::dma_write:
        case Command::region_write_multi:
            break;
    }
    return not_supported(header);
}

std::uint64_t RequestHandler::region_bytes(std::uint32_t index) const noexcept {
    if (index == kConfigRegion) return kConfigSpaceBytes;
    if (index == MigrationRegion::kIndex && interface_ == Interface::v1) {
        return MigrationRegion::kBytes;
    }
    return 0;
}

RequestHandler::Outcome RequestHandler::device_info(ConstBytes payload) const {
    const auto asked = decode_device_info(payload);
    if (!asked.has_value()) return asked.error();
    DeviceInfo info;
    info.flags = DeviceInfo::kReset | DeviceInfo::kPci;
    info.num_regions = interface_ == Interface::v1 ? MigrationRegion::kIndex + 1 : kPciRegions;
    info.num_irqs = kPciIrqs;
    return encode(info);
}

RequestHandler::Outcome RequestHandler::region_info(ConstBytes payload) const {
    const auto asked = decode_region_info(payload);
    if (!asked.has_value()) return asked.error();
    const bool v1 = interface_ == Interface::v1;
    if (asked->index >= (v1 ? MigrationRegion::kIndex + 1 : kPciRegions)) {
        return Refusal{std::errc::invalid_argument,
                       "region " + std::to_string(asked->index) + " does not exist"};
    }
    RegionInfo info;
    info.index = asked->index;
    info.size = region_bytes(asked->index);
    if (info.size != 0) info.flags = RegionInfo::kRead | RegionInfo::kWrite;
    if (info.index != MigrationRegion::kIndex) return encode(info);
    const Bytes type = type_capability();
    info.flags |= RegionInfo::kCaps;
    info.argsz = static_cast<std::uint32_t>(RegionInfo::kBytes + type.size());
    // Without room for the capability the client learns how much room it needs.
    if (asked->argsz < info.argsz) return encode(info);
    info.cap_offset = RegionInfo::kBytes;
    Bytes reply = encode(info);
    reply.insert(reply.end(), type.begin(), type.end());
    return reply;
}

// struct vfio_irq_info: u32 argsz, u32 flags, u32 index, u32 count.
RequestHandler::Outcome RequestHandler::irq_info(ConstBytes payload) const {
    NativeReader reader(payload);
    const auto argsz = reader.integer<std::uint32_t>();
    static_cast<void>(reader.integer<std::uint32_t>());
    const auto index = reader.integer<std::uint32_t>();
    static_cast<void>(reader.integer<std::uint32_t>());
    if (!reader.ok() || argsz < payload.size() || index >= kPciIrqs) {
        return Refusal{std::errc::invalid_argument,
                       "DEVICE_GET_IRQ_INFO of " + std::to_string(index)};
    }
    Bytes info;
    append_native(info, std::uint32_t{16});
    append_native(info, std::uint32_t{0});
    append_native(info, index);
    append_native(info, std::uint32_t{0});
    return info;
}

RequestHandler::Outcome RequestHandler::read_region(ConstBytes payload) {
    const auto access = decode_region_read(payload, transfer_bytes_);
    if (!access.has_value()) return access.error();
    if (!within(access->offset, access->count, region_bytes(access->region))) {
        return outside(*access);
    }
    RegionAccess reply = *access;
    Bytes data(access->count);
    if (access->region == kConfigRegion) {
        config_.read(static_cast<std::size_t>(access->offset), data);
    } else {
        const CallResult read = region_.read(access->offset, data);
        if (!read.ok()) return refusal_of(read);
    }
    reply.data = data;
    return encode(reply);
}

RequestHandler::Outcome RequestHandler::write_region(ConstBytes payload) {
    const auto access = decode_region_write(payload, transfer_bytes_);
    if (!access.has_value()) return access.error();
    if (!within(access->offset, access->count, region_bytes(access->region))) {
        return outside(*access);
    }
    if (access->region == kConfigRegion) {
        config_.write(static_cast<std::size_t>(access->offset), access->data);
    } else {
        const CallResult written = region_.write(access->offset, access->data);
        if (!written.ok()) return refusal_of(written);
    }
    RegionAccess reply = *access;
    reply.data = {};
    return encode(reply);
}

RequestHandler::Outcome RequestHandler::feature(ConstBytes payload) {
    const auto decoded = decode_feature(payload);
    if (!decoded.has_value()) return decoded.error();
    const bool gets = decoded->feature() == Feature::migration ||
                      decoded->feature() == Feature::mig_device_state ||
                      decoded->feature() == Feature::mig_data_size;
    const bool sets = decoded->feature() == Feature::mig_device_state;
    if (!gets || (decoded->set() && !sets)) {
        return Refusal{std::errc::operation_not_supported,
                       "feature " + std::to_string(decoded->flags & FeatureMessage::kIndexMask) +
                           (decoded->set() ? " cannot be set" : " is not supported")};
    }
    if (decoded->probe()) return Bytes(payload.begin(), payload.end());
    return decoded->set() ? set_state(*decoded) : get_feature(*decoded);
}

RequestHandler::Outcome RequestHandler::get_feature(const FeatureMessage& message) {
    Bytes data;
    if (message.feature() == Feature::mig_device_state) {
        append_native(data, static_cast<std::uint32_t>(device_.state()));
        append_native(data, std::uint32_t{0});
    } else if (message.feature() == Feature::migration) {
        const DeviceTraits traits = device_.traits();
        append_native(data, MigrationFlags::kStopCopy | (traits.p2p ? MigrationFlags::kP2p : 0U) |
                                (traits.pre_copy ? MigrationFlags::kPreCopy : 0U));
    } else {
        const CallResult size = device_.pending_bytes();
        if (!size.ok()) return refusal_of(size);
        append_native(data, size.value);
    }
    FeatureMessage reply = message;
    reply.data = data;
    reply.argsz = static_cast<std::uint32_t>(FeatureMessage::kHeadBytes + data.size());
    if (message.argsz < reply.argsz) {
        return Refusal{std::errc::invalid_argument,
                       "DEVICE_FEATURE with an argsz of " + std::to_string(message.argsz) +
                           ", needed is " + std::to_string(reply.argsz)};
    }
    return encode(reply);
}

RequestHandler::Outcome RequestHandler::set_state(const FeatureMessage& message) {
    NativeReader reader(message.data);
    const auto number = reader.integer<std::uint32_t>();
    static_cast<void>(reader.integer<std::uint32_t>());
    if (!reader.ok() || number > static_cast<std::uint32_t>(DeviceState::pre_copy_p2p)) {
        return Refusal{std::errc::invalid_argument, "there is no state " + std::to_string(number)};
    }
    const auto target = static_cast<DeviceState>(number);
    const DeviceState before = device_.state();
    const CallResult changed = device_.set_state(target);
    if (!changed.ok()) return refusal_of(changed);
    log_(LogLevel::info,
         "from " + std::string(to_string(before)) + " to " + std::string(to_string(target)));
    return encode(message);
}

// As long as asked, whatever there is: its size says how much is data.
RequestHandler::Outcome RequestHandler::read_data(ConstBytes payload) {
    const auto asked = decode_data_read(payload, transfer_bytes_);
    if (!asked.has_value()) return asked.error();
    Bytes reply(MigrationData::kHeadBytes + asked->size);
    const CallResult read = device_.read(std::span(reply).subspan(MigrationData::kHeadBytes));
    if (!read.ok()) return refusal_of(read);
    const auto size = static_cast<std::uint32_t>(read.value);
    const Bytes head = encode(MigrationData{
        .argsz = static_cast<std::uint32_t>(MigrationData::kHeadBytes) + size, .size = size});
    std::ranges::copy(head, reply.begin());
    return reply;
}

RequestHandler::Outcome RequestHandler::write_data(ConstBytes payload) {
    const auto data = decode_data_write(payload, transfer_bytes_);
    if (!data.has_value()) return data.error();
    const CallResult written = device_.write(data->data);
    if (!written.ok()) return refusal_of(written);
    return Bytes();
}

RequestHandler::Outcome RequestHandler::reset() {
    const CallResult done = device_.reset();
    config_.reset();
    if (!done.ok()) return refusal_of(done);
    log_(LogLevel::info, "reset; now " + std::string(to_string(device_.state())));
    return Bytes();
}

}  // namespace multifd::vfio_user
