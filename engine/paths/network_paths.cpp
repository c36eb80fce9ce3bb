#include "engine/paths/network_paths.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "channels/transport/resolver.hpp"
#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

constexpr const char* kAnySource = "any";

std::vector<std::string> destinations(const SourceSettings& settings) {
    std::vector<std::string> all{settings.to};
    all.insert(all.end(), settings.also_to.begin(), settings.also_to.end());
    return all;
}

[[noreturn]] void refuse(const std::string& text) {
    throw std::invalid_argument(text);
}

/// `to` may be invalid, which is judged elsewhere.
void check_source_address(const std::string& bind, const std::string& to) {
    if (bind == kAnySource) return;
    const std::string pair = "bind " + bind + " cannot go with the destination " + to + ": ";
    if (bind.starts_with("unix:")) {
        refuse(pair + "a UNIX socket's path is no source address; give an IP address or any");
    }
    const auto from = numeric_address(bind, 0);
    if (!from) {
        refuse("bind \"" + bind +
               "\" is no source address: give an IPv4 or IPv6 address of this host, without a "
               "port, or any");
    }
    const auto destination = parse_address(to);
    if (!destination) return;
    if (destination->family == Address::Family::unix_path) {
        refuse(pair + "a connection to a UNIX socket has no source address; give any in its place");
    }
    const auto numeric = numeric_address(destination->host, destination->port);
    if (numeric && numeric->family() != from->family()) {
        refuse(pair + "one is an IPv4 address, the other an IPv6 address");
    }
}

}  // namespace

Result<std::vector<NetworkPath>> network_paths(const SourceSettings& settings, std::string& wrong) {
    std::vector<NetworkPath> paths;
    for (const auto& to : destinations(settings)) {
        const auto address = parse_address(to);
        if (!address) {
            wrong = to;
            return address.error();
        }
        NetworkPath path{.to = *address, .congestion_control = settings.congestion_control};
        const std::size_t position = paths.size();
        if (position < settings.bind.size() && settings.bind[position] != kAnySource) {
            const auto from = numeric_address(settings.bind[position], 0);
            MULTIFD_ASSERT(from.has_value());
            path.from = *from;
        }
        paths.push_back(std::move(path));
    }
    return paths;
}

void check_network_paths(const SourceSettings& settings) {
    const auto all = destinations(settings);
    if (all.size() > 1 && all.size() > settings.multifd_channels) {
        refuse("there are " + std::to_string(all.size()) + " addresses to send to and " +
               std::to_string(settings.multifd_channels) +
               " channels; every address needs a channel: raise multifd-channels");
    }
    if (settings.bind.size() > all.size()) {
        refuse("bind is given " + std::to_string(settings.bind.size()) + " times for " +
               std::to_string(all.size()) + " destination address" + (all.size() > 1 ? "es" : "") +
               "; each one belongs to the destination address at its position");
    }
    for (std::size_t i = 0; i < settings.bind.size(); ++i) {
        check_source_address(settings.bind[i], all[i]);
    }
}

SlowPathReport to_report(const SlowPath& slow, const std::vector<NetworkPath>& paths) {
    const auto mbps = [](double bytes_per_second) { return bytes_per_second * 8 / 1e6; };
    SlowPathReport report;
    report.path = to_string(paths[slow.path].to);
    report.fastest = to_string(paths[slow.fastest].to);
    report.mbps = mbps(slow.bytes_per_second);
    report.fastest_mbps = mbps(slow.fastest_per_second);
    report.advice = slow.send_buffer
                        ? "its send buffer was the limit: raise net.ipv4.tcp_wmem on this host"
                        : "check that link, its route and its MTU, or leave its --to away";
    return report;
}

std::string describe(const SlowPathReport& slow) {
    std::array<char, 32> ratio{};
    std::snprintf(ratio.data(), ratio.size(), "%.1f", slow.fastest_mbps / slow.mbps);
    return "the path to " + slow.path + " is slow: a channel moved " +
           std::to_string(std::llround(slow.mbps)) + " Mbit/s there and " +
           std::to_string(std::llround(slow.fastest_mbps)) + " Mbit/s, " + ratio.data() +
           " times as much, to " + slow.fastest + "; " + slow.advice;
}

std::string describe(const NetworkPath& path) {
    std::string text = to_string(path.to);
    if (path.from) text += " from " + address_of(*path.from).host;
    return text;
}

}  // namespace multifd
