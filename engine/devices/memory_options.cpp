#include "engine/devices/memory_options.hpp"

#include <array>
#include <utility>

#include "channels/wire/limits.hpp"
#include "engine/devices/memory_content.hpp"
#include "engine/devices/state_content.hpp"

namespace multifd {
namespace {

constexpr std::array<std::string_view, 17> kKeys{
    "size",       "seed",    "compressible", "config-size", "read-rate", "write-rate",
    "dirty-rate", "precopy", "p2p",          "held",        "lend",      "reject",
    "fail",       "hang",    "stuck",        "throw",       "exhaust"};

constexpr std::array<std::pair<std::string_view, FaultKind>, 5> kFaultKeys{{
    {"fail", FaultKind::fail},
    {"hang", FaultKind::hang},
    {"stuck", FaultKind::stuck},
    {"throw", FaultKind::thrown},
    {"exhaust", FaultKind::exhaust},
}};

// A terabyte per second is faster than any memory, and keeps what is counted from it in 64 bits.
constexpr OptionRange kRates{0, std::uint64_t{1} << 40U};

void refuse_combinations(const OptionReader& reader, const MemoryOptions& options) {
    if (options.pre_copy && options.lend) {
        reader.refuse(
            "lend=on needs precopy=off: a stream of pre-copy records does not stand in "
            "memory as it is sent");
    }
    if (options.pre_copy && options.held) {
        reader.refuse("held=on needs precopy=off: memory that is held is not written to");
    }
    if (options.dirty_rate != 0 && !options.pre_copy) {
        reader.refuse("dirty-rate", "0, or any rate together with precopy=on");
    }
    if (options.role == Role::source) {
        if (options.lend && options.read_rate != 0) {
            reader.refuse("read-rate", "0 with lend=on, because lent memory is not read by calls");
        }
        return;
    }
    if (options.held && !options.size) {
        reader.refuse(
            "key \"size\" is required with held=on or lend=on at a destination, which "
            "needs the memory before it knows the source");
    }
    if (options.config_size == 0U && !options.size) {
        reader.refuse(
            "key \"size\" is required with config-size=0 at a destination, which could "
            "not know how long the state is");
    }
}

}  // namespace

std::span<const std::string_view> memory_keys() noexcept {
    return kKeys;
}

MemoryOptions read_memory_options(const OptionReader& reader, Role role) {
    MemoryOptions options;
    options.role = role;
    options.size = reader.size("size", {0, kContentBytesMax});
    options.seed = reader.count("seed", {0, kContentSeedMax});
    options.compressible_pct = reader.count("compressible", {0, 100});
    options.config_size = reader.size("config-size", {0, limits::kConfigStateBytesMax});
    if (options.config_size.value_or(0) != 0 && *options.config_size < kMemoryConfigBytesMin) {
        reader.refuse("config-size", "0, or 64 to 1MiB");
    }
    options.read_rate = reader.rate("read-rate", kRates).value_or(0);
    options.write_rate = reader.rate("write-rate", kRates).value_or(0);
    options.dirty_rate = reader.rate("dirty-rate", kRates).value_or(0);
    options.pre_copy = reader.flag("precopy").value_or(false);
    options.p2p = reader.flag("p2p").value_or(true);
    options.lend = reader.flag("lend").value_or(false);
    options.held = reader.flag("held").value_or(options.lend);
    if (options.lend && !options.held) reader.refuse("held", "on, because lend=on implies it");
    options.reject = reader.flag("reject").value_or(false);
    options.initial_state = reader.initial_state();
    for (const auto& [key, kind] : kFaultKeys) {
        const auto text = reader.text(key);
        if (!text) continue;
        const auto faults = parse_fault(kind, *text);
        if (!faults) reader.refuse(key, kFaultForm);
        options.faults.insert(options.faults.end(), faults->begin(), faults->end());
    }
    refuse_combinations(reader, options);
    return options;
}

}  // namespace multifd
