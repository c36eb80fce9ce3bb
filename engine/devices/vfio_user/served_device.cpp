#include "engine/devices/vfio_user/served_device.hpp"

#include <exception>

namespace multifd::vfio_user {
namespace {

/// A call into the device, which may throw.
template <class Call>
CallResult guarded(Call&& call) {
    try {
        return call();
    } catch (const std::bad_alloc&) {
        return CallResult::failure(std::errc::not_enough_memory, "the device has no memory left");
    } catch (const std::exception& error) {
        return CallResult::failure(std::errc::io_error,
                                   std::string("the device threw: ") + error.what());
    } catch (...) {
        return CallResult::failure(std::errc::io_error, "the device threw");
    }
}

}  // namespace

bool acts_in(DeviceState state) noexcept {
    switch (state) {
        case DeviceState::running:
        case DeviceState::running_p2p:
        case DeviceState::pre_copy:
        case DeviceState::pre_copy_p2p:
            return true;
        case DeviceState::error:
        case DeviceState::stop:
        case DeviceState::stop_copy:
        case DeviceState::resuming:
            return false;
    }
    return false;  // A number that is no state.
}

ServedDevice::ServedDevice(Device& device, ServedIdentity identity, std::size_t chunk_bytes,
                           Backing backing)
    : device_(device),
      identity_(std::move(identity)),
      chunk_bytes_(chunk_bytes),
      backing_(backing) {}

DeviceState ServedDevice::state() {
    DeviceState now = DeviceState::error;
    const CallResult asked = guarded([&] {
        now = device_.state();
        return CallResult::success();
    });
    return asked.ok() ? now : DeviceState::error;
}

CallResult ServedDevice::set_state(DeviceState target) {
    const DeviceTraits traits = device_.traits();
    const OptionalStates options{traits.p2p, traits.pre_copy};
    DeviceState now = state();
    while (now != target) {
        const auto next = next_state(options, now, target);
        if (!next) {
            return CallResult::failure(std::errc::invalid_argument,
                                       std::string("no way from state ")
                                           .append(to_string(now))
                                           .append(" to ")
                                           .append(to_string(target)));
        }
        CallResult stepped = guarded([&] { return step(now, *next); });
        if (!stepped.ok()) return stepped;
        now = *next;
    }
    return CallResult::success();
}

CallResult ServedDevice::step(DeviceState from, DeviceState target) {
    const bool starts = acts_in(target) && !acts_in(from);
    if (from == DeviceState::resuming && input_) {
        CallResult complete = input_->finish();
        if (!complete.ok()) return complete;
    }
    if (starts) {
        CallResult allowed = before_running();
        if (!allowed.ok()) return allowed;
    }
    CallResult changed = guarded([&] { return device_.set_state(target); });
    if (!changed.ok()) {
        if (starts && !acts_in(state())) after_stopping();
        return changed;
    }
    begin_or_end_transfers(from, target);
    if (acts_in(from) && !acts_in(target)) return after_stopping();
    return CallResult::success();
}

void ServedDevice::begin_or_end_transfers(DeviceState from, DeviceState target) {
    if (!saves_in(target)) {
        output_.reset();
    } else if (!saves_in(from)) {
        output_.emplace(device_, identity_, chunk_bytes_);
    }
    if (target == DeviceState::resuming) {
        input_.emplace(device_, identity_);
    } else {
        input_.reset();
    }
}

CallResult ServedDevice::before_running() {
    if (backing_.file == nullptr) return CallResult::success();
    return backing_.file->before_running(backing_.device);
}

CallResult ServedDevice::after_stopping() {
    if (backing_.file == nullptr) return CallResult::success();
    return backing_.file->stopped(backing_.device);
}

CallResult ServedDevice::require(bool allowed, const char* call) {
    if (allowed) return CallResult::success();
    return CallResult::failure(
        std::errc::invalid_argument,
        std::string(call) + " is not possible in state " + std::string(to_string(state())));
}

CallResult ServedDevice::read(std::span<std::byte> target) {
    CallResult possible = require(output_.has_value(), "reading");
    if (!possible.ok()) return possible;
    const bool stopped = state() == DeviceState::stop_copy;
    CallResult got = guarded([&] { return output_->read(target, stopped); });
    if (output_->ended()) config_bytes_ = output_->config_bytes();
    return got;
}

CallResult ServedDevice::write(ConstBytes source) {
    CallResult possible = require(input_.has_value(), "writing");
    if (!possible.ok()) return possible;
    return guarded([&] { return input_->write(source); });
}

CallResult ServedDevice::pending_bytes() {
    if (output_ && output_->ended()) return CallResult::success(output_->buffered_bytes());
    CallResult left = guarded([&] { return device_.stop_copy_size(); });
    if (!left.ok()) return left;
    left.value += section_overhead(identity_, left.value, chunk_bytes_, config_bytes_);
    if (output_) left.value += output_->buffered_bytes();
    return left;
}

CallResult ServedDevice::reset() {
    const bool acted = acts_in(state());
    const bool may_run = acted || before_running().ok();
    CallResult done = guarded([&] { return device_.reset(); });
    if (done.ok()) {
        output_.reset();
        input_.reset();
        if (!may_run) done = guarded([&] { return device_.set_state(DeviceState::stop); });
    }
    if (may_run && !acts_in(state())) after_stopping();
    return done;
}

CallResult ServedDevice::client_gone() {
    switch (state()) {
        case DeviceState::pre_copy:
        case DeviceState::pre_copy_p2p:
            return set_state(DeviceState::running);
        case DeviceState::stop_copy:
            return set_state(DeviceState::stop);
        case DeviceState::resuming: {
            CallResult done = reset();
            return done.ok() ? set_state(DeviceState::stop) : done;
        }
        case DeviceState::error:
        case DeviceState::stop:
        case DeviceState::running:
        case DeviceState::running_p2p:
            break;
    }
    return CallResult::success();
}

}  // namespace multifd::vfio_user
