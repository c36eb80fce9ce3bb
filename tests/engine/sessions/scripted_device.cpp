#include "tests/engine/sessions/scripted_device.hpp"

#include <algorithm>
#include <cstring>

namespace multifd {

void Journal::note(const std::string& line) {
    {
        const std::scoped_lock lock(mutex_);
        lines_.push_back(line);
    }
    changed_.notify_all();
}

std::vector<std::string> Journal::lines() const {
    const std::scoped_lock lock(mutex_);
    return lines_;
}

bool Journal::await(const std::string& line) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20),
                             [&] { return std::ranges::find(lines_, line) != lines_.end(); });
}

std::size_t Journal::position(const std::string& line) const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(std::ranges::find(lines_, line) - lines_.begin());
}

ScriptedDevice::ScriptedDevice(Script script)
    : script_(std::move(script)), state_(script_.initial) {}

CallResult ScriptedDevice::ask(const std::string& call) {
    if (script_.journal != nullptr) script_.journal->note(script_.name + " " + call);
    return script_.before ? script_.before(call) : CallResult::success();
}

CallResult ScriptedDevice::set_state(DeviceState target) {
    interrupted_ = false;
    if (auto asked = ask("set_state " + std::string(to_string(target))); !asked.ok()) return asked;
    if (target == DeviceState::resuming) {
        received_.clear();
        config_.clear();
    }
    state_ = target;
    if (script_.journal != nullptr) {
        script_.journal->note(script_.name + " is " + std::string(to_string(target)));
    }
    return CallResult::success();
}

CallResult ScriptedDevice::read(std::span<std::byte> target) {
    if (auto asked = ask("read"); !asked.ok()) return asked;
    const bool stopped = state_ == DeviceState::stop_copy;
    if (state_ == DeviceState::pre_copy || (stopped && read_early_ < script_.early.size())) {
        const auto size = std::min(target.size(), script_.early.size() - read_early_);
        if (size != 0) std::memcpy(target.data(), script_.early.data() + read_early_, size);
        read_early_ += size;
        return CallResult::success(size);
    }
    if (!stopped) return CallResult::success(0);
    const auto size = std::min(target.size(), script_.state.size() - read_);
    if (size != 0) std::memcpy(target.data(), script_.state.data() + read_, size);
    read_ += size;
    return CallResult::success(size);
}

CallResult ScriptedDevice::expect(std::uint64_t bytes) {
    const auto asked = ask("expect " + std::to_string(bytes));
    return asked.ok() ? CallResult::success(bytes) : asked;
}

CallResult ScriptedDevice::write(std::span<const std::byte> source) {
    if (auto asked = ask("write"); !asked.ok()) return asked;
    received_.insert(received_.end(), source.begin(), source.end());
    return CallResult::success(source.size());
}

CallResult ScriptedDevice::save_config(std::vector<std::byte>& target) {
    if (auto asked = ask("save_config"); !asked.ok()) return asked;
    target = script_.config;
    return CallResult::success(target.size());
}

CallResult ScriptedDevice::load_config(std::span<const std::byte> source) {
    if (auto asked = ask("load_config"); !asked.ok()) return asked;
    config_.assign(source.begin(), source.end());
    return CallResult::success(source.size());
}

CallResult ScriptedDevice::pre_copy_sizes(PreCopySizes& target) {
    if (auto asked = ask("pre_copy_sizes"); !asked.ok()) return asked;
    target = script_.pre_copy;
    target.initial_bytes += script_.early.size() - read_early_;
    return CallResult::success();
}

CallResult ScriptedDevice::reset() {
    if (auto asked = ask("reset"); !asked.ok()) return asked;
    received_.clear();
    config_.clear();
    state_ = DeviceState::running;
    return CallResult::success();
}

ScriptedDevice::Script with_state(std::size_t size, unsigned seed) {
    ScriptedDevice::Script script;
    script.state = pattern(size, seed);
    script.config = pattern(100, seed + 1);
    return script;
}

std::vector<std::byte> pattern(std::size_t size, unsigned seed) {
    std::vector<std::byte> bytes(size);
    std::uint32_t value = seed * 2654435761U + 1;
    for (auto& byte : bytes) {
        value = value * 1664525U + 1013904223U;
        byte = static_cast<std::byte>(value >> 24U);
    }
    return bytes;
}

}  // namespace multifd
