#include "tests/engine/devices/device_transfer.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "engine/devices/memory_options.hpp"
#include "engine/devices/option_reader.hpp"

namespace multifd::test {
namespace {

ClockedDevice make(const std::string& options, Role role) {
    const DeviceSpec spec =
        parse_device_spec("memory,idstr=gpu0" + (options.empty() ? "" : "," + options));
    auto clock = std::make_unique<ManualClock>();
    ClockedDevice made;
    made.clock = clock.get();
    made.device = std::make_unique<MemoryDevice>(
        read_memory_options(OptionReader(spec, memory_keys()), role), std::move(clock));
    return made;
}

std::size_t next_size(std::mt19937& random, std::size_t call_max) {
    // Small and large calls alike often: uniform in the logarithm.
    const auto bound =
        static_cast<std::size_t>(std::uniform_int_distribution<unsigned>(0, 20)(random));
    return std::uniform_int_distribution<std::size_t>(
        1, std::min(call_max, std::size_t{1} << bound))(random);
}

}  // namespace

ClockedDevice make_source(const std::string& options) {
    return make(options, Role::source);
}

ClockedDevice make_destination(const std::string& options) {
    return make(options, Role::destination);
}

CallResult read_all(Device& source, Bytes& target, std::mt19937& random, std::size_t call_max) {
    Bytes buffer(call_max);
    while (true) {
        const auto asked = std::span(buffer).first(next_size(random, call_max));
        const CallResult result = source.read(asked);
        if (!result.ok() || result.value == 0) return result;
        REQUIRE(result.value <= asked.size());
        target.insert(target.end(), asked.begin(),
                      asked.begin() + static_cast<std::ptrdiff_t>(result.value));
    }
}

CallResult write_all(Device& destination, std::span<const std::byte> state, std::mt19937& random,
                     std::size_t call_max) {
    while (!state.empty()) {
        const std::size_t bytes = std::min(state.size(), next_size(random, call_max));
        CallResult result = destination.write(state.first(bytes));
        if (!result.ok()) return result;
        REQUIRE(result.value == bytes);
        state = state.subspan(bytes);
    }
    return CallResult::success();
}

SavedState save(Device& source, std::uint32_t seed, std::size_t call_max) {
    std::mt19937 random(seed);
    SavedState saved;
    REQUIRE(source.set_state(DeviceState::stop_copy).ok());
    const CallResult size = source.stop_copy_size();
    REQUIRE(size.ok());
    REQUIRE(read_all(source, saved.state, random, call_max).ok());
    CHECK(size.value == saved.state.size());
    REQUIRE(source.save_config(saved.config).ok());
    CHECK(source.stop_copy_size().value == 0);
    return saved;
}

CallResult load(Device& destination, const SavedState& saved, std::uint32_t seed,
                std::size_t call_max) {
    std::mt19937 random(seed);
    CallResult result = destination.set_state(DeviceState::resuming);
    if (result.ok()) result = write_all(destination, saved.state, random, call_max);
    if (result.ok()) result = destination.load_config(saved.config);
    if (result.ok()) result = destination.set_state(DeviceState::stop);
    return result;
}

}  // namespace multifd::test
