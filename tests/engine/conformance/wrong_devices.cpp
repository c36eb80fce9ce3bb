#include "tests/engine/conformance/wrong_devices.hpp"

#include <algorithm>

namespace multifd::test {
namespace {

using Alterations = AlteredDevice::Alterations;

const std::string kPlain = "size=300000,config-size=64";
const std::string kPreCopy = "size=300000,config-size=64,precopy=on";

CallResult failure(const char* detail) {
    return CallResult::failure(std::errc::io_error, detail);
}

Alterations a_state_without_end() {
    return {.read = [](Device& inner, std::span<std::byte> target) {
        const CallResult read = inner.read(target);
        return read.ok() ? CallResult::success(target.size()) : read;
    }};
}

Alterations one_byte_behind_the_end() {
    return {.read = [](Device& inner, std::span<std::byte> target) {
        const CallResult read = inner.read(target);
        return read.ok() && read.value == 0 && target.size() == 4096 ? CallResult::success(1)
                                                                     : read;
    }};
}

/// What a stream gave, and whether it came to its end.
struct Progress {
    std::uint64_t bytes = 0;
    bool ended = false;
    bool broken = false;
};

CallResult count(Progress& progress, const CallResult& moved) {
    progress.bytes += moved.value;
    progress.ended = moved.ok() && moved.value == 0;
    return moved;
}

Alterations a_stream_that_goes_on() {
    const auto progress = std::make_shared<Progress>();
    return {.set_state =
                [progress](Device& inner, DeviceState target) {
                    const CallResult made = inner.set_state(target);
                    if (made.ok() && target == DeviceState::stop_copy && !progress->ended) {
                        std::vector<std::byte> given(progress->bytes);
                        (void)inner.read(given);
                    }
                    return made;
                },
            .read =
                [progress](Device& inner, std::span<std::byte> target) {
                    const CallResult read = count(*progress, inner.read(target));
                    if (progress->ended) progress->bytes = 0;
                    return read;
                }};
}

Alterations another_first_byte() {
    return {.read = [](Device& inner, std::span<std::byte> target) {
        const CallResult read = inner.read(target);
        if (read.ok() && read.value != 0) target[0] ^= std::byte{1};
        return read;
    }};
}

Alterations a_state_that_claims_too_much() {
    return {.read = [](Device& inner, std::span<std::byte> target) {
        const CallResult read = inner.read(target);
        return CallResult::success(read.value + 1 + target.size());
    }};
}

Alterations no_way_from_stop_copy_to_p2p() {
    return {.set_state = [](Device& inner, DeviceState target) {
        const bool refused =
            inner.state() == DeviceState::stop_copy && target == DeviceState::running_p2p;
        return refused ? failure("no such way") : inner.set_state(target);
    }};
}

Alterations a_state_that_is_not_reached() {
    return {.set_state = [](Device& inner, DeviceState target) {
        const bool ignored =
            inner.state() == DeviceState::stop_copy && target == DeviceState::running_p2p;
        return ignored ? CallResult::success() : inner.set_state(target);
    }};
}

Alterations a_way_back_to_pre_copy() {
    return {.set_state = [](Device& inner, DeviceState target) {
        const bool back =
            inner.state() == DeviceState::stop_copy && target == DeviceState::pre_copy;
        if (back) (void)inner.set_state(DeviceState::running);
        return inner.set_state(target);
    }};
}

Alterations a_refusal_that_stops() {
    return {.set_state = [](Device& inner, DeviceState target) {
        if (target == DeviceState::error) (void)inner.set_state(DeviceState::stop);
        return inner.set_state(target);
    }};
}

Alterations reads_while_it_runs() {
    return {.read = [](Device& inner, std::span<std::byte> target) {
        return inner.state() == DeviceState::running ? CallResult::success(0) : inner.read(target);
    }};
}

Alterations writes_while_it_is_stopped() {
    return {.write = [](Device& inner, std::span<const std::byte> source) {
        return inner.state() == DeviceState::stop ? CallResult::success(source.size())
                                                  : inner.write(source);
    }};
}

Alterations a_size_too_small() {
    return {.stop_copy_size = [](Device& inner) {
        const CallResult told = inner.stop_copy_size();
        return told.ok() ? CallResult::success(told.value - 1) : told;
    }};
}

Alterations wrong_bytes_in_odd_reads() {
    return {.read = [](Device& inner, std::span<std::byte> target) {
        const CallResult read = inner.read(target);
        if (read.ok() && target.size() == 511 && read.value == 511) target[510] = std::byte{};
        return read;
    }};
}

/// From the first to the second time that it is saved in the same STOP_COPY.
Alterations a_config_that_changes() {
    const auto saves = std::make_shared<int>(0);
    return {.set_state =
                [saves](Device& inner, DeviceState target) {
                    *saves = 0;
                    return inner.set_state(target);
                },
            .save_config =
                [saves](Device& inner, std::vector<std::byte>& target) {
                    const CallResult saved = inner.save_config(target);
                    if (++*saves == 2) target[0] ^= std::byte{1};
                    return saved;
                }};
}

Alterations a_config_too_large() {
    return {.save_config = [](Device&, std::vector<std::byte>& target) {
        target.assign((1U << 20U) + 1, std::byte{});
        return CallResult::success(target.size());
    }};
}

Alterations other_memory_lent() {
    return {.lend = [](Device& inner) {
        const auto lent = inner.lend();
        return lent.empty() ? lent : lent.first(lent.size() - 1);
    }};
}

/// Fails when it is saved again right after a save that was left half way.
Alterations no_retry_after_a_cancel() {
    const auto progress = std::make_shared<Progress>();
    return {.set_state =
                [progress](Device& inner, DeviceState target) {
                    const DeviceState from = inner.state();
                    if (target == DeviceState::stop_copy && from == DeviceState::running &&
                        progress->broken) {
                        return failure("it was cancelled");
                    }
                    progress->broken = from == DeviceState::stop_copy && progress->bytes != 0 &&
                                       target == DeviceState::running && !progress->ended;
                    progress->bytes = 0;
                    return inner.set_state(target);
                },
            .read =
                [progress](Device& inner, std::span<std::byte> target) {
                    return count(*progress, inner.read(target));
                }};
}

Alterations another_error_when_interrupted(bool of_read) {
    const auto interrupted = std::make_shared<bool>(false);
    Alterations alterations;
    alterations.interrupt = [interrupted](Device&) { *interrupted = true; };
    if (of_read) {
        alterations.read = [interrupted](Device& inner, std::span<std::byte> target) {
            return std::exchange(*interrupted, false) ? failure("torn") : inner.read(target);
        };
    } else {
        alterations.write = [interrupted](Device& inner, std::span<const std::byte> source) {
            return std::exchange(*interrupted, false) ? failure("torn") : inner.write(source);
        };
    }
    return alterations;
}

Alterations no_reset_in(DeviceState state) {
    return {.reset = [state](Device& inner) {
        return inner.state() == state ? CallResult::success() : inner.reset();
    }};
}

/// Keeps what was written before a reset.
Alterations a_trace_of_a_load() {
    const auto progress = std::make_shared<Progress>();
    return {.set_state =
                [progress](Device& inner, DeviceState target) {
                    progress->bytes = 0;
                    return inner.set_state(target);
                },
            .write =
                [progress](Device& inner, std::span<const std::byte> source) {
                    if (progress->broken) return failure("more than there is room for");
                    return count(*progress, inner.write(source));
                },
            .reset =
                [progress](Device& inner) {
                    progress->broken = progress->bytes > 0 && progress->bytes < 300000;
                    return inner.reset();
                }};
}

Alterations it_runs_what_it_refused() {
    return {.set_state = [](Device& inner, DeviceState target) {
        CallResult made = inner.set_state(target);
        if (!made.ok() && target == DeviceState::stop) (void)inner.reset();
        return made;
    }};
}

Alterations initial_bytes_without_end() {
    return {.pre_copy_sizes = [](Device& inner, PreCopySizes& target) {
        CallResult told = inner.pre_copy_sizes(target);
        target.initial_bytes += 1;
        return told;
    }};
}

/// Tells 1 GiB that it has not, until it has been read.
Alterations initial_bytes_that_never_come() {
    const auto progress = std::make_shared<Progress>();
    return {.set_state =
                [progress](Device& inner, DeviceState target) {
                    progress->ended = false;
                    return inner.set_state(target);
                },
            .read =
                [progress](Device& inner, std::span<std::byte> target) {
                    return count(*progress, inner.read(target));
                },
            .pre_copy_sizes =
                [progress](Device& inner, PreCopySizes& target) {
                    const CallResult told = inner.pre_copy_sizes(target);
                    target.initial_bytes = progress->ended ? 0 : std::uint64_t{1} << 30U;
                    return told;
                }};
}

Alterations pre_copy_sizes_while_it_runs() {
    return {.pre_copy_sizes = [](Device& inner, PreCopySizes& target) {
        return inner.state() == DeviceState::running ? CallResult::success()
                                                     : inner.pre_copy_sizes(target);
    }};
}

/// Loses what it gives first in PRE_COPY, always or after a cancel, and does not tell of it.
Alterations lost_early_bytes(bool only_after_a_cancel) {
    const auto progress = std::make_shared<Progress>();
    progress->broken = !only_after_a_cancel;
    return {.set_state =
                [=](Device& inner, DeviceState target) {
                    const bool cancelled =
                        inner.state() == DeviceState::pre_copy && target == DeviceState::running;
                    if (only_after_a_cancel && cancelled) {
                        progress->broken = progress->bytes != 0 && !progress->ended;
                    }
                    progress->bytes = 0;
                    return inner.set_state(target);
                },
            .read =
                [=](Device& inner, std::span<std::byte> target) {
                    const bool first =
                        inner.state() == DeviceState::pre_copy && progress->bytes == 0;
                    if (first && progress->broken) (void)inner.read(target.first(1000));
                    return count(*progress, inner.read(target));
                },
            .pre_copy_sizes =
                [](Device& inner, PreCopySizes& target) {
                    const CallResult told = inner.pre_copy_sizes(target);
                    target.initial_bytes -= std::min<std::uint64_t>(target.initial_bytes, 1000);
                    return told;
                }};
}

Alterations a_second_start() {
    return {.start_dma_logging = [](Device&) { return CallResult::success(); }};
}

Alterations a_report_that(std::function<void(std::span<std::uint64_t>)> alters) {
    return {.report_dma_logging = [alters = std::move(alters)](Device&,
                                                               std::span<std::uint64_t> bitmap) {
        alters(bitmap);
        return CallResult::success();
    }};
}

std::vector<WrongDevice> wrong_at_rest() {
    const auto no_reset = [] { return no_reset_in(DeviceState::stop_copy); };
    return {
        {"begins in STOP_COPY", "initial-state", "begins in stop-copy", false, kPlain,
         [] { return Alterations(); }, DeviceState::stop_copy},
        {"a state without end", "stream-end", "bytes without an end, and 64MiB is the most", false,
         kPlain, a_state_without_end},
        {"a byte behind the end", "stream-end", "after it had given 0", false, kPlain,
         one_byte_behind_the_end},
        {"claims more than was asked for", "stream-end", "claims to have given", false, kPlain,
         a_state_that_claims_too_much},
        {"a stream that goes on", "new-stream", "the stream after a save", false, kPlain,
         a_stream_that_goes_on},
        {"another state than was loaded", "round-trip", "the state that was loaded is another",
         true, kPlain, another_first_byte},
        {"a reset that does nothing", "reset", "leaves it in stop-copy", false, kPlain, no_reset},
        {"no way to P2P", "transitions", "set_state(running-p2p) in stop-copy failed: no such way",
         false, kPlain, no_way_from_stop_copy_to_p2p},
        {"a state that is not reached", "transitions", "says that it is in stop-copy", true, kPlain,
         a_state_that_is_not_reached},
        {"a way back to PRE_COPY", "forbidden-transitions",
         "set_state(pre-copy) in stop-copy succeeded", false, kPreCopy, a_way_back_to_pre_copy},
        {"a refusal that stops", "forbidden-transitions", "is now in stop", true, kPlain,
         a_refusal_that_stops},
        {"reads while it runs", "read-states", "read() succeeded in running", false, kPlain,
         reads_while_it_runs},
        {"writes while it is stopped", "write-states", "write() succeeded in stop", true, kPlain,
         writes_while_it_is_stopped},
    };
}

Alterations no_room() {
    return {.expect = [](Device&, std::uint64_t) { return failure("no room for it"); }};
}

std::vector<WrongDevice> wrong_in_transfer() {
    const auto torn = [](bool of_read) {
        return [of_read] { return another_error_when_interrupted(of_read); };
    };
    return {
        {"no room", "round-trip", "expect(300000 bytes) failed: no room for it", true, kPlain,
         no_room},
        {"a size too small", "sizes", "told 299999 bytes in stop", false, kPlain, a_size_too_small},
        {"wrong bytes in odd reads", "odd-sizes", "read in odd sizes", false, kPlain,
         wrong_bytes_in_odd_reads},
        {"a config state that changes", "config", "saved once more", false, kPlain,
         a_config_that_changes},
        {"a config state too large", "stream-end", "1 MiB is the most", false, kPlain,
         a_config_too_large},
        {"other memory lent", "lent-memory", "has 299999 bytes", false, kPlain + ",lend=on",
         other_memory_lent},
        {"too little memory lent", "lent-memory", "lends 299999 bytes", true, kPlain + ",lend=on",
         other_memory_lent},
        {"no retry after a cancel", "cancelled-save", "it was cancelled", false, kPlain,
         no_retry_after_a_cancel},
        {"a torn read", "interrupted-save", "instead of operation_canceled", false, kPlain,
         torn(true)},
        {"a trace of a load", "abandoned-resume", "more than there is room for", true, kPlain,
         a_trace_of_a_load},
        {"a torn write", "interrupted-load", "instead of operation_canceled", true, kPlain,
         torn(false)},
        {"runs what it refused", "truncated-state", "but is in running", true, kPlain,
         it_runs_what_it_refused},
    };
}

std::vector<WrongDevice> wrong_while_running() {
    const auto lost = [](bool only_after_a_cancel) {
        return [only_after_a_cancel] { return lost_early_bytes(only_after_a_cancel); };
    };
    const auto tells_again = [] { return a_report_that([](auto bitmap) { bitmap[0] |= 2; }); };
    const auto clears = [] { return a_report_that([](auto bitmap) { bitmap[0] = 0; }); };
    const auto sets_more = [] {
        return a_report_that([](auto bitmap) { bitmap.back() |= ~0ULL; });
    };
    return {
        {"initial bytes without end", "pre-copy-sizes", "still tells 1 initial bytes", false,
         kPreCopy, initial_bytes_without_end},
        {"initial bytes that never come", "pre-copy-sizes", "told 1073741824 initial bytes, and",
         false, kPreCopy, initial_bytes_that_never_come},
        {"pre-copy sizes while it runs", "pre-copy-sizes", "succeeded in running", false, kPreCopy,
         pre_copy_sizes_while_it_runs},
        {"lost early bytes", "pre-copy", "write(", false, kPreCopy, lost(false)},
        {"lost early bytes after a cancel", "cancelled-pre-copy", "write(", false, kPreCopy,
         lost(true)},
        {"a second start", "dma-logging", "while the log was on", false, kPlain, a_second_start},
        {"pages told again", "dma-logging", "pages again", false, kPlain, tells_again},
        {"bits cleared", "dma-logging", "cleared a bit", false, kPlain, clears},
        {"bits behind the range", "dma-logging", "behind the last page", false, kPlain, sets_more},
    };
}

}  // namespace

std::vector<WrongDevice> wrong_devices() {
    std::vector<WrongDevice> all = wrong_at_rest();
    for (const auto& more : {wrong_in_transfer(), wrong_while_running()}) {
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

}  // namespace multifd::test
