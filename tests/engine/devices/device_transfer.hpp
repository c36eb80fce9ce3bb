// A source and a destination device, connected without an engine: what one gives, the other takes.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/devices/device_options.hpp"
#include "engine/devices/memory_device.hpp"
#include "tests/engine/devices/manual_clock.hpp"

namespace multifd::test {

using Bytes = std::vector<std::byte>;

/// A memory device described as on a command line (without kind and idstr), and its clock.
struct ClockedDevice {
    std::unique_ptr<MemoryDevice> device;
    ManualClock* clock = nullptr;
    MemoryDevice* operator->() const { return device.get(); }
    MemoryDevice& operator*() const { return *device; }
};

ClockedDevice make_source(const std::string& options);
ClockedDevice make_destination(const std::string& options);

/// Reads until the end (or until there is nothing for now), each time up to a random size.
CallResult read_all(Device& source, Bytes& target, std::mt19937& random, std::size_t call_max);
/// Writes all of it, each time a random size.
CallResult write_all(Device& destination, std::span<const std::byte> state, std::mt19937& random,
                     std::size_t call_max);

/// What a stopped source gives.
struct SavedState {
    Bytes state;
    Bytes config;
};

/// Brings the source to STOP_COPY, and reads it out.
SavedState save(Device& source, std::uint32_t seed = 1, std::size_t call_max = 1U << 20U);
/// Brings the destination to RESUMING, writes, and brings it to STOP; the first failure.
CallResult load(Device& destination, const SavedState& saved, std::uint32_t seed = 1,
                std::size_t call_max = 1U << 20U);

}  // namespace multifd::test
