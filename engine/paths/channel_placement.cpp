#include "engine/paths/channel_placement.hpp"

#include <sched.h>

#include <algorithm>
#include <stdexcept>

#include "channels/memory/memory_policy.hpp"
#include "engine/paths/cpu_list.hpp"

namespace multifd {
namespace {

bool contains(const std::vector<unsigned>& cpus, unsigned cpu) {
    return std::ranges::find(cpus, cpu) != cpus.end();
}

std::string nodes_of(const MachineTopology& topology) {
    std::vector<unsigned> nodes;
    for (const auto& [node, cpus] : topology.nodes) nodes.push_back(node);
    return format_cpu_list(nodes);
}

bool has_numa(const MachineTopology& topology) {
    return topology.nodes.size() > 1;
}

std::vector<unsigned> usable_cpus_of(unsigned node, const MachineTopology& topology) {
    std::vector<unsigned> cpus;
    const auto found = topology.nodes.find(node);
    if (found == topology.nodes.end()) return cpus;
    for (const unsigned cpu : found->second) {
        if (contains(topology.allowed, cpu)) cpus.push_back(cpu);
    }
    return cpus;
}

/// The node that was asked for, or none and why in `note`.
std::optional<unsigned> node_for(const NumaNode& wish, const MachineTopology& topology,
                                 const std::string& device, std::optional<unsigned> device_node,
                                 std::string& note) {
    if (wish.kind == NumaNode::Kind::none) return std::nullopt;
    if (!has_numa(topology)) {
        note = "this machine has one NUMA node, so numa-node changes nothing";
        return std::nullopt;
    }
    if (wish.kind == NumaNode::Kind::fixed) return wish.node;
    if (device_node && topology.nodes.contains(*device_node)) return device_node;
    note = device.empty() ? "numa-node auto changes nothing: the connection has no network device"
                          : "numa-node auto changes nothing: the NUMA node of network device " +
                                device + " is not known; give its number";
    return std::nullopt;
}

bool run_on(const std::vector<unsigned>& cpus) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const unsigned cpu : cpus) {
        if (cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
    }
    return ::sched_setaffinity(0, sizeof set, &set) == 0;
}

}  // namespace

void check_placement(const CommonSettings& settings, const MachineTopology& topology) {
    for (const unsigned cpu : settings.channel_cpus) {
        // Where /sys does not say what exists, what is allowed says enough.
        if (!topology.existing.empty() && !contains(topology.existing, cpu)) {
            throw std::invalid_argument("channel-cpus names CPU " + std::to_string(cpu) +
                                        ", which is not there: this machine has " +
                                        format_cpu_list(topology.existing));
        }
        if (!contains(topology.allowed, cpu)) {
            throw std::invalid_argument("channel-cpus names CPU " + std::to_string(cpu) +
                                        ", which this process may not use: it is confined to " +
                                        format_cpu_list(topology.allowed));
        }
    }
    const NumaNode& wish = settings.numa_node;
    const bool fixed = wish.kind == NumaNode::Kind::fixed;
    if (fixed && has_numa(topology) && !topology.nodes.contains(wish.node)) {
        throw std::invalid_argument("numa-node is " + std::to_string(wish.node) +
                                    ", which is not there: this machine has " + nodes_of(topology));
    }
}

PlacementPlan plan_placement(const CommonSettings& settings, const MachineTopology& topology,
                             const std::string& device, std::optional<unsigned> device_node) {
    PlacementPlan plan;
    plan.node = node_for(settings.numa_node, topology, device, device_node, plan.note);
    for (const unsigned cpu : settings.channel_cpus) plan.cpus.push_back({cpu});
    if (!plan.node) return plan;
    const auto near = usable_cpus_of(*plan.node, topology);
    const std::string node = "NUMA node " + std::to_string(*plan.node);
    if (plan.cpus.empty() && !near.empty()) {
        plan.cpus.push_back(near);
    } else if (near.empty()) {
        plan.note = "this process may use no CPU of " + node + ": only memory is placed there";
    } else if (!std::ranges::all_of(settings.channel_cpus,
                                    [&](unsigned cpu) { return contains(near, cpu); })) {
        plan.note = "channel-cpus lie outside of " + node + ", where the memory is placed";
    }
    return plan;
}

ChannelPlacement::ChannelPlacement(PlacementPlan plan, std::size_t channels)
    : plan_(std::move(plan)), placed_(std::vector<std::string>(channels)) {}

void ChannelPlacement::enter(ChannelId channel) {
    // What a receive call faults in comes from here too.
    if (plan_.node) static_cast<void>(prefer_node(*plan_.node));
    if (plan_.cpus.empty()) return;
    const auto& cpus = plan_.cpus[channel.value % plan_.cpus.size()];
    if (!run_on(cpus)) return;
    placed_.with(
        [&](std::vector<std::string>& all) { all[channel.value] = format_cpu_list(cpus); });
}

std::string ChannelPlacement::cpus_of(ChannelId channel) const {
    return placed_.look([&](const std::vector<std::string>& all) {
        return channel.value < all.size() ? all[channel.value] : std::string();
    });
}

}  // namespace multifd
