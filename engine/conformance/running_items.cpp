// Items about what a device does while it runs: pre-copy and DMA logging.
#include <algorithm>
#include <bit>

#include "channels/wire/limits.hpp"
#include "engine/conformance/items.hpp"
#include "engine/devices/dma_bitmap.hpp"

namespace multifd {
namespace {

// A device that is written to all the time never comes to an end.
constexpr std::size_t kPreCopyBytesMore = 64 * limits::kMiB;

// Bits that a caller has set before.
constexpr std::uint64_t kEveryOther = 0x5555555555555555;

void require_pre_copy(Bench& bench) {
    if (!bench.source().traits().pre_copy) throw NotApplicable("the device has no pre-copy");
}

PreCopySizes pre_copy_sizes(CheckedDevice& device) {
    PreCopySizes sizes;
    device.require(device.try_pre_copy_sizes(sizes), "pre_copy_sizes()");
    return sizes;
}

/// In PRE_COPY: reads until there is nothing for now, or twice what was told and some more.
void read_pre_copy(Bench& bench) {
    const PreCopySizes told = pre_copy_sizes(bench.source());
    const std::uint64_t most = bench.state_bytes_max();
    const std::uint64_t told_bytes =
        std::min(told.initial_bytes, most) + std::min(told.dirty_bytes, most);
    bench.read_source(kLargeCalls, std::min(2 * told_bytes + kPreCopyBytesMore, most));
}

/// From RUNNING over pre-copy into the destination.
void pre_copy_and_load(Bench& bench) {
    CheckedDevice& source = bench.source();
    bench.forget_saved();
    source.set_state(DeviceState::pre_copy);
    read_pre_copy(bench);
    const std::size_t early = bench.saved().state.size();
    if (source.traits().p2p) source.set_state(DeviceState::pre_copy_p2p);
    source.set_state(DeviceState::stop_copy);
    const SavedState copied = bench.save_rest();
    source.set_state(DeviceState::stop);
    const SavedState& stopped = bench.save_source();
    bench.load(copied);
    bench.tell(CheckEvent::destination_loaded);
    bench.verify_loaded(stopped);
    bench.run(bench.destination());
    bench.tell(CheckEvent::destination_running);
    bench.note(std::to_string(early) + " bytes before it stopped, " +
               std::to_string(copied.state.size() - early) + " after");
}

/// One report of one range, with every bit of `preset` set before: the bits that came.
std::uint64_t report(CheckedDevice& device, DmaRange range, std::uint64_t page_bytes,
                     std::uint64_t preset) {
    const std::uint64_t pages = dma_pages(range, page_bytes);
    std::vector<std::uint64_t> bitmap(dma_bitmap_words(pages), preset);
    if (pages % 64 != 0) bitmap.back() &= (std::uint64_t{1} << (pages % 64)) - 1;
    const std::vector<std::uint64_t> before = bitmap;
    device.require(device.try_report_dma_logging(range, page_bytes, bitmap),
                   "report_dma_logging()");
    std::uint64_t came = 0;
    for (std::size_t word = 0; word < bitmap.size(); ++word) {
        if ((before[word] & ~bitmap[word]) != 0) {
            device.fail("report_dma_logging() cleared a bit that was set before");
        }
        came += static_cast<std::uint64_t>(std::popcount(bitmap[word] & ~before[word]));
    }
    if (pages % 64 != 0 && (bitmap.back() >> (pages % 64)) != 0) {
        device.fail("report_dma_logging() set a bit behind the last page of the range");
    }
    return came;
}

std::uint64_t report_all(Bench& bench, std::uint64_t preset) {
    std::uint64_t pages = 0;
    for (const DmaRange& range : bench.settings().dma_ranges) {
        pages += report(bench.source(), range, bench.settings().dma_page_bytes, preset);
    }
    return pages;
}

void check_report_refused(Bench& bench) {
    const DmaRange range = bench.settings().dma_ranges.front();
    const std::uint64_t pages = dma_pages(range, bench.settings().dma_page_bytes);
    std::vector<std::uint64_t> bitmap(dma_bitmap_words(pages));
    const CallResult made =
        bench.source().try_report_dma_logging(range, bench.settings().dma_page_bytes, bitmap);
    if (made.ok()) bench.source().fail("report_dma_logging() succeeded while no log was on");
}

void start_logging(Bench& bench) {
    const CheckSettings& settings = bench.settings();
    bench.source().require(
        bench.source().try_start_dma_logging(settings.dma_page_bytes, settings.dma_ranges),
        "start_dma_logging()");
}

}  // namespace

void check_pre_copy_sizes(Bench& bench) {
    require_pre_copy(bench);
    CheckedDevice& source = bench.source();
    bench.run(source);
    PreCopySizes sizes;
    if (source.try_pre_copy_sizes(sizes).ok()) {
        source.fail("pre_copy_sizes() succeeded in running; it belongs to pre-copy");
    }
    source.set_state(DeviceState::pre_copy);
    const PreCopySizes told = pre_copy_sizes(source);
    bench.forget_saved();
    read_pre_copy(bench);
    const std::uint64_t seen = bench.saved().state.size();
    if (seen == 0 && told.initial_bytes + told.dirty_bytes != 0) {
        source.fail("pre_copy_sizes() told " + std::to_string(told.initial_bytes) +
                    " initial and " + std::to_string(told.dirty_bytes) +
                    " dirty bytes, and read() gave none");
    }
    // Dirty bytes are an estimate, which a device that runs changes all the time.
    if (seen < std::min(told.initial_bytes, bench.state_bytes_max())) {
        source.fail("pre_copy_sizes() told " + std::to_string(told.initial_bytes) +
                    " initial bytes, and read() gave " + std::to_string(seen) +
                    " until there was nothing for now");
    }
    const PreCopySizes left = pre_copy_sizes(source);
    if (left.initial_bytes != 0) {
        source.fail("after " + std::to_string(seen) + " bytes read() gives no more, and " +
                    "pre_copy_sizes() still tells " + std::to_string(left.initial_bytes) +
                    " initial bytes: switchover-ack would never come");
    }
    source.set_state(DeviceState::running);
    bench.note("told " + std::to_string(told.initial_bytes) + " initial and " +
               std::to_string(told.dirty_bytes) + " dirty bytes, gave " + std::to_string(seen));
}

void check_pre_copy(Bench& bench) {
    require_pre_copy(bench);
    bench.run(bench.source());
    bench.tell(CheckEvent::source_running);
    pre_copy_and_load(bench);
}

void check_cancelled_pre_copy(Bench& bench) {
    require_pre_copy(bench);
    CheckedDevice& source = bench.source();
    bench.run(source);
    source.set_state(DeviceState::pre_copy);
    bench.forget_saved();
    bench.read_source(kLargeCalls, 1);
    source.set_state(DeviceState::running);
    bench.tell(CheckEvent::source_resumed);
    pre_copy_and_load(bench);
}

void check_dma_logging(Bench& bench) {
    CheckedDevice& source = bench.source();
    if (!source.traits().dma_logging) throw NotApplicable("the device logs no DMA");
    if (bench.settings().dma_ranges.empty()) throw NotApplicable("no range was given to log");
    bench.run(source);
    start_logging(bench);
    const CheckSettings& settings = bench.settings();
    if (source.try_start_dma_logging(settings.dma_page_bytes, settings.dma_ranges).ok()) {
        source.fail("start_dma_logging() succeeded while the log was on");
    }
    // As in a migration, where the log is on while the state is copied early.
    if (source.traits().pre_copy) {
        source.set_state(DeviceState::pre_copy);
        bench.forget_saved();
        read_pre_copy(bench);
    }
    std::uint64_t pages = report_all(bench, 0);
    source.set_state(DeviceState::stop);
    pages += report_all(bench, kEveryOther);
    // A stopped device writes nothing, so what is told now was told before.
    for (const std::uint64_t preset : {std::uint64_t{0}, kEveryOther}) {
        const std::uint64_t again = report_all(bench, preset);
        if (again == 0) continue;
        source.fail("report_dma_logging() told of " + std::to_string(again) +
                    " pages again, although the device is stopped");
    }
    source.require(source.try_stop_dma_logging(), "stop_dma_logging()");
    check_report_refused(bench);
    start_logging(bench);
    source.require(source.try_stop_dma_logging(), "stop_dma_logging(), the second time,");
    bench.note(std::to_string(pages) + " pages");
    bench.run(source);
}

}  // namespace multifd
