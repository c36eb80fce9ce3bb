#include "engine/devices/file_device.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

CallResult failure(std::string_view what, const std::string& path, int error) {
    const std::error_code code(error, std::generic_category());
    return CallResult::failure(
        code, std::string(what).append(" ").append(path).append(": ").append(code.message()));
}

/// Reads until `target` is full, the file's end or an error; errno says which error.
std::optional<std::size_t> read_file(int file, std::span<std::byte> target) {
    std::size_t done = 0;
    while (done < target.size()) {
        const ssize_t got = ::read(file, target.data() + done, target.size() - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt;
        if (got == 0) break;
        done += static_cast<std::size_t>(got);
    }
    return done;
}

}  // namespace

FileDevice::FileDevice(FileOptions options)
    : options_(std::move(options)),
      states_({.p2p = true, .pre_copy = false}, options_.initial_state),
      state_file_(options_.path),
      config_file_(options_.config_path) {}

FileDevice::~FileDevice() {
    close_source();
}

DeviceTraits FileDevice::traits() const noexcept {
    return {"file", true, false, false, false};
}

CallResult FileDevice::set_state(DeviceState target) {
    interrupted_ = false;
    return states_.advance(target,
                           [this](DeviceState from, DeviceState next) { return step(from, next); });
}

CallResult FileDevice::step(DeviceState from, DeviceState target) {
    const bool source = options_.role == Role::source;
    if (target == DeviceState::stop_copy || target == DeviceState::resuming) {
        if (source != (target == DeviceState::stop_copy)) {
            return CallResult::failure(std::errc::operation_not_supported,
                                       source ? "a source's file device cannot take a state"
                                              : "a destination's file device gives no state");
        }
        return source ? open_source() : begin_load();
    }
    if (from == DeviceState::stop_copy) close_source();
    if (from == DeviceState::resuming) return finish_load();
    // It runs: nobody will want the old files back.
    if (from == DeviceState::stop) settle();
    return CallResult::success();
}

CallResult FileDevice::open_source() {
    close_source();
    file_ = ::open(options_.path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about {};
    if (file_ < 0 || ::fstat(file_, &about) != 0) {
        const int error = errno;
        close_source();
        return failure("cannot read", options_.path, error);
    }
    bytes_ = static_cast<std::uint64_t>(about.st_size);
    position_ = 0;
    return CallResult::success();
}

void FileDevice::close_source() noexcept {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
}

CallResult FileDevice::read(std::span<std::byte> target) {
    CallResult wrong_state = states_.require("read", DeviceState::stop_copy);
    if (!wrong_state.ok()) return wrong_state;
    const auto length = std::min<std::uint64_t>(target.size(), bytes_ - position_);
    const auto got = read_file(file_, target.first(length));
    if (!got) return failure("cannot read", options_.path, errno);
    position_ += *got;
    if (*got < length) {
        return CallResult::failure(std::errc::io_error, options_.path +
                                                            " has become shorter: it ends after " +
                                                            std::to_string(position_) + " of " +
                                                            std::to_string(bytes_) + " bytes");
    }
    return CallResult::success(*got);
}

CallResult FileDevice::save_config(std::vector<std::byte>& target) {
    CallResult wrong_state = states_.require("save_config", DeviceState::stop_copy);
    if (!wrong_state.ok()) return wrong_state;
    target.clear();
    if (!has_config()) return CallResult::success();
    const int file = ::open(options_.config_path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return failure("cannot read", options_.config_path, errno);
    // One byte more than is allowed, to see whether there is one.
    target.resize(limits::kConfigStateBytesMax + 1);
    const auto got = read_file(file, target);
    const int error = errno;
    ::close(file);
    if (!got) return failure("cannot read", options_.config_path, error);
    if (*got > limits::kConfigStateBytesMax) {
        return CallResult::failure(std::errc::file_too_large,
                                   options_.config_path + " is longer than a config state, 1 MiB");
    }
    target.resize(*got);
    return CallResult::success(*got);
}

CallResult FileDevice::begin_load() {
    config_loaded_ = false;
    CallResult created = state_file_.create();
    if (created.ok() && has_config()) created = config_file_.create();
    if (!created.ok()) withdraw();
    return created;
}

CallResult FileDevice::expect(std::uint64_t bytes) {
    CallResult wrong_state = states_.require("expect", DeviceState::resuming);
    if (!wrong_state.ok() || !options_.preallocate) return wrong_state;
    CallResult reserved = state_file_.reserve(bytes, interrupted_);
    if (reserved.error == std::errc::no_space_on_device || reserved.error.value() == EDQUOT) {
        reserved.detail += ", or give this device prealloc=off";
    }
    return reserved;
}

CallResult FileDevice::write(std::span<const std::byte> source) {
    CallResult wrong_state = states_.require("write", DeviceState::resuming);
    if (!wrong_state.ok()) return wrong_state;
    CallResult appended = state_file_.append(source);
    return appended.ok() ? CallResult::success(source.size()) : appended;
}

CallResult FileDevice::load_config(std::span<const std::byte> source) {
    CallResult wrong_state = states_.require("load_config", DeviceState::resuming);
    if (!wrong_state.ok()) return wrong_state;
    if (config_loaded_) {
        return CallResult::failure(std::errc::invalid_argument, "the config state came twice");
    }
    config_loaded_ = true;
    if (has_config()) return config_file_.append(source);
    if (source.empty()) return CallResult::success();
    return CallResult::failure(std::errc::invalid_argument,
                               "the source has a config state of " + std::to_string(source.size()) +
                                   " bytes; give this device a file for it, with config=PATH");
}

CallResult FileDevice::finish_load() {
    // It is the last that comes, so without it nothing says that the state is whole.
    if (!config_loaded_) {
        return CallResult::failure(std::errc::bad_message, "the config state is missing");
    }
    CallResult done = state_file_.flush();
    if (done.ok() && has_config()) done = config_file_.flush();
    if (done.ok() && has_config()) done = config_file_.publish();
    if (done.ok()) done = state_file_.publish();
    // A failed state stays in RESUMING and is over: the files are as they were.
    if (!done.ok()) withdraw();
    return done;
}

void FileDevice::withdraw() noexcept {
    state_file_.withdraw();
    config_file_.withdraw();
}

void FileDevice::settle() noexcept {
    state_file_.settle();
    config_file_.settle();
}

CallResult FileDevice::stop_copy_size() {
    if (states_.current() == DeviceState::stop_copy) {
        return CallResult::success(bytes_ - position_);
    }
    struct stat about {};
    if (options_.role == Role::destination) return CallResult::success();
    if (::stat(options_.path.c_str(), &about) != 0) {
        return failure("cannot read", options_.path, errno);
    }
    return CallResult::success(static_cast<std::uint64_t>(about.st_size));
}

CallResult FileDevice::reset() {
    interrupted_ = false;
    close_source();
    withdraw();
    states_.enter(DeviceState::running);
    return CallResult::success();
}

}  // namespace multifd
