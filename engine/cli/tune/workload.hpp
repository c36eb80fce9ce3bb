// Workload: what a tuning moves in each run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace multifd::tuning {

/// How the synthetic devices hold their state.
enum class Memory {
    held,  ///< Read and written by calls, as most real devices are.
    lent,  ///< Sent from and received into directly.
};
std::string_view to_string(Memory memory) noexcept;

struct Workload {
    std::uint32_t devices = 1;
    std::uint64_t state_size = 256U << 20U;  ///< Of each device.
    std::uint64_t compressible_percent = 0;
    Memory memory = Memory::held;
    std::uint64_t read_rate = 0;  ///< Bytes per second of each device; 0 is without limit.
    std::uint64_t write_rate = 0;
};

inline constexpr std::uint32_t kWorkloadDevicesMax = 64;

/// Values of --device, the same for both ends.
std::vector<std::string> device_words(const Workload& workload);

}  // namespace multifd::tuning
