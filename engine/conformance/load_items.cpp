// Items about writing a state in.
#include <algorithm>

#include "engine/conformance/items.hpp"

namespace multifd {
namespace {

/// Writes in RESUMING the first `bytes` of the state.
void write_part(CheckedDevice& device, const SavedState& saved, std::size_t bytes) {
    for (const auto piece : Bench::pieces_of(saved, bytes, kLargeCalls)) device.write(piece);
}

/// Throws NotApplicable for a device that has no reset, before an item needs it.
void require_reset(Bench& bench, CheckedDevice& device) {
    bench.run(device);
    bench.reset(device);
    bench.run(device);
}

/// In RESUMING: whether the device takes the state without its last byte as its own.
bool takes_truncated(CheckedDevice& device, const SavedState& saved) {
    for (const auto piece : Bench::pieces_of(saved, saved.state.size() - 1, kLargeCalls)) {
        if (!device.try_write(piece).ok()) return false;
    }
    return device.try_load_config(saved.config).ok() &&
           device.try_set_state(DeviceState::stop).ok();
}

void check_lent_source(Bench& bench) {
    CheckedDevice& source = bench.source();
    bench.save_source();
    source.set_state(DeviceState::stop_copy);
    const std::span<const std::byte> lent = source.device().lend();
    if (lent.empty()) {
        bench.note("the source lends nothing now");
    } else {
        Bench::compare(bench.saved().state, lent, "the memory that the source lends");
        bench.note("the source lends " + std::to_string(lent.size()) + " bytes");
    }
    source.set_state(DeviceState::stop);
}

void check_lent_destination(Bench& bench) {
    CheckedDevice& destination = bench.destination();
    const SavedState& saved = bench.save_source();
    destination.set_state(DeviceState::resuming);
    const std::span<std::byte> lent = destination.device().lend();
    if (lent.empty()) {
        bench.note("the destination lends nothing now");
        bench.give_up_loading(destination, saved);
        return;
    }
    if (lent.size() < saved.state.size()) {
        destination.fail("it lends " + std::to_string(lent.size()) + " bytes for a state of " +
                         std::to_string(saved.state.size()));
    }
    for (std::size_t at = 0; at < saved.state.size(); at += kOddWrites.back()) {
        const std::size_t size = std::min(saved.state.size() - at, kOddWrites.back());
        std::copy_n(saved.state.data() + at, size, lent.data() + at);
        destination.require(destination.try_wrote_lent(lent.subspan(at, size)), "wrote_lent()");
    }
    destination.load_config(saved.config);
    destination.set_state(DeviceState::stop);
    bench.verify_loaded(saved);
    bench.note("the destination lends " + std::to_string(lent.size()) + " bytes");
}

}  // namespace

void check_round_trip(Bench& bench) {
    bench.run(bench.source());
    bench.tell(CheckEvent::source_running);
    bench.load_and_run(bench.save_source());
}

void check_odd_sizes(Bench& bench) {
    if (bench.source().traits().chunked) {
        throw NotApplicable("the device gives chunks that must stay whole");
    }
    {
        const std::vector<std::byte> whole = bench.save_source().state;
        bench.save_source(kOddReads);
        if (bench.repeats()) {
            Bench::compare(whole, bench.saved().state, "the state read in odd sizes");
        }
    }
    bench.load_and_run(bench.saved(), kOddWrites);
}

void check_config(Bench& bench) {
    CheckedDevice& source = bench.source();
    source.set_state(DeviceState::stop_copy);
    bench.forget_saved();
    const SavedState& saved = bench.save_rest();
    const std::vector<std::byte> again = source.save_config();
    source.set_state(DeviceState::stop);
    Bench::compare(saved.config, again, "the config state, saved once more,");
    bench.load(saved);
    bench.verify_loaded(saved);
    const std::vector<std::byte>& loaded = bench.read_back().config;
    // Another device may have parts of its own there, such as its addresses.
    if (bench.one_device()) {
        Bench::compare(saved.config, loaded, "the config state that was loaded");
    } else if (loaded != saved.config) {
        bench.note("the destination's config state is not all the source's");
    }
    bench.note(std::to_string(saved.config.size()) + " bytes");
    bench.run(bench.destination());
}

void check_lent_memory(Bench& bench) {
    if (!bench.source().traits().lends && !bench.destination().traits().lends) {
        throw NotApplicable("no device lends its memory");
    }
    if (bench.source().traits().lends) check_lent_source(bench);
    if (bench.destination().traits().lends) check_lent_destination(bench);
}

void check_abandoned_resume(Bench& bench) {
    CheckedDevice& destination = bench.destination();
    require_reset(bench, destination);
    const SavedState& saved = bench.save_source();
    for (const std::size_t bytes : {std::size_t{0}, saved.state.size() / 2, saved.state.size()}) {
        destination.set_state(DeviceState::resuming);
        write_part(destination, saved, bytes);
        bench.reset(destination);
        bench.run(destination);
    }
    bench.load_and_run(saved);
}

void check_truncated_state(Bench& bench) {
    CheckedDevice& destination = bench.destination();
    require_reset(bench, destination);
    const SavedState& saved = bench.save_source();
    if (saved.state.empty()) throw NotApplicable("the state is empty");
    destination.set_state(DeviceState::resuming);
    const bool taken = takes_truncated(destination, saved);
    const DeviceState after = destination.state();
    if (!taken && after != DeviceState::resuming && after != DeviceState::error &&
        after != DeviceState::stop) {
        destination.fail("it refused a state without its last byte, but is in " +
                         std::string(to_string(after)));
    }
    bench.reset(destination);
    bench.load_and_run(saved);
    if (taken) {
        throw NotApplicable(
            "a state without its last byte is taken as a whole one: that all has "
            "arrived is then for others to see");
    }
}

void check_interrupted_load(Bench& bench) {
    CheckedDevice& destination = bench.destination();
    require_reset(bench, destination);
    const SavedState& saved = bench.save_source();
    const auto pieces = Bench::pieces_of(saved, saved.state.size(), kOddWrites);
    const std::size_t half = pieces.size() / 2;
    destination.set_state(DeviceState::resuming);
    for (const auto piece : std::span(pieces).first(half)) destination.write(piece);
    destination.device().interrupt();
    const CallResult written =
        pieces.empty() ? CallResult::success() : destination.try_write(pieces[half]);
    if (!written.ok() && written.error != std::errc::operation_canceled) {
        destination.fail("write() after interrupt() failed with " + written.error.message() +
                         " instead of operation_canceled: " + reason_of(written));
    }
    bench.reset(destination);
    bench.run(destination);
    bench.load_and_run(saved);
}

}  // namespace multifd
