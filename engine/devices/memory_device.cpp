#include "engine/devices/memory_device.hpp"

#include <algorithm>
#include <utility>

#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

constexpr std::uint64_t kSourceBytesDefault = 64 * limits::kMiB;
constexpr std::uint64_t kConfigBytesDefault = 4096;
// Held memory is checked in runs of this many pages (1 MiB), each followed by a look at
// interrupt().
constexpr std::uint64_t kVerifiedPages = 256;

MemoryContent own_content(const MemoryOptions& options) {
    const std::uint64_t fallback = options.role == Role::source ? kSourceBytesDefault : 0;
    const std::uint64_t bytes = options.size.value_or(fallback);
    return {{options.seed.value_or(0), options.compressible_pct.value_or(0)},
            bytes,
            DirtyRing(bytes).writes()};
}

}  // namespace

MemoryDevice::MemoryDevice(MemoryOptions options, std::unique_ptr<DeviceClock> clock)
    : options_(std::move(options)),
      clock_(std::move(clock)),
      own_(own_content(options_)),
      states_({options_.p2p, options_.pre_copy}, options_.initial_state),
      faults_(options_.faults),
      read_limit_(options_.read_rate, *clock_),
      write_limit_(options_.write_rate, *clock_),
      // Not while the guest is stopped: a page fault costs as much as the copy into the page.
      held_(options_.held ? own_.bytes : 0,
            options_.role == Role::destination ? Populate::yes : Populate::no),
      generator_(own_.identity),
      ring_(own_.bytes) {
    if (options_.role == Role::source) hold_own_state();
}

DeviceTraits MemoryDevice::traits() const noexcept {
    return {.kind = "memory",
            .p2p = options_.p2p,
            .pre_copy = options_.pre_copy,
            .lends = options_.lend,
            .dma_logging = true};
}

MemoryContent MemoryDevice::content() const noexcept {
    return {generator_.identity(), ring_.state_bytes(), ring_.writes()};
}

CallResult MemoryDevice::set_state(DeviceState target) {
    clock_->clear_interrupt();
    return states_.advance(target, [this](DeviceState from, DeviceState next) {
        CallResult injected = faults_.check_state(next, *clock_);
        if (injected.error == std::errc::io_error) states_.enter(DeviceState::error);
        return injected.ok() ? step(from, next) : injected;
    });
}

CallResult MemoryDevice::step(DeviceState from, DeviceState target) {
    const bool was_pre_copy = in_pre_copy();
    if (was_pre_copy) dirty();
    switch (target) {
        case DeviceState::stop_copy:
            return was_pre_copy ? CallResult::success() : enter_stop_copy();
        case DeviceState::pre_copy:
        case DeviceState::pre_copy_p2p:
            if (was_pre_copy) break;
            begin_save();
            begin_dirtying();
            break;
        case DeviceState::resuming:
            held_is_state_ = false;
            load_.emplace(ExpectedState{options_.size, options_.seed, options_.compressible_pct,
                                        options_.config_size},
                          held_.bytes(), options_.lend);
            break;
        case DeviceState::stop:
            end_save();
            return from == DeviceState::resuming ? finish_load() : CallResult::success();
        case DeviceState::running:
        case DeviceState::running_p2p:
        case DeviceState::error:
            end_save();
            break;
    }
    return CallResult::success();
}

CallResult MemoryDevice::enter_stop_copy() {
    if (!held_.bytes().empty() && !held_is_state_) hold_own_state();
    begin_save();
    return CallResult::success();
}

bool MemoryDevice::in_pre_copy() const noexcept {
    const DeviceState state = states_.current();
    return state == DeviceState::pre_copy || state == DeviceState::pre_copy_p2p;
}

bool MemoryDevice::saves_records() const noexcept {
    // A plain state has no room for generations.
    return options_.pre_copy || !ring_.untouched();
}

void MemoryDevice::begin_save() {
    end_save();
    if (saves_records()) {
        record_save_.emplace(generator_, ring_);
    } else {
        plain_save_.emplace(generator_, ring_.state_bytes(), held_.bytes());
    }
}

void MemoryDevice::end_save() noexcept {
    plain_save_.reset();
    record_save_.reset();
    given_ = 0;
}

void MemoryDevice::begin_dirtying() {
    dirtying_since_ = clock_->now();
    dirtied_pages_ = 0;
}

void MemoryDevice::dirty() {
    const std::chrono::duration<double> elapsed = clock_->now() - dirtying_since_;
    const double bytes = elapsed.count() * static_cast<double>(options_.dirty_rate);
    const auto pages = static_cast<std::uint64_t>(bytes) / kContentPageBytes;
    ring_.write(pages - dirtied_pages_);
    if (dma_log_.on()) log_writes(pages - dirtied_pages_);
    dirtied_pages_ = pages;
}

void MemoryDevice::log_writes(std::uint64_t pages) noexcept {
    std::uint64_t first = ring_.writes() - std::min(pages, ring_.pages());
    while (first < ring_.writes()) {
        const PageRun run = ring_.run(first, ring_.writes(), ring_.pages());
        dma_log_.note(run.offset, run.bytes);
        first += (run.bytes + kContentPageBytes - 1) / kContentPageBytes;
    }
}

CallResult MemoryDevice::start_dma_logging(std::uint64_t page_size,
                                           std::span<const DmaRange> ranges) {
    CallResult injected = faults_.check(FaultStep::dma_logging, 1, *clock_);
    if (!injected.ok()) return injected;
    // What was written before is not of this log.
    if (in_pre_copy()) dirty();
    return dma_log_.start(ring_.state_bytes(), page_size, ranges);
}

CallResult MemoryDevice::report_dma_logging(DmaRange range, std::uint64_t page_size,
                                            std::span<std::uint64_t> bitmap) {
    CallResult injected = faults_.check(FaultStep::dma_logging, 1, *clock_);
    if (!injected.ok()) return injected;
    if (in_pre_copy()) dirty();
    return dma_log_.report(range, page_size, bitmap);
}

CallResult MemoryDevice::stop_dma_logging() {
    CallResult injected = faults_.check(FaultStep::dma_logging, 1, *clock_);
    return injected.ok() ? dma_log_.stop() : injected;
}

CallResult MemoryDevice::refuse_interrupted(std::string_view call) {
    if (!clock_->interrupted()) return CallResult::success();
    return CallResult::failure(std::errc::operation_canceled,
                               std::string(call).append(" was interrupted"));
}

CallResult MemoryDevice::read(std::span<std::byte> target) {
    CallResult refused = refuse_interrupted("read");
    if (!refused.ok()) return refused;
    if (!in_pre_copy()) {
        CallResult wrong_state = states_.require("read", DeviceState::stop_copy);
        if (!wrong_state.ok()) return wrong_state;
    } else {
        dirty();
    }
    CallResult injected = faults_.check(FaultStep::read, given_ + target.size(), *clock_);
    if (!injected.ok()) return injected;
    const bool stopped = !in_pre_copy();
    const std::uint64_t available =
        plain_save_ ? plain_save_->remaining()
        : stopped   ? record_save_->remaining()
                    : record_save_->sizes().initial_bytes + record_save_->sizes().dirty_bytes;
    const std::uint64_t length =
        read_limit_.portion(std::min<std::uint64_t>(target.size(), available));
    if (!read_limit_.take(length)) return refuse_interrupted("read");
    const std::span<std::byte> portion = target.first(length);
    const std::size_t given =
        plain_save_ ? plain_save_->read(portion) : record_save_->read(portion, stopped);
    given_ += given;
    return CallResult::success(given);
}

template <class Take>
CallResult MemoryDevice::load_paced(std::span<const std::byte> source, Take take) {
    CallResult refused = refuse_interrupted("write");
    if (!refused.ok()) return refused;
    CallResult wrong_state = states_.require("write", DeviceState::resuming);
    if (!wrong_state.ok()) return wrong_state;
    CallResult injected =
        faults_.check(FaultStep::write, load_->received() + source.size(), *clock_);
    if (!injected.ok()) return injected;
    for (std::size_t done = 0; done < source.size();) {
        const std::size_t length = write_limit_.portion(source.size() - done);
        if (!write_limit_.take(length)) return refuse_interrupted("write");
        CallResult taken = take(source.subspan(done, length));
        if (!taken.ok()) return taken;
        done += length;
    }
    return CallResult::success(source.size());
}

CallResult MemoryDevice::write(std::span<const std::byte> source) {
    return load_paced(source, [this](auto portion) { return load_->write(portion); });
}

CallResult MemoryDevice::wrote_lent(std::span<const std::byte> source) {
    return load_paced(source, [this](auto portion) { return load_->wrote_lent(portion); });
}

CallResult MemoryDevice::save_config(std::vector<std::byte>& target) {
    CallResult injected = faults_.check(FaultStep::save_config, 1, *clock_);
    if (!injected.ok()) return injected;
    CallResult wrong_state = states_.require("save_config", DeviceState::stop_copy);
    if (!wrong_state.ok()) return wrong_state;
    target = make_memory_config(content(), options_.config_size.value_or(kConfigBytesDefault));
    return CallResult::success(target.size());
}

CallResult MemoryDevice::load_config(std::span<const std::byte> source) {
    CallResult injected = faults_.check(FaultStep::load_config, 1, *clock_);
    if (!injected.ok()) return injected;
    CallResult wrong_state = states_.require("load_config", DeviceState::resuming);
    if (!wrong_state.ok()) return wrong_state;
    return load_->load_config(source);
}

CallResult MemoryDevice::finish_load() {
    if (options_.reject) {
        return CallResult::failure(std::errc::io_error, "state rejected, as asked by reject=on");
    }
    MemoryContent loaded;
    CallResult finished = load_->finish(loaded);
    if (!finished.ok()) return finished;
    if (!held_.bytes().empty()) {
        CallResult verified =
            verify_held(StateContent(loaded.identity), DirtyRing(loaded.bytes, loaded.writes));
        if (!verified.ok()) return verified;
        held_is_state_ = true;
    }
    become(loaded);
    return CallResult::success();
}

CallResult MemoryDevice::verify_held(const StateContent& generator, const DirtyRing& ring) {
    std::uint64_t first = ring.oldest();
    while (first < ring.writes()) {
        CallResult refused = refuse_interrupted("set_state");
        if (!refused.ok()) return refused;
        const PageRun run = ring.run(first, ring.writes(), kVerifiedPages);
        const std::span<const std::byte> bytes = held_.bytes().subspan(run.offset, run.bytes);
        const ContentPlace place{run.offset, run.generation};
        if (const auto wrong = generator.first_wrong(bytes, place)) {
            return CallResult::failure(
                std::errc::bad_message,
                generator.describe_wrong(bytes, place, *wrong, ring.state_bytes()));
        }
        first += (run.bytes + kContentPageBytes - 1) / kContentPageBytes;
    }
    return CallResult::success();
}

void MemoryDevice::become(const MemoryContent& content) {
    load_.reset();
    generator_ = StateContent(content.identity);
    ring_ = DirtyRing(content.bytes, content.writes);
}

void MemoryDevice::hold_own_state() {
    generator_.fill(held_.bytes(), {0, 0});
    held_is_state_ = true;
}

CallResult MemoryDevice::pre_copy_sizes(PreCopySizes& target) {
    CallResult injected = faults_.check(FaultStep::sizes, 1, *clock_);
    if (!injected.ok()) return injected;
    if (!in_pre_copy()) return states_.require("pre_copy_sizes", DeviceState::pre_copy);
    dirty();
    target = record_save_->sizes();
    return CallResult::success();
}

CallResult MemoryDevice::stop_copy_size() {
    CallResult injected = faults_.check(FaultStep::sizes, 1, *clock_);
    if (!injected.ok()) return injected;
    if (in_pre_copy()) dirty();
    if (plain_save_) return CallResult::success(plain_save_->remaining());
    if (record_save_) return CallResult::success(record_save_->remaining());
    if (!saves_records()) return CallResult::success(ring_.state_bytes());
    return CallResult::success(RecordSave(generator_, ring_).remaining());
}

CallResult MemoryDevice::reset() {
    CallResult injected = faults_.check(FaultStep::reset, 1, *clock_);
    if (!injected.ok()) return injected;
    end_save();
    if (dma_log_.on()) static_cast<void>(dma_log_.stop());
    become(own_);
    held_is_state_ = false;
    states_.enter(DeviceState::running);
    return CallResult::success();
}

std::span<std::byte> MemoryDevice::lend() noexcept {
    const DeviceState state = states_.current();
    const bool lendable = state == DeviceState::stop_copy || state == DeviceState::resuming;
    return options_.lend && lendable ? held_.bytes() : std::span<std::byte>();
}

}  // namespace multifd
