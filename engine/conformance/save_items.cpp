// Items about reading a state out.
#include <algorithm>

#include "engine/conformance/items.hpp"
#include "engine/conformance/transition_rules.hpp"

namespace multifd {
namespace {

constexpr std::size_t kProbeBytes = 4096;

/// Reads about the first half of what the source gave last.
void read_half(Bench& bench, std::size_t state_bytes) {
    bench.forget_saved();
    const std::size_t half = std::max<std::size_t>(state_bytes / 2, 1);
    bench.read_source(std::span(&half, 1), half);
}

/// Fails when the source's stream goes on where one ended that was left.
void check_begins_anew(Bench& bench, const std::vector<std::byte>& before, const char* after) {
    bench.save_source();
    const std::vector<std::byte>& now = bench.saved().state;
    if (bench.repeats()) {
        Bench::compare(before, now, "the stream after " + std::string(after));
        return;
    }
    const bool tail =
        now.size() < before.size() && std::equal(now.rbegin(), now.rend(), before.rbegin());
    if (tail) {
        bench.source().fail("after " + std::string(after) + " the stream goes on where the last " +
                            "one was left, with " + std::to_string(now.size()) + " of " +
                            std::to_string(before.size()) + " bytes");
    }
}

void check_read_refused(CheckedDevice& device, DeviceState state) {
    const CallResult read = device.try_read(kProbeBytes);
    if (!read.ok()) return;
    device.fail("read() succeeded in " + std::string(to_string(state)) + " with " +
                std::to_string(read.value) + " bytes; there is nothing to read");
}

}  // namespace

void check_read_states(Bench& bench) {
    bench.save_source();
    CheckedDevice& source = bench.source();
    for (const DeviceState state : states_of(source.traits())) {
        const bool reads = state == DeviceState::stop_copy || state == DeviceState::pre_copy ||
                           state == DeviceState::pre_copy_p2p;
        if (reads || !bench.enter(source, state, bench.saved())) continue;
        check_read_refused(source, state);
        if (state == DeviceState::resuming) source.set_state(DeviceState::stop);
    }
    bench.run(source);
}

void check_write_states(Bench& bench) {
    bench.save_source();
    CheckedDevice& device = bench.destination();
    const std::vector<std::byte> bytes(kProbeBytes);
    for (const DeviceState state : states_of(device.traits())) {
        if (state == DeviceState::resuming || !bench.enter(device, state, bench.saved())) continue;
        if (device.try_write(bytes).ok()) {
            device.fail("write() succeeded in " + std::string(to_string(state)) +
                        "; only resuming takes a state");
        }
    }
    bench.run(device);
}

void check_stream_end(Bench& bench) {
    CheckedDevice& source = bench.source();
    source.set_state(DeviceState::stop_copy);
    bench.forget_saved();
    bench.save_rest();
    for (const std::size_t bytes : {std::size_t{1}, kProbeBytes, kLargeCalls.front()}) {
        const std::size_t more = source.read(bytes).size();
        if (more == 0) continue;
        source.fail("read() gives " + std::to_string(more) + " bytes after it had given 0, the " +
                    "end of the stream");
    }
    source.set_state(DeviceState::stop);
    bench.note(std::to_string(bench.saved().state.size()) + " bytes of state, " +
               std::to_string(bench.saved().config.size()) + " of config state");
}

void check_new_stream(Bench& bench) {
    CheckedDevice& source = bench.source();
    const std::vector<std::byte> whole = bench.save_source().state;
    check_begins_anew(bench, whole, "a whole save");
    for (const DeviceState way : {DeviceState::stop, DeviceState::running}) {
        source.set_state(DeviceState::stop_copy);
        read_half(bench, whole.size());
        source.set_state(way);
        // What has run since may have changed.
        if (way == DeviceState::running && !bench.repeats()) continue;
        if (way == DeviceState::running) source.set_state(DeviceState::stop);
        check_begins_anew(bench, whole, "a save that was left half way");
    }
    if (!bench.repeats()) bench.note("two saves of the stopped source differ");
}

void check_sizes(Bench& bench) {
    CheckedDevice& source = bench.source();
    source.set_state(DeviceState::stop);
    const std::uint64_t stopped = source.stop_copy_size();
    source.set_state(DeviceState::stop_copy);
    const std::uint64_t saving = source.stop_copy_size();
    bench.forget_saved();
    const std::uint64_t seen = bench.save_rest().state.size();
    source.set_state(DeviceState::stop);
    const auto check = [&](std::uint64_t told, const char* where) {
        if (told == 0 && seen != 0) bench.note("told nothing in " + std::string(where));
        if (told == 0 || told >= seen) return;
        source.fail("stop_copy_size() told " + std::to_string(told) + " bytes in " + where +
                    ", and read() gave " + std::to_string(seen) +
                    ": a downtime would be predicted too short");
    };
    check(stopped, "stop");
    check(saving, "stop-copy");
    bench.note("told " + std::to_string(stopped) + " bytes, gave " + std::to_string(seen));
}

void check_cancelled_save(Bench& bench) {
    CheckedDevice& source = bench.source();
    bench.run(source);
    const std::size_t state_bytes = bench.save_source().state.size();
    bench.run(source);
    source.set_state(DeviceState::stop_copy);
    read_half(bench, state_bytes);
    source.set_state(DeviceState::running);
    bench.tell(CheckEvent::source_resumed);
    bench.load_and_run(bench.save_source());
}

void check_interrupted_save(Bench& bench) {
    CheckedDevice& source = bench.source();
    const std::size_t state_bytes = bench.save_source().state.size();
    source.set_state(DeviceState::stop_copy);
    read_half(bench, state_bytes);
    source.device().interrupt();
    const CallResult read = source.try_read(kLargeCalls.front());
    if (!read.ok() && read.error != std::errc::operation_canceled) {
        source.fail("read() after interrupt() failed with " + read.error.message() +
                    " instead of operation_canceled: " + reason_of(read));
    }
    const DeviceState state = source.state();
    if (state != DeviceState::stop_copy) {
        source.fail("interrupt() took it from stop-copy to " + std::string(to_string(state)));
    }
    source.set_state(DeviceState::stop);
    bench.load_and_run(bench.save_source());
}

}  // namespace multifd
