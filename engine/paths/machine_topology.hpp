// What this machine has to place threads and memory on: CPUs, NUMA nodes, network devices.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "channels/transport/address.hpp"

namespace multifd {

struct MachineTopology {
    std::vector<unsigned> existing;                   ///< CPUs that are online.
    std::vector<unsigned> allowed;                    ///< Those this process may use.
    std::map<unsigned, std::vector<unsigned>> nodes;  ///< CPUs by NUMA node; may be empty.
};

/// Reads /sys (or what stands in for it at `sys`) and the process's affinity. What cannot be read
/// is left out.
[[nodiscard]] MachineTopology read_topology(const std::string& sys = "/sys");

/// How many processors this process may use; at least 1.
[[nodiscard]] std::uint32_t allowed_processors();

/// The network device that has `address`; empty for a UNIX socket or when none has it.
[[nodiscard]] std::string network_device_of(const Address& address);

/// The NUMA node a network device is on; none for virtual devices and where the kernel does not
/// know.
[[nodiscard]] std::optional<unsigned> node_of_device(const std::string& device,
                                                     const std::string& sys = "/sys");

}  // namespace multifd
