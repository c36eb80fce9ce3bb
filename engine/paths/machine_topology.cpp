#include "engine/paths/machine_topology.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sched.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

#include "channels/transport/resolver.hpp"
#include "engine/paths/cpu_list.hpp"

namespace multifd {
namespace {

/// The first line of a file of the kernel's; empty when it cannot be read.
std::string line_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::vector<unsigned> cpus_in(const std::string& path) {
    return parse_cpu_list(line_of(path)).value_or(std::vector<unsigned>{});
}

std::vector<unsigned> affinity_of_process() {
    // Larger than the kernel's own largest, so that one call is enough.
    constexpr std::size_t kCpus = 8192;
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(
        CPU_ALLOC(kCpus), [](cpu_set_t* owned) { CPU_FREE(owned); });
    const std::size_t bytes = CPU_ALLOC_SIZE(kCpus);
    std::vector<unsigned> cpus;
    if (set == nullptr) return cpus;
    CPU_ZERO_S(bytes, set.get());
    if (::sched_getaffinity(0, bytes, set.get()) != 0) return cpus;
    for (unsigned cpu = 0; cpu < kCpus; ++cpu) {
        if (CPU_ISSET_S(cpu, bytes, set.get())) cpus.push_back(cpu);
    }
    return cpus;
}

std::string host_of(const sockaddr* name) {
    SocketAddress address;
    address.length = name->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    std::memcpy(&address.storage, name, address.length);
    return address_of(address).host;
}

/// An IPv4 address that came in on an IPv6 socket, as the interfaces list has it.
std::string without_mapping(const std::string& host) {
    constexpr std::string_view kMapped = "::ffff:";
    const bool mapped = host.starts_with(kMapped) && host.find('.') != std::string::npos;
    return mapped ? host.substr(kMapped.size()) : host;
}

}  // namespace

MachineTopology read_topology(const std::string& sys) {
    MachineTopology topology;
    topology.existing = cpus_in(sys + "/devices/system/cpu/online");
    topology.allowed = affinity_of_process();
    const std::string nodes = sys + "/devices/system/node";
    for (const unsigned node : cpus_in(nodes + "/online")) {
        topology.nodes[node] = cpus_in(nodes + "/node" + std::to_string(node) + "/cpulist");
    }
    return topology;
}

std::uint32_t allowed_processors() {
    return std::max(1U, static_cast<std::uint32_t>(affinity_of_process().size()));
}

std::string network_device_of(const Address& address) {
    if (address.family != Address::Family::tcp) return {};
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) return {};
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> all(first, ::freeifaddrs);
    const std::string wanted = without_mapping(address.host);
    for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
        const bool internet =
            entry->ifa_addr != nullptr &&
            (entry->ifa_addr->sa_family == AF_INET || entry->ifa_addr->sa_family == AF_INET6);
        if (internet && host_of(entry->ifa_addr) == wanted) return entry->ifa_name;
    }
    return {};
}

std::optional<unsigned> node_of_device(const std::string& device, const std::string& sys) {
    if (device.empty()) return std::nullopt;
    // "-1" where the kernel does not know, which is no list of CPUs or nodes either.
    const auto node = parse_cpu_list(line_of(sys + "/class/net/" + device + "/device/numa_node"));
    if (!node || node->size() != 1) return std::nullopt;
    return node->front();
}

}  // namespace multifd
