// multifd probe: what devices can do, and what would block their migration.
#include <sys/utsname.h>

#include "engine/cli/probe_report.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/run_settings.hpp"
#include "engine/cli/subcommands.hpp"
#include "engine/devices/vfio/vfio_device.hpp"

namespace multifd {
namespace {

void print(const std::string& text) {
    const std::error_code error = write_result("-", text);
    if (error) throw StartFailure(Errc::output_failed, "standard output: " + error.message());
}

ProbedDevice ask(const DeviceEntry& entry) {
    ProbedDevice probed{.idstr = entry.idstr,
                        .instance_id = entry.instance_id,
                        .traits = entry.device->traits(),
                        .state = {},
                        .state_bytes = 0,
                        .facts = {},
                        .failures = {}};
    try {
        probed.state = entry.device->state();
        const CallResult size = entry.device->stop_copy_size();
        probed.state_bytes = size.value;
        if (!size.ok()) probed.failures.push_back(size.detail);
    } catch (const std::exception& error) {
        probed.failures.emplace_back(error.what());
    }
    auto* vfio = dynamic_cast<VfioDevice*>(entry.device.get());
    if (vfio != nullptr) probed.facts = vfio->facts();
    return probed;
}

int probe_devices(const RunSettings& settings) {
    std::vector<ProbedDevice> probed;
    for (const DeviceEntry& entry : make_devices(settings, Role::source)) {
        probed.push_back(ask(entry));
    }
    print(settings.command.json_flag ? probe_json(probed) : probe_text(probed));
    for (const ProbedDevice& device : probed) {
        if (!blockers_of(device, probed).empty()) return static_cast<int>(ExitCode::device_failed);
    }
    return static_cast<int>(ExitCode::completed);
}

}  // namespace

int probe(const Arguments& arguments, CommandContext& context) {
    const RunSettings settings = settle(arguments);
    context.signals.handle(leave_at_once);
    if (!settings.devices.empty()) return probe_devices(settings);
    utsname system{};
    const bool known = ::uname(&system) == 0;
    const auto candidates = find_vfio_candidates(read_module_aliases(known ? system.release : ""));
    print(settings.command.json_flag ? candidates_json(candidates) : candidates_text(candidates));
    return static_cast<int>(ExitCode::completed);
}

}  // namespace multifd
