#include "engine/devices/vfio_user/vfio_user_device.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/devices/device_states.hpp"
#include "engine/devices/vfio_user/config_space.hpp"

namespace multifd::vfio_user {
namespace {

/// For what must be answered even though nothing could interrupt it: to connect, to say the state,
/// to reset.
constexpr std::chrono::seconds kAnswerLimit{10};

ServerConnection::Patience answer_limit() {
    return {Clock::now() + kAnswerLimit, nullptr};
}

}  // namespace

VfioUserDevice::VfioUserDevice(DeviceOptions options)
    : options_(std::move(options)), connection_(options_.socket) {}

CallResult VfioUserDevice::open() {
    const Patience patience = answer_limit();
    CallResult opened = connection_.open(patience);
    return opened.ok() ? examine(patience) : opened;
}

CallResult VfioUserDevice::examine(const Patience& patience) {
    std::array<std::byte, 8> value{};
    CallResult asked = get_feature(Feature::migration, value, patience);
    if (!asked.ok()) return asked;
    const auto flags = NativeReader(value).integer<std::uint64_t>();
    if ((flags & MigrationFlags::kStopCopy) == 0) {
        return CallResult::failure(
            std::errc::operation_not_supported,
            "the device of the server at " + connection_.path() + " cannot be migrated");
    }
    p2p_ = (flags & MigrationFlags::kP2p) != 0;
    pre_copy_ = (flags & MigrationFlags::kPreCopy) != 0;
    asked = get_feature(Feature::mig_data_size, value, patience);
    if (!connection_.is_open() || asked.error == std::errc::timed_out) return asked;
    tells_size_ = asked.ok();
    if (!options_.config) return CallResult::success();
    return find_config_space(patience);
}

// A stopped device's server may refuse to describe it; what it has, it has nevertheless.
CallResult VfioUserDevice::find_config_space(const Patience& patience) {
    const auto lost = [this](const CallResult& asked) {
        return !connection_.is_open() || asked.error == std::errc::timed_out;
    };
    std::array<std::byte, DeviceInfo::kBytes> described{};
    CallResult asked = connection_.request(Command::device_get_info, encode(DeviceInfo{}), {},
                                           {described, {}}, patience);
    if (lost(asked)) return asked;
    const auto device = decode_device_info(described);
    const bool too_few = asked.ok() && device.has_value() && device->num_regions <= kConfigRegion;

    RegionInfo wanted;
    wanted.index = kConfigRegion;
    std::array<std::byte, RegionInfo::kBytes> reply{};
    if (!too_few) {
        asked = connection_.request(Command::device_get_region_info, encode(wanted), {},
                                    {reply, {}}, patience);
        if (lost(asked)) return asked;
        if (!asked.ok()) {
            config_bytes_ = kConfigSpaceBytes;
            return CallResult::success();
        }
        const auto info = decode_region_info(reply);
        if (info.has_value() && info->size >= kConfigSpaceBytes &&
            info->size <= kConfigSpaceBytesMax) {
            config_bytes_ = static_cast<std::size_t>(info->size);
            return CallResult::success();
        }
    }
    return CallResult::failure(std::errc::operation_not_supported,
                               "the device has no PCI config space: give it config=off");
}

DeviceTraits VfioUserDevice::traits() const noexcept {
    return {"vfio-user", p2p_, pre_copy_, false, false};
}

CallResult VfioUserDevice::ensure_open(const Patience& patience) {
    if (!left_in_) return CallResult::success();
    CallResult opened = connection_.open(patience);
    if (opened.ok()) left_in_.reset();
    return opened;
}

DeviceState VfioUserDevice::state() {
    if (left_in_) return *left_in_;
    DeviceState now = DeviceState::error;
    return ask_state(now, answer_limit()).ok() ? now : DeviceState::error;
}

CallResult VfioUserDevice::get_feature(Feature feature, std::span<std::byte> data,
                                       const Patience& patience) {
    FeatureMessage message;
    message.argsz = static_cast<std::uint32_t>(FeatureMessage::kHeadBytes + data.size());
    message.flags = FeatureMessage::kGet | static_cast<std::uint32_t>(feature);
    Bytes reply(message.argsz);
    CallResult got =
        connection_.request(Command::device_feature, encode(message), {}, {reply, {}}, patience);
    if (got.ok())
        std::copy_n(reply.begin() + FeatureMessage::kHeadBytes, data.size(), data.begin());
    return got;
}

CallResult VfioUserDevice::ask_state(DeviceState& target, const Patience& patience) {
    std::array<std::byte, 8> value{};
    CallResult asked = get_feature(Feature::mig_device_state, value, patience);
    if (!asked.ok()) return asked;
    const auto number = NativeReader(value).integer<std::uint32_t>();
    if (number > static_cast<std::uint32_t>(DeviceState::pre_copy_p2p)) {
        return CallResult::failure(std::errc::protocol_error,
                                   "the server at " + connection_.path() + " is in state " +
                                       std::to_string(number) + ", which is none");
    }
    target = static_cast<DeviceState>(number);
    return CallResult::success();
}

CallResult VfioUserDevice::ask_for(DeviceState target, const Patience& patience) {
    FeatureMessage message;
    message.argsz = FeatureMessage::kHeadBytes + 8;
    message.flags = FeatureMessage::kSet | static_cast<std::uint32_t>(Feature::mig_device_state);
    Bytes data;
    append_native(data, static_cast<std::uint32_t>(target));
    append_native(data, std::uint32_t{0});
    message.data = data;
    std::array<std::byte, FeatureMessage::kHeadBytes + 8> reply{};
    CallResult set =
        connection_.request(Command::device_feature, encode(message), {}, {{}, reply}, patience);
    if (set.error == std::errc::operation_canceled || set.ok()) return set;
    set.detail += ", going to " + std::string(to_string(target));
    return set;
}

CallResult VfioUserDevice::set_state(DeviceState target) {
    interrupt_.lower();
    CallResult opened = ensure_open(as_asked());
    if (!opened.ok()) return opened;
    CallResult settled = settle_transfer();
    if (!settled.ok()) return settled;
    if (transfer_ == Transfer::resuming && target != DeviceState::resuming) {
        CallResult whole = complete();
        if (!whole.ok()) return whole;
    }
    CallResult changed = ask_for(target, as_asked());
    unsettled_ = !changed.ok();
    if (!changed.ok()) return changed;
    if (target == DeviceState::resuming) {
        if (transfer_ != Transfer::resuming) begin(Transfer::resuming);
    } else if (!saves_in(target)) {
        begin(Transfer::none);
    } else if (transfer_ != Transfer::saving) {
        begin(Transfer::saving);
    }
    return changed;
}

// A server may make a change whose answer was not waited for; then the transfer is over.
CallResult VfioUserDevice::settle_transfer() {
    if (!unsettled_ || transfer_ == Transfer::none) return CallResult::success();
    DeviceState now = DeviceState::error;
    CallResult asked = ask_state(now, as_asked());
    if (!asked.ok()) return asked;
    const bool goes_on =
        transfer_ == Transfer::resuming ? now == DeviceState::resuming : saves_in(now);
    if (!goes_on) begin(Transfer::none);
    unsettled_ = false;
    return CallResult::success();
}

void VfioUserDevice::begin(Transfer transfer) {
    transfer_ = transfer;
    unsettled_ = false;
    torn_ = false;
    bytes_ = 0;
    digest_.restart();
    config_loaded_ = false;
    ahead_.clear();
    ahead_given_ = 0;
}

CallResult VfioUserDevice::require(Transfer transfer, const char* call) const {
    if (interrupt_.raised()) {
        return CallResult::failure(std::errc::operation_canceled,
                                   std::string(call) + " was interrupted");
    }
    if (torn_) {
        return CallResult::failure(std::errc::io_error,
                                   std::string(call) + " cannot go on where it was interrupted");
    }
    if (transfer_ == transfer) return CallResult::success();
    return CallResult::failure(std::errc::invalid_argument,
                               std::string(call) + " is not possible in the device's state");
}

CallResult VfioUserDevice::read(std::span<std::byte> target) {
    CallResult possible = require(Transfer::saving, "read");
    if (!possible.ok() || target.empty()) return possible;
    CallResult got;
    if (ahead_given_ < ahead_.size()) {
        const std::size_t count = std::min(target.size(), ahead_.size() - ahead_given_);
        std::copy_n(ahead_.begin() + static_cast<std::ptrdiff_t>(ahead_given_), count,
                    target.begin());
        ahead_given_ += count;
        got = CallResult::success(count);
    } else {
        got = read_from_server(target);
    }
    if (!got.ok()) return got;
    const auto data = target.first(static_cast<std::size_t>(got.value));
    bytes_ += data.size();
    digest_.add(data);
    return got;
}

CallResult VfioUserDevice::read_from_server(std::span<std::byte> target) {
    const auto place = target.first(std::min(target.size(), connection_.transfer_bytes()));
    MigrationData wanted;
    wanted.size = static_cast<std::uint32_t>(place.size());
    wanted.argsz = static_cast<std::uint32_t>(MigrationData::kHeadBytes) + wanted.size;
    std::array<std::byte, MigrationData::kHeadBytes> head{};
    CallResult answered =
        connection_.request(Command::mig_data_read, encode(wanted), {}, {head, place}, as_asked());
    torn_ = !answered.ok();
    if (!answered.ok()) return answered;
    NativeReader reader(head);
    static_cast<void>(reader.integer<std::uint32_t>());
    const auto size = reader.integer<std::uint32_t>();
    if (MigrationData::kHeadBytes + size > answered.value) {
        torn_ = true;
        return CallResult::failure(std::errc::protocol_error,
                                   "the server at " + connection_.path() + " tells of " +
                                       std::to_string(size) + " bytes in a reply with " +
                                       std::to_string(answered.value - head.size()));
    }
    return CallResult::success(size);
}

CallResult VfioUserDevice::write(std::span<const std::byte> source) {
    CallResult possible = require(Transfer::resuming, "write");
    if (!possible.ok()) return possible;
    const std::size_t most = std::min(options_.write_chunk, connection_.transfer_bytes());
    for (std::size_t done = 0; done < source.size();) {
        const auto piece = source.subspan(done, std::min(most, source.size() - done));
        CallResult written = write_piece(piece);
        torn_ = !written.ok();
        if (!written.ok()) return written;
        done += piece.size();
        bytes_ += piece.size();
        digest_.add(piece);
    }
    return CallResult::success(source.size());
}

CallResult VfioUserDevice::write_piece(ConstBytes piece) {
    MigrationData message;
    message.size = static_cast<std::uint32_t>(piece.size());
    message.argsz = static_cast<std::uint32_t>(MigrationData::kHeadBytes) + message.size;
    // A reply has no payload, but a server may repeat the request's.
    std::array<std::byte, MigrationData::kHeadBytes> reply{};
    return connection_.request(Command::mig_data_write, encode(message), piece, {{}, reply},
                               as_asked());
}

// No message tells what pre-copy has left, so it is looked for: what is found is given by read().
CallResult VfioUserDevice::look_ahead() {
    if (ahead_given_ < ahead_.size()) return CallResult::success();
    Bytes next(connection_.transfer_bytes());
    CallResult got = read_from_server(next);
    if (!got.ok()) return got;
    next.resize(static_cast<std::size_t>(got.value));
    ahead_ = std::move(next);
    ahead_given_ = 0;
    return got;
}

CallResult VfioUserDevice::pre_copy_sizes(PreCopySizes& target) {
    CallResult possible = require(Transfer::saving, "pre_copy_sizes");
    if (possible.ok()) possible = look_ahead();
    if (!possible.ok()) return possible;
    target = {};
    if (ahead_given_ == ahead_.size()) return CallResult::success();
    if (!tells_size_) {
        target.dirty_bytes = kUnknownLeft;
        return CallResult::success();
    }
    CallResult told = stop_copy_size();
    target.dirty_bytes = told.value;
    return told.ok() ? CallResult::success() : told;
}

CallResult VfioUserDevice::stop_copy_size() {
    if (!tells_size_) return CallResult::success();
    CallResult opened = ensure_open(as_asked());
    if (!opened.ok()) return opened;
    std::array<std::byte, 8> value{};
    CallResult asked = get_feature(Feature::mig_data_size, value, as_asked());
    if (!asked.ok()) return asked;
    const auto told = NativeReader(value).integer<std::uint64_t>();
    const std::uint64_t ahead = ahead_.size() - ahead_given_;
    return CallResult::success(told + std::min(ahead, UINT64_MAX - told));
}

CallResult VfioUserDevice::complete() const {
    if (torn_) return bad_config("the state is incomplete: a write was interrupted");
    if (!config_loaded_) return bad_config("the config state is missing, so the state may be too");
    return CallResult::success();
}

CallResult VfioUserDevice::reset() {
    interrupt_.lower();
    begin(Transfer::none);
    const Patience patience = answer_limit();
    if (left_in_ || !connection_.is_open()) {
        CallResult opened = connection_.open(patience);
        if (!opened.ok()) return opened;
        left_in_.reset();
    }
    CallResult done = reset_server(patience);
    DeviceState now = DeviceState::error;
    CallResult asked = ask_state(now, patience);
    if (!done.ok()) {
        done.detail += "; the device is in " + std::string(to_string(now));
        return done;
    }
    if (!asked.ok()) return asked;
    // What follows shall not meet anything of what was before.
    connection_.close();
    left_in_ = now;
    return done;
}

// A server of libvfio-user resets no stopped device, but one that resumes.
CallResult VfioUserDevice::reset_server(const Patience& patience) {
    const auto ask = [&] {
        return connection_.request(Command::device_reset, {}, {}, {}, patience);
    };
    CallResult done = ask();
    if (done.ok() || !connection_.is_open()) return done;
    DeviceState now = DeviceState::error;
    const bool stopped = ask_state(now, patience).ok() &&
                         (now == DeviceState::stop || now == DeviceState::stop_copy);
    if (!stopped || !ask_for(DeviceState::resuming, patience).ok()) return done;
    return ask();
}

}  // namespace multifd::vfio_user
