#include "tests/support/network_namespaces.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

#include "tests/support/process.hpp"

namespace multifd {
namespace {

using Words = std::vector<std::string>;

constexpr const char* kIp = "/usr/sbin/ip";

bool runs(const Words& words) {
    ProcessSettings settings;
    settings.arguments = words;
    return run_process(settings, std::chrono::seconds(20)).exit_code == 0;
}

void must_run(const Words& words) {
    if (runs(words)) return;
    std::string text;
    for (const auto& word : words) text += word + " ";
    throw std::runtime_error(text + "failed");
}

std::string device(unsigned link) {
    return "link" + std::to_string(link);
}

std::string network(unsigned link) {
    return "10.77." + std::to_string(link) + ".";
}

/// A link's two ends have the same name, so they are born in their namespaces.
void make_link(unsigned link, const std::string& source, const std::string& destination) {
    const std::string name = device(link);
    must_run({kIp, "-n", source, "link", "add", name, "type", "veth", "peer", "name", name, "netns",
              destination});
    for (const auto& end : {source, destination}) {
        const std::string host = end == source ? "1/24" : "2/24";
        must_run({kIp, "-n", end, "address", "add", network(link) + host, "dev", name});
        must_run({kIp, "-n", end, "link", "set", name, "up"});
    }
}

}  // namespace

bool NetworkNamespaces::available() {
    if (::geteuid() != 0) return false;
    const std::string probe = "multifd-probe-" + std::to_string(::getpid());
    if (!runs({kIp, "netns", "add", probe})) return false;
    const bool limits = runs({"/usr/sbin/tc", "-n", probe, "qdisc", "add", "dev", "lo", "root",
                              "tbf", "rate", "100mbit", "burst", "64kb", "latency", "50ms"});
    return runs({kIp, "netns", "delete", probe}) && limits;
}

NetworkNamespaces::NetworkNamespaces(unsigned links) {
    static std::atomic<unsigned> made = 0;
    const std::string name = "multifd-" + std::to_string(::getpid()) + "-" + std::to_string(made++);
    source_ = name + "-s";
    destination_ = name + "-d";
    for (const auto& end : {source_, destination_}) must_run({kIp, "netns", "add", end});
    for (unsigned link = 0; link < links; ++link) make_link(link, source_, destination_);
}

NetworkNamespaces::~NetworkNamespaces() {
    for (const auto& end : {source_, destination_}) {
        static_cast<void>(runs({kIp, "netns", "delete", end}));
    }
}

Words NetworkNamespaces::source_wrapper() const {
    return {kIp, "netns", "exec", source_};
}

Words NetworkNamespaces::destination_wrapper() const {
    return {kIp, "netns", "exec", destination_};
}

std::string NetworkNamespaces::source_address(unsigned link) {
    return network(link) + "1";
}

std::string NetworkNamespaces::destination_address(unsigned link) {
    return network(link) + "2";
}

void NetworkNamespaces::limit(unsigned link, const std::string& rate) {
    must_run({"/usr/sbin/tc", "-n", source_, "qdisc", "replace", "dev", device(link), "root", "tbf",
              "rate", rate, "burst", "64kb", "latency", "50ms"});
}

void NetworkNamespaces::cut(unsigned link) {
    must_run({kIp, "-n", destination_, "link", "set", device(link), "down"});
}

}  // namespace multifd
