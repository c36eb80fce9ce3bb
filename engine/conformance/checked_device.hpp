// CheckedDevice: a device that is checked, call by call, none of which can hold up the check.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/conformance/call_journal.hpp"
#include "engine/conformance/transition_times.hpp"
#include "engine/session/call_worker.hpp"
#include "multifd/conformance.hpp"

namespace multifd {

/// Something that a device must not do. Ends the item, wherever it is: an item is a test, and reads
/// as one.
class Nonconformity : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The item does not apply; what() says why.
class NotApplicable : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The user has asked to stop.
class CheckStopped : public std::exception {};

/// What all devices of a check have in common.
struct CheckSurroundings {
    CallJournal& journal;
    TransitionTimes& times;
    std::chrono::milliseconds call_timeout;
    std::stop_token stop;
};

/// Forwards each call to the device on a thread of its own, notes it in the journal, and times
/// set_state(). A call that does not return in time is interrupted and left behind.
/// Ownership: shares the device; what `surroundings` refers to outlives this object.
/// Threads:   one thread makes all calls.
/// Errors:    every call throws Nonconformity when the device throws or does not return, and
///            CheckStopped once the stop was requested; the try_ calls give the device's failure
///            back, the others make it a Nonconformity too.
class CheckedDevice {
  public:
    /// `name` is what messages call it.
    CheckedDevice(std::string name, Role role, std::shared_ptr<Device> device,
                  CheckSurroundings surroundings);

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] const DeviceTraits& traits() const noexcept { return traits_; }
    [[nodiscard]] Device& device() noexcept { return *device_; }
    /// Whether a call has been left behind: no other can be made.
    [[nodiscard]] bool stuck() const noexcept { return stuck_; }

    DeviceState state();
    CallResult try_set_state(DeviceState target);
    /// Also fails when the device then says that it is elsewhere.
    void set_state(DeviceState target);
    /// At most `bytes` of what the device gives; valid until the next call.
    CallResult try_read(std::size_t bytes);
    std::span<const std::byte> read(std::size_t bytes);
    /// The bytes of the last read that succeeded.
    [[nodiscard]] std::span<const std::byte> last_read() const noexcept { return last_read_; }
    void expect(std::uint64_t bytes);
    CallResult try_write(std::span<const std::byte> source);
    void write(std::span<const std::byte> source);
    std::vector<std::byte> save_config();
    CallResult try_load_config(std::span<const std::byte> source);
    void load_config(std::span<const std::byte> source);
    CallResult try_pre_copy_sizes(PreCopySizes& target);
    std::uint64_t stop_copy_size();
    CallResult try_reset();
    CallResult try_wrote_lent(std::span<const std::byte> source);
    CallResult try_start_dma_logging(std::uint64_t page_size, const std::vector<DmaRange>& ranges);
    /// `bitmap` is both what the device is given and what it left.
    CallResult try_report_dma_logging(DmaRange range, std::uint64_t page_size,
                                      std::vector<std::uint64_t>& bitmap);
    CallResult try_stop_dma_logging();

    /// "source: read(4096) ...": `what` with the device's name in front.
    [[noreturn]] void fail(const std::string& what) const;
    /// Fails with `call` and its reason unless `result` is a success.
    void require(const CallResult& result, const std::string& call) const;

  private:
    /// Borrows nothing, because it may outlive this object.
    using Call = std::function<CallResult(Device&)>;

    CallResult call(const char* name, const std::string& words, Call foreign);
    void await(const std::string& words);

    const std::string name_;
    const Role role_;
    const std::shared_ptr<Device> device_;
    const DeviceTraits traits_;
    CheckSurroundings surroundings_;
    std::shared_ptr<CallWorker> worker_;  ///< Shared with the job that it runs.
    bool stuck_ = false;
    std::chrono::microseconds last_call_time_{0};
    std::shared_ptr<std::vector<std::byte>> buffer_;  ///< Shared with a read that never returns.
    std::span<const std::byte> last_read_;
};

/// The reason of a failed call in words: its detail, or what its code says.
[[nodiscard]] std::string reason_of(const CallResult& result);

/// Whether a device says by this failure that it has no such call, state or reset.
[[nodiscard]] bool not_supported(const CallResult& result) noexcept;

}  // namespace multifd
