// What `multifd probe` found, judged and in words.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/devices/vfio/vfio_candidates.hpp"
#include "multifd/device.hpp"

namespace multifd {

/// One device as it answered.
struct ProbedDevice {
    std::string idstr;
    std::uint32_t instance_id = 0;
    DeviceTraits traits;
    std::optional<DeviceState> state;                        ///< Empty: it does not tell.
    std::uint64_t state_bytes = 0;                           ///< 0: not known.
    std::vector<std::pair<std::string, std::string>> facts;  ///< What its kind adds.
    std::vector<std::string> failures;                       ///< Calls that failed, a line each.
};

/// What would keep `device` from migrating together with the others, in lines.
std::vector<std::string> blockers_of(const ProbedDevice& device, std::span<const ProbedDevice> all);
/// What is worth knowing of it, but blocks nothing.
std::vector<std::string> notes_of(const ProbedDevice& device);

std::string probe_text(std::span<const ProbedDevice> devices);
/// {"devices": [...]}, with the blockers and notes of each.
std::string probe_json(std::span<const ProbedDevice> devices);

std::string candidates_text(std::span<const VfioCandidate> candidates);
/// {"candidates": [...]}.
std::string candidates_json(std::span<const VfioCandidate> candidates);

}  // namespace multifd
