// The options of a memory device.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/devices/fault_plan.hpp"
#include "engine/devices/option_reader.hpp"
#include "multifd/device.hpp"
#include "multifd/report.hpp"

namespace multifd {

/// What `--device memory,KEY=VALUE,...` may say besides the common keys. Both ends may be given the
/// same text; what a destination is not told about the state it learns from it, what it is told
/// must be so.
///
///     size=SIZE             of the state, 0 to 1TiB; a source's default is 64MiB
///     seed=NUMBER           decides every byte; 0 to 2^56 - 1; a source's default is 0
///     compressible=PERCENT  0 to 100, about so much of the state is cheap to compress; default 0
///     config-size=SIZE      of the config state, 0 or 64 to 1MiB; a source's default is 4KiB. A
///                           destination that is to do without (0) needs `size`
///     read-rate=RATE        how fast the state can be read, bytes per second; 0, the default,
///     means
///                           without limit
///     write-rate=RATE       the same for writing
///     precopy=on|off        whether the source has PRE_COPY; its state is then a stream of
///     records;
///                           default off
///     dirty-rate=RATE       what the source writes to its pages, round robin, in PRE_COPY and
///                           PRE_COPY_P2P, at most 1TiB/s; needs precopy=on
///     p2p=on|off            whether it has RUNNING_P2P; default on
///     held=on|off           whether the state stands in memory instead of being computed; checked
///                           as a whole when the destination leaves RESUMING; needs `size` at the
///                           destination, and precopy=off; default off
///     lend=on|off           whether that memory is lent to the engine; implies held; a source then
///                           has no read-rate; default off
///     state=running|stop    what the device is in at first; default running
///
/// Failures on purpose, each once (kFaultForm says how a step is written):
///     fail=STEP[:AT]        that call fails; a failed set-state ends in ERROR
///     hang=STEP[:AT]        it does not return before it is interrupted
///     stuck=STEP[:AT]       it never returns
///     throw=STEP[:AT]       it throws std::runtime_error
///     exhaust=STEP[:AT]     it throws std::bad_alloc
///     reject=on|off         RESUMING to STOP always fails; default off
struct MemoryOptions {
    Role role = Role::source;
    // Absent: a source takes its default, a destination what comes.
    std::optional<std::uint64_t> size;
    std::optional<std::uint64_t> seed;
    std::optional<std::uint64_t> compressible_pct;
    std::optional<std::uint64_t> config_size;
    std::uint64_t read_rate = 0;
    std::uint64_t write_rate = 0;
    std::uint64_t dirty_rate = 0;
    bool pre_copy = false;
    bool p2p = true;
    bool held = false;
    bool lend = false;
    bool reject = false;
    DeviceState initial_state = DeviceState::running;
    std::vector<Fault> faults;
};

/// The keys above, without the common ones.
[[nodiscard]] std::span<const std::string_view> memory_keys() noexcept;

/// Reads them from a description that has only memory_keys(); throws UsageError.
[[nodiscard]] MemoryOptions read_memory_options(const OptionReader& reader, Role role);

}  // namespace multifd
