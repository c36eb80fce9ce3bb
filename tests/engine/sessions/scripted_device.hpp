// ScriptedDevice: a device whose every call a test can watch, delay, fail, throw from, or never
// return.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "multifd/device.hpp"

namespace multifd {

/// What happened to the devices of a test, in one order over all of them.
/// Threads:   all members from any thread.
class Journal {
  public:
    void note(const std::string& line);
    [[nodiscard]] std::vector<std::string> lines() const;
    /// Waits for a line that equals `line`; false when it does not come within 20 s.
    bool await(const std::string& line);
    /// The position of the first such line; lines().size() when there is none.
    [[nodiscard]] std::size_t position(const std::string& line) const;

  private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> lines_;
};

/// Holds its state in memory and checks the order of states loosely: the engine's order is what
/// tests read from the journal ("gpu0 stop-copy", "gpu0 read", ...).
class ScriptedDevice final : public Device {
  public:
    struct Script {
        std::string name = "gpu0";
        DeviceTraits traits{.kind = "scripted", .p2p = true};
        DeviceState initial = DeviceState::running;
        std::vector<std::byte> state{};  ///< What STOP_COPY gives.
        std::vector<std::byte> early{};  ///< What PRE_COPY gives, or STOP_COPY first.
        std::vector<std::byte> config{};
        PreCopySizes pre_copy{};
        /// Asked before each call, by its name ("read", "set_state stop-copy", ...): a failure, an
        /// exception, or a wait that interrupt() does not end is the test's to make.
        std::function<CallResult(const std::string& call)> before{};
        Journal* journal = nullptr;
    };
    explicit ScriptedDevice(Script script);

    DeviceTraits traits() const noexcept override { return script_.traits; }
    DeviceState state() override { return state_; }
    CallResult set_state(DeviceState target) override;
    CallResult read(std::span<std::byte> target) override;
    CallResult expect(std::uint64_t bytes) override;
    CallResult write(std::span<const std::byte> source) override;
    CallResult save_config(std::vector<std::byte>& target) override;
    CallResult load_config(std::span<const std::byte> source) override;
    CallResult pre_copy_sizes(PreCopySizes& target) override;
    CallResult stop_copy_size() override { return CallResult::success(script_.state.size()); }
    CallResult reset() override;
    void interrupt() noexcept override { interrupted_ = true; }

    [[nodiscard]] DeviceState now() const noexcept { return state_; }
    [[nodiscard]] bool interrupted() const noexcept { return interrupted_; }
    [[nodiscard]] const std::vector<std::byte>& received() const noexcept { return received_; }
    [[nodiscard]] const std::vector<std::byte>& received_config() const noexcept { return config_; }

  private:
    CallResult ask(const std::string& call);

    Script script_;
    std::atomic<DeviceState> state_;
    std::atomic<bool> interrupted_ = false;
    std::size_t read_ = 0;
    std::size_t read_early_ = 0;
    std::vector<std::byte> received_, config_;
};

/// A script with `size` bytes of state and a small config state.
ScriptedDevice::Script with_state(std::size_t size, unsigned seed = 1);

/// `size` bytes that differ from place to place and from `seed` to seed.
std::vector<std::byte> pattern(std::size_t size, unsigned seed = 1);

}  // namespace multifd
