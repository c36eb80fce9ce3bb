#include "engine/conformance/checked_device.hpp"

#include <utility>

#include "channels/wire/limits.hpp"
#include "engine/text/quantity.hpp"

namespace multifd {
namespace {

// What a device is given to come back after interrupt().
constexpr std::chrono::milliseconds kInterruptPatience{1000};

std::chrono::microseconds since(Clock::time_point began) {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
}

std::string with_number(const char* call, std::uint64_t number) {
    return std::string(call) + "(" + std::to_string(number) + " bytes)";
}

}  // namespace

std::string reason_of(const CallResult& result) {
    return result.detail.empty() ? result.error.message() : result.detail;
}

bool not_supported(const CallResult& result) noexcept {
    return result.error == std::errc::operation_not_supported ||
           result.error == std::errc::not_supported ||
           result.error == std::errc::inappropriate_io_control_operation;
}

CheckedDevice::CheckedDevice(std::string name, Role role, std::shared_ptr<Device> device,
                             CheckSurroundings surroundings)
    : name_(std::move(name)),
      role_(role),
      device_(std::move(device)),
      traits_(device_->traits()),
      surroundings_(std::move(surroundings)),
      worker_(std::make_shared<CallWorker>()),
      buffer_(std::make_shared<std::vector<std::byte>>()) {}

void CheckedDevice::fail(const std::string& what) const {
    throw Nonconformity(name_ + ": " + what);
}

void CheckedDevice::require(const CallResult& result, const std::string& call) const {
    if (!result.ok()) fail(call + " failed: " + reason_of(result));
}

void CheckedDevice::await(const std::string& words) {
    const std::stop_token& stop = surroundings_.stop;
    const std::stop_callback wake(stop, [worker = worker_] { worker->wake(); });
    const auto limit = surroundings_.call_timeout;
    if (worker_->wait(Clock::now() + limit, [&stop] { return stop.stop_requested(); })) return;
    device_->interrupt();
    const bool ended = worker_->wait(Clock::now() + kInterruptPatience);
    stuck_ = !ended;
    if (stop.stop_requested()) throw CheckStopped();
    const std::string waited = words + " has not returned within " + format_time(limit);
    surroundings_.journal.note(name_ + " " + waited);
    fail(waited + (ended ? "; interrupt() ended it" : ", not even after interrupt()"));
}

CallResult CheckedDevice::call(const char* name, const std::string& words, Call foreign) {
    if (surroundings_.stop.stop_requested()) throw CheckStopped();
    if (stuck_) fail(words + " cannot be called: an earlier call has not returned");
    struct Outcome {
        CallOutcome call;
        std::chrono::microseconds time{0};
    };
    const auto outcome = std::make_shared<Outcome>();
    worker_->start(
        [worker = worker_, device = device_, outcome, name, foreign = std::move(foreign)] {
            const auto began = Clock::now();
            outcome->call = worker->call(name, [&] { return foreign(*device); });
            outcome->time = since(began);
        });
    await(words);
    const CallOutcome& made = outcome->call;
    const std::string seen = made.ok() ? "ok " + std::to_string(made.result.value) : made.reason();
    surroundings_.journal.note(name_ + " " + words + ": " + seen + ", " +
                               std::to_string(outcome->time.count()) + " us");
    if (made.error == Errc::device_threw || made.error == Errc::memory_exhausted) {
        fail(words + " threw: " + made.reason());
    }
    last_call_time_ = outcome->time;
    return made.result;
}

DeviceState CheckedDevice::state() {
    const CallResult said = call("state", "state()", [](Device& device) {
        return CallResult::success(static_cast<std::uint64_t>(device.state()));
    });
    return static_cast<DeviceState>(said.value);
}

CallResult CheckedDevice::try_set_state(DeviceState target) {
    const DeviceState from = state();
    CallResult made = call("set_state", "set_state(" + std::string(to_string(target)) + ")",
                           [target](Device& device) { return device.set_state(target); });
    if (made.ok() && from != target) surroundings_.times.add(role_, from, target, last_call_time_);
    return made;
}

void CheckedDevice::set_state(DeviceState target) {
    const DeviceState from = state();
    const std::string words =
        "set_state(" + std::string(to_string(target)) + ") in " + std::string(to_string(from));
    const CallResult made = try_set_state(target);
    const DeviceState reached = state();
    if (!made.ok()) {
        fail(words + " failed: " + reason_of(made) + "; the device is now in " +
             std::string(to_string(reached)));
    }
    if (reached != target) {
        fail(words + " succeeded, but the device says that it is in " +
             std::string(to_string(reached)));
    }
}

CallResult CheckedDevice::try_read(std::size_t bytes) {
    // A new one rather than a larger one: a call that was left behind may still write to the old.
    if (buffer_->size() < bytes) buffer_ = std::make_shared<std::vector<std::byte>>(bytes);
    last_read_ = {};
    CallResult read =
        call("read", with_number("read", bytes), [buffer = buffer_, bytes](Device& device) {
            return device.read(std::span(*buffer).first(bytes));
        });
    if (!read.ok()) return read;
    if (read.value > bytes) {
        fail(with_number("read", bytes) + " claims to have given " + std::to_string(read.value));
    }
    last_read_ = std::span<const std::byte>(*buffer_).first(read.value);
    return read;
}

std::span<const std::byte> CheckedDevice::read(std::size_t bytes) {
    require(try_read(bytes), with_number("read", bytes));
    return last_read_;
}

void CheckedDevice::expect(std::uint64_t bytes) {
    const std::string call_text = with_number("expect", bytes);
    require(call("expect", call_text, [bytes](Device& device) { return device.expect(bytes); }),
            call_text);
}

CallResult CheckedDevice::try_write(std::span<const std::byte> source) {
    auto bytes = std::make_shared<std::vector<std::byte>>(source.begin(), source.end());
    CallResult written =
        call("write", with_number("write", source.size()),
             [bytes = std::move(bytes)](Device& device) { return device.write(*bytes); });
    if (written.ok() && written.value != source.size()) {
        fail(with_number("write", source.size()) + " claims to have taken " +
             std::to_string(written.value));
    }
    return written;
}

void CheckedDevice::write(std::span<const std::byte> source) {
    require(try_write(source), with_number("write", source.size()));
}

std::vector<std::byte> CheckedDevice::save_config() {
    const auto config = std::make_shared<std::vector<std::byte>>();
    const CallResult saved = call("save_config", "save_config()",
                                  [config](Device& device) { return device.save_config(*config); });
    require(saved, "save_config()");
    if (config->size() > limits::kConfigStateBytesMax) {
        fail("save_config() gave " + std::to_string(config->size()) + " bytes; 1 MiB is the most");
    }
    return std::move(*config);
}

CallResult CheckedDevice::try_load_config(std::span<const std::byte> source) {
    auto bytes = std::make_shared<std::vector<std::byte>>(source.begin(), source.end());
    return call("load_config", with_number("load_config", source.size()),
                [bytes = std::move(bytes)](Device& device) { return device.load_config(*bytes); });
}

void CheckedDevice::load_config(std::span<const std::byte> source) {
    require(try_load_config(source), with_number("load_config", source.size()));
}

CallResult CheckedDevice::try_pre_copy_sizes(PreCopySizes& target) {
    const auto sizes = std::make_shared<PreCopySizes>();
    CallResult told = call("pre_copy_sizes", "pre_copy_sizes()",
                           [sizes](Device& device) { return device.pre_copy_sizes(*sizes); });
    target = *sizes;
    return told;
}

std::uint64_t CheckedDevice::stop_copy_size() {
    const CallResult told = call("stop_copy_size", "stop_copy_size()",
                                 [](Device& device) { return device.stop_copy_size(); });
    require(told, "stop_copy_size()");
    return told.value;
}

CallResult CheckedDevice::try_reset() {
    return call("reset", "reset()", [](Device& device) { return device.reset(); });
}

CallResult CheckedDevice::try_wrote_lent(std::span<const std::byte> source) {
    // Lent memory is the device's own, and lives as long as it.
    return call("wrote_lent", with_number("wrote_lent", source.size()),
                [source](Device& device) { return device.wrote_lent(source); });
}

CallResult CheckedDevice::try_start_dma_logging(std::uint64_t page_size,
                                                const std::vector<DmaRange>& ranges) {
    return call("start_dma_logging", "start_dma_logging()", [page_size, ranges](Device& device) {
        return device.start_dma_logging(page_size, ranges);
    });
}

CallResult CheckedDevice::try_report_dma_logging(DmaRange range, std::uint64_t page_size,
                                                 std::vector<std::uint64_t>& bitmap) {
    const auto bits = std::make_shared<std::vector<std::uint64_t>>(bitmap);
    CallResult reported = call("report_dma_logging", "report_dma_logging()",
                               [range, page_size, bits](Device& device) {
                                   return device.report_dma_logging(range, page_size, *bits);
                               });
    bitmap = std::move(*bits);
    return reported;
}

CallResult CheckedDevice::try_stop_dma_logging() {
    return call("stop_dma_logging", "stop_dma_logging()",
                [](Device& device) { return device.stop_dma_logging(); });
}

}  // namespace multifd
