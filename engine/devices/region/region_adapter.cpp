#include "engine/devices/region/region_adapter.hpp"

#include <array>
#include <string>
#include <utility>

#include "engine/devices/device_states.hpp"

namespace multifd {
namespace {

constexpr std::array<std::pair<DeviceState, RegionState>, 5> kStates{{
    {DeviceState::stop, RegionState::stop},
    {DeviceState::running, RegionState::running},
    {DeviceState::stop_copy, RegionState::stop_and_copy},
    {DeviceState::pre_copy, RegionState::pre_copy},
    {DeviceState::resuming, RegionState::resuming},
}};

RegionState region_state_of(DeviceState state) noexcept {
    for (const auto& [ours, theirs] : kStates) {
        if (ours == state) return theirs;
    }
    return RegionState::stop;
}

std::string text_of(RegionChunk chunk) {
    return "a chunk of " + std::to_string(chunk.size) + " bytes";
}

}  // namespace

std::shared_ptr<Device> make_region_adapter(std::shared_ptr<RegionDevice> device) {
    return std::make_shared<RegionAdapter>(std::move(device));
}

RegionAdapter::RegionAdapter(std::shared_ptr<RegionDevice> device)
    : device_(std::move(device)), pre_copy_(device_->pre_copy()) {}

DeviceTraits RegionAdapter::traits() const noexcept {
    return {.kind = "region", .pre_copy = pre_copy_, .chunked = true};
}

DeviceState RegionAdapter::state() {
    const RegionState state = device_->state();
    for (const auto& [ours, theirs] : kStates) {
        if (theirs == state) return ours;
    }
    // _SAVING and _RESUMING together are the register's error.
    return DeviceState::error;
}

CallResult RegionAdapter::set_state(DeviceState target) {
    // The register takes any of its states from any other, so the ways are those of version 2.
    const OptionalStates options{.p2p = false, .pre_copy = pre_copy_};
    const DeviceState from = state();
    if (!next_state(options, from, target)) {
        return CallResult::failure(std::errc::invalid_argument,
                                   "no way from state " + std::string(to_string(from)) + " to " +
                                       std::string(to_string(target)));
    }
    for (DeviceState now = from; now != target;) {
        const DeviceState next = *next_state(options, now, target);
        CallResult made = step(next);
        if (!made.ok()) return made;
        now = next;
    }
    return CallResult::success();
}

CallResult RegionAdapter::step(DeviceState target) {
    CallResult made = device_->set_state(region_state_of(target));
    if (!made.ok()) return made;
    // What PRE_COPY has prepared goes on in STOP_COPY; elsewhere it is over.
    if (target != DeviceState::stop_copy) chunk_.reset();
    return made;
}

CallResult RegionAdapter::require(std::string_view call, bool allowed) {
    if (allowed) return CallResult::success();
    return CallResult::failure(
        std::errc::invalid_argument,
        std::string(call) + " cannot be called in state " + std::string(to_string(state())));
}

/// Value 0: there is none, or none for now.
CallResult RegionAdapter::take_next_chunk() {
    CallResult pending = device_->pending_bytes();
    if (!pending.ok() || pending.value == 0) return pending;
    RegionChunk chunk;
    CallResult prepared = device_->prepare(chunk);
    if (!prepared.ok()) return prepared;
    const bool stopped = state() == DeviceState::stop_copy;
    if (chunk.size == 0 && stopped) {
        return CallResult::failure(std::errc::io_error,
                                   "the device tells " + std::to_string(pending.value) +
                                       " pending bytes and prepares none, although it is stopped");
    }
    if (chunk.size != 0) chunk_ = chunk;
    return CallResult::success(chunk.size);
}

CallResult RegionAdapter::read(std::span<std::byte> target) {
    const DeviceState now = state();
    CallResult allowed =
        require("read", now == DeviceState::stop_copy || now == DeviceState::pre_copy);
    if (!allowed.ok()) return allowed;
    if (!chunk_) {
        CallResult next = take_next_chunk();
        if (!next.ok() || next.value == 0) return next;
    }
    if (chunk_->size > target.size()) {
        return CallResult::failure(std::errc::message_size,
                                   text_of(*chunk_) + " does not fit into a call of " +
                                       std::to_string(target.size()) +
                                       ", and a chunk stays whole: use a larger packet size");
    }
    const std::size_t size = chunk_->size;
    CallResult read = device_->read(chunk_->offset, target.first(size));
    if (!read.ok()) return read;
    chunk_.reset();
    return CallResult::success(size);
}

CallResult RegionAdapter::write(std::span<const std::byte> source) {
    CallResult allowed = require("write", state() == DeviceState::resuming);
    // A chunk without bytes is nothing to a device.
    if (!allowed.ok() || source.empty()) return allowed;
    RegionChunk room;
    CallResult prepared = device_->prepare_write(room);
    if (!prepared.ok()) return prepared;
    if (room.size < source.size()) {
        return CallResult::failure(std::errc::message_size,
                                   text_of({0, source.size()}) + " does not fit into the " +
                                       std::to_string(room.size) + " of this device's region");
    }
    CallResult written = device_->write(room.offset, source);
    if (written.ok()) written = device_->written(source.size());
    return written.ok() ? CallResult::success(source.size()) : written;
}

CallResult RegionAdapter::save_config(std::vector<std::byte>& target) {
    CallResult allowed = require("save_config", state() == DeviceState::stop_copy);
    return allowed.ok() ? device_->save_config(target) : allowed;
}

CallResult RegionAdapter::load_config(std::span<const std::byte> source) {
    CallResult allowed = require("load_config", state() == DeviceState::resuming);
    return allowed.ok() ? device_->load_config(source) : allowed;
}

CallResult RegionAdapter::pre_copy_sizes(PreCopySizes& target) {
    CallResult allowed = require("pre_copy_sizes", state() == DeviceState::pre_copy);
    if (!allowed.ok()) return allowed;
    CallResult told = stop_copy_size();
    // Version 1 knows no initial data.
    if (told.ok()) target = {.initial_bytes = 0, .dirty_bytes = told.value};
    return told;
}

CallResult RegionAdapter::stop_copy_size() {
    const DeviceState now = state();
    const bool saves = now == DeviceState::stop_copy || now == DeviceState::pre_copy;
    // Elsewhere the register means nothing.
    return saves ? device_->pending_bytes() : CallResult::success();
}

CallResult RegionAdapter::reset() {
    chunk_.reset();
    return device_->reset();
}

}  // namespace multifd
