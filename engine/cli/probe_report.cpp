#include "engine/cli/probe_report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/cli/printable_text.hpp"
#include "engine/cli/readable.hpp"

namespace multifd {
namespace {

using Json = nlohmann::ordered_json;

std::string yes_no(bool answer) {
    return answer ? "yes" : "no";
}

std::string line_of(std::string_view name, const std::string& text) {
    std::string line = "  " + std::string(name) + ":";
    line.resize(std::max<std::size_t>(line.size() + 1, 16), ' ');
    return line + printable(text) + "\n";
}

std::string name_of(const ProbedDevice& device) {
    std::string name = device.idstr;
    if (device.instance_id != 0) name += "/" + std::to_string(device.instance_id);
    return name;
}

}  // namespace

std::vector<std::string> blockers_of(const ProbedDevice& device,
                                     std::span<const ProbedDevice> all) {
    std::vector<std::string> blockers = device.failures;
    if (device.state) {
        switch (*device.state) {
            case DeviceState::running:
            case DeviceState::running_p2p:
            case DeviceState::stop:
                break;
            case DeviceState::error:
                blockers.emplace_back("it is in error: only a reset leaves that, or its driver");
                break;
            case DeviceState::stop_copy:
            case DeviceState::resuming:
            case DeviceState::pre_copy:
            case DeviceState::pre_copy_p2p:
                blockers.push_back("it is in " + std::string(to_string(*device.state)) +
                                   ", left so by an earlier migration; a migration begins from "
                                   "running, running-p2p or stop");
                break;
        }
    }
    const auto does_peer_dma = [](const ProbedDevice& one) { return one.traits.peer_dma; };
    const bool several = std::ranges::count_if(all, does_peer_dma) > 1;
    if (several && device.traits.peer_dma && !device.traits.p2p) {
        blockers.emplace_back(
            "it has no P2P state, so it does not migrate together with another that does peer DMA");
    }
    return blockers;
}

std::vector<std::string> notes_of(const ProbedDevice& device) {
    std::vector<std::string> notes;
    if (!device.traits.pre_copy) {
        notes.emplace_back("no pre-copy: its whole state moves while it is stopped");
    }
    if (device.state_bytes == 0) {
        notes.emplace_back("its state's size is not known before it is stopped");
    }
    if (device.traits.peer_dma && !device.traits.dma_logging) {
        notes.emplace_back(
            "it does not log its DMA: a VMM must track what it writes by the IOMMU, or resend all");
    }
    return notes;
}

std::string probe_text(std::span<const ProbedDevice> devices) {
    std::string text;
    for (const ProbedDevice& device : devices) {
        const auto blockers = blockers_of(device, devices);
        text += printable(name_of(device)) + ": " + std::string(device.traits.kind) + ", " +
                (blockers.empty() ? "can be migrated" : "cannot be migrated") + "\n";
        text += line_of("state", device.state ? std::string(to_string(*device.state)) : "unknown");
        text += line_of("state-bytes",
                        device.state_bytes == 0 ? "unknown" : readable_bytes(device.state_bytes));
        text += line_of("pre-copy", yes_no(device.traits.pre_copy));
        text += line_of("p2p", yes_no(device.traits.p2p));
        text += line_of("dma-logging", yes_no(device.traits.dma_logging));
        for (const auto& [name, value] : device.facts) text += line_of(name, value);
        for (const auto& line : blockers) text += line_of("BLOCKED", line);
        for (const auto& line : notes_of(device)) text += line_of("note", line);
    }
    return text;
}

std::string probe_json(std::span<const ProbedDevice> devices) {
    Json list = Json::array();
    for (const ProbedDevice& device : devices) {
        Json facts = Json::object();
        for (const auto& [name, value] : device.facts) facts[name] = value;
        list.push_back(
            {{"idstr", device.idstr},
             {"instance-id", device.instance_id},
             {"kind", device.traits.kind},
             {"state", device.state ? Json(to_string(*device.state)) : Json(nullptr)},
             {"state-bytes", device.state_bytes == 0 ? Json(nullptr) : Json(device.state_bytes)},
             {"pre-copy", device.traits.pre_copy},
             {"p2p", device.traits.p2p},
             {"dma-logging", device.traits.dma_logging},
             {"facts", std::move(facts)},
             {"blockers", blockers_of(device, devices)},
             {"notes", notes_of(device)}});
    }
    return Json{{"devices", std::move(list)}}.dump(2, ' ', false,
                                                   nlohmann::json::error_handler_t::replace) +
           "\n";
}

std::string candidates_text(std::span<const VfioCandidate> candidates) {
    if (candidates.empty()) {
        return "This host has no device for --device vfio: no VFIO driver is bound to one, and the "
               "kernel has none that migrates what is here.\n";
    }
    std::string text;
    for (const VfioCandidate& candidate : candidates) {
        text += printable(candidate.name) + ": ";
        text += candidate.driver.empty() ? "no driver" : "driver " + printable(candidate.driver);
        if (candidate.ready && candidate.driver == "vfio-pci" && !candidate.suggested.empty()) {
            text += ", which migrates nothing; " + candidate.suggested + " is for it";
        }
        text += "\n  " +
                std::string(candidate.ready ? "try: multifd probe --device " : "as root: ") +
                printable(candidate.next) + "\n";
    }
    return text;
}

std::string candidates_json(std::span<const VfioCandidate> candidates) {
    Json list = Json::array();
    for (const VfioCandidate& candidate : candidates) {
        const auto text_or_null = [](const std::string& text) {
            return text.empty() ? Json(nullptr) : Json(text);
        };
        list.push_back({{"name", candidate.name},
                        {"driver", text_or_null(candidate.driver)},
                        {"suggested-driver", text_or_null(candidate.suggested)},
                        {"ready", candidate.ready},
                        {candidate.ready ? "device" : "command", candidate.next}});
    }
    return Json{{"candidates", std::move(list)}}.dump(2, ' ', false,
                                                      nlohmann::json::error_handler_t::replace) +
           "\n";
}

}  // namespace multifd
