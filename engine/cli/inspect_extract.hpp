// Writes what a recording holds of each device to files.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/inspection.hpp"

namespace multifd {

/// "gpu%2F0.3": the part of a file's name that stands for a device. Bytes outside [A-Za-z0-9.-]
/// become %XX, so it names no other folder, and no two devices share a name.
std::string extracted_name(const DeviceIdentity& identity);

struct ExtractedFile {
    std::string path;
    std::uint64_t bytes = 0;
};

/// Writes, for each device, into `folder`, which is made when missing:
///   NAME.state    the state of STOP_COPY in the order of idx, or from the END section
///   NAME.config   the config state, what lies between its tokens
///   NAME.precopy  what came before the switchover, if anything
/// A state with a missing idx becomes NAME.state.incomplete. Files appear complete or not at all.
/// Throws StartFailure with output_failed, naming the file.
std::vector<ExtractedFile> extract_devices(const Inspection& inspection, const std::string& folder);

}  // namespace multifd
